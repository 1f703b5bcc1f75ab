"""The page: one HTML file with its style, script and payload in it, for a report or a dashboard."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

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
    "environment": "Made with",
}


def render(
    payload: dict[str, Any],
    winners: list[dict[str, Any]],
    provenance: dict[str, dict[str, str]],
    live: str | None,
) -> str:
    """The page as HTML text that needs nothing else.

    Args:
        payload: as of ``payload.collect``.
        winners: as of ``winner.collect``.
        provenance: facts by name, by what they are about.
        live: where the page finds newer payloads, relative to itself; None when there are none.
    """
    environment = Environment(
        loader=PackageLoader("hpconv.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = f'(() => {{\n"use strict";\n{_texts(SCRIPTS)}}})();'
    return environment.get_template("page.html").render(
        payload=payload,
        winners=winners,
        provenance=provenance,
        live=live,
        sections={id_: title for id_, title in SECTIONS.items() if winners or id_ != "winners"},
        style=_texts(STYLES),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        json=as_json(payload),
    )


def as_json(payload: dict[str, Any]) -> str:
    """JSON that cannot end the HTML element in which it stands."""
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _texts(names: tuple[str, ...]) -> str:
    return "".join((ASSETS / name).read_text() for name in names)
