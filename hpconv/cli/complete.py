"""Tab completion of option values; it must not import large libraries."""

import csv
from pathlib import Path

import typer

from hpconv.experiments import RESULTS
from hpconv.export import FORMATS

Offer = tuple[str, str]  # a value, and its description


def experiments(incomplete: str) -> list[str]:
    """Names of experiments; their folders after ``results/`` is typed."""
    folders = sorted(path.parent for path in RESULTS.glob("*/data.h5"))
    offers = [str(folder) if "/" in incomplete else folder.name for folder in folders]
    return [offer for offer in offers if offer.startswith(incomplete)]


def trials(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Successful trials, best first, after the search has ended."""
    folder = _experiment_folder(ctx)
    path = folder and folder / "best_trials.tsv"
    if not path or not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    offers = [(row["tid"], f"error {float(row['own_error'] or row['loss']):.4f}") for row in rows]
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def ranks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ranks of the winners of an experiment."""
    folder = _experiment_folder(ctx)
    found = folder.glob("winners/*/trial.json") if folder else []
    numbers = sorted(int(path.parent.name) for path in found)
    return [str(rank) for rank in numbers if str(rank).startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Formats of an exported winner."""
    return [name for name in FORMATS if name.startswith(incomplete)]


def _experiment_folder(ctx: typer.Context) -> Path | None:
    name = ctx.params.get("experiment")
    if name is None:
        found = [path.parent for path in RESULTS.glob("*/data.h5")]
        return found[0] if len(found) == 1 else None
    return next((path for path in (Path(name), RESULTS / name) if path.is_dir()), None)
