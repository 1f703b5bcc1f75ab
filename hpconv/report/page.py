"""The page of report and dashboard: one HTML file with style, script and payload."""

import base64
import hashlib
import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hpconv.report.contact_sheet import ContactSheet
from hpconv.report.payload import Payload
from hpconv.report.provenance import Provenance
from hpconv.report.winner import WinnerSection

ASSETS = Path(__file__).with_name("assets")
STYLES = ("page.css", "winner.css")
SCRIPTS = (
    "format.js", "scales.js", "svg.js", "tip.js", "filters.js", "summary.js", "convergence.js",
    "tables.js", "importance.js", "brush.js", "parallel.js", "slices.js", "trials.js",
    "timeline.js", "page.js",
)  # fmt: skip
SECTIONS = {
    "summary": "Summary",
    "convergence": "Convergence",
    "best": "Best trials",
    "winners": "Winners",
    "importance": "Importance",
    "parallel": "Hyperparameters",
    "trials": "Trials",
    "timeline": "Workers",
    "failures": "Failures",
    "images": "Images",
    "environment": "Provenance",
}


def render(
    payload: Payload,
    winners: list[WinnerSection],
    provenance: Provenance,
    *,
    live: str | None,
    images: ContactSheet | None = None,
    bibtex: str = "",
) -> str:
    """The page as a self-contained HTML text.

    Args:
        images: of each class and part.
        bibtex: entries to cite.
        live: URL of newer payloads, relative to the page; None if there are none.
    """
    environment = Environment(
        loader=PackageLoader("hpconv.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    optional = {"winners": winners, "images": images}
    missing = [name for name, content in optional.items() if not content]
    script = f'(() => {{\n"use strict";\n{_texts(SCRIPTS)}}})();'
    return environment.get_template("page.html").render(
        payload=payload,
        winners=winners,
        provenance=provenance,
        images=images,
        bibtex=bibtex,
        live=live,
        sections={id_: title for id_, title in SECTIONS.items() if id_ not in missing},
        style=_texts(STYLES),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        json=as_json(payload),
    )


def as_json(payload: Payload) -> str:
    """The payload as JSON that cannot close the HTML element around it."""
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _texts(names: tuple[str, ...]) -> str:
    return "".join((ASSETS / name).read_text() for name in names)
