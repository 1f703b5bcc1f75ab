"""What Tab offers as the value of an option; a Tab must not wait for a large import."""

import csv
from pathlib import Path

import typer

from hpconv.experiments import RESULTS
from hpconv.export import FORMATS

Offer = tuple[str, str]  # a value, and what shells say of it


def experiments(incomplete: str) -> list[str]:
    """Experiments, by folder once ``results/`` is typed, else by name."""
    folders = sorted(path.parent for path in RESULTS.glob("*/data.h5"))
    offers = [str(folder) if "/" in incomplete else folder.name for folder in folders]
    return [offer for offer in offers if offer.startswith(incomplete)]


def trials(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Trials that succeeded, the best first, once the search has ended."""
    folder = _folder(ctx)
    path = folder and folder / "best_trials.tsv"
    if not path or not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    offers = [(row["tid"], f"error {float(row['own_error'] or row['loss']):.4f}") for row in rows]
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def ranks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ranks of an experiment's winners."""
    folder = _folder(ctx)
    found = folder.glob("winners/*/trial.json") if folder else []
    numbers = sorted(int(path.parent.name) for path in found)
    return [str(rank) for rank in numbers if str(rank).startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Formats of an exported winner."""
    return [name for name in FORMATS if name.startswith(incomplete)]


def _folder(ctx: typer.Context) -> Path | None:
    given = ctx.params.get("experiment")
    if given is None:
        found = [path.parent for path in RESULTS.glob("*/data.h5")]
        return found[0] if len(found) == 1 else None
    return next((path for path in (Path(given), RESULTS / given) if path.is_dir()), None)
