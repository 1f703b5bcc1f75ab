"""A configuration for images: only the keys that matter, each with its reason."""

import re
from pathlib import Path

from hpconv.config import resolve
from hpconv.datasets.survey import Survey
from hpconv.errors import UserError

FEW = 500  # validation images; with less, the error of the best trial is uncertain
MANY = 2000  # validation images; with less, a tenth of them tells little
OUTPUT_SIZES = (32, 64)  # of the published space


def experiment_name(path: Path) -> str:
    """A name for an experiment with the images of a path."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().stem).strip("-._") or "mine"


def check_name(name: str) -> None:
    """Check the name of an experiment.

    Raises:
        UserError: when it is invalid.
    """
    try:
        resolve({"experiment": name})
    except UserError as invalid:
        message = str(invalid).replace("config key 'experiment'", "--name")
        raise UserError(message) from None


def configuration(name: str, found: Survey) -> str:
    """YAML text for a first search."""
    lines = [f"experiment: {name} # results go to results/{name}", "", "data:"]
    lines += [f"  {line}" for line in _data(found)]
    size = found.settings.size or found.shorter_sides[0]
    if size <= OUTPUT_SIZES[0]:
        lines += [
            *("", "model:"),
            f"  output_sizes: [{OUTPUT_SIZES[0]}] # images have {size} pixels; 64 costs four times",
        ]
    lines += [
        *("", "search:"),
        "  max_evals: 100 # a first search; increase it, and the search continues",
    ]
    n_validation = int(found.parts["validation"].sum())
    if n_validation >= MANY and found.settings.name != "pairs":
        lines.append(
            "  rungs: [0.1, 0.3] # shares of the images; only the best third of the trials go on"
        )
    lines += ["", "evaluation:", "  winners: 3"]
    if n_validation < FEW:
        error = 0.5 / n_validation**0.5  # the largest standard error of a share
        lines += [
            f"  recheck: # {n_validation} validation images: their error varies by {error:.1%}",
            "    best: 10 # so the best trials are measured on other divisions, too",
        ]
    return "\n".join(lines) + "\n"


def _data(found: Survey) -> list[str]:
    settings = found.settings
    smallest, _, largest = found.shorter_sides
    lines = [f"name: {settings.name}", f"path: {_quoted(settings.path)}"]
    if settings.size is None:
        lines.append(f"# size: all images are squares of {smallest} pixels, which are kept")
    else:
        lines.append(
            f"size: {settings.size} # shorter sides are {smallest} to {largest} pixels; the search "
            "uses at most 64"
        )
    if settings.corrupt == "skip":
        lines.append(f"corrupt: skip # {len(found.skipped)} files cannot be read")
    return lines


def _quoted(path: Path | None) -> str:
    """A path as a YAML string."""
    return "'" + str(path).replace("'", "''") + "'"
