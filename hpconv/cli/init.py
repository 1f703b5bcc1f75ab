"""``hpconv init``: looks at images and writes a configuration for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.search_command import search_command
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.datasets.survey import Survey

MAX_CLASSES, MAX_LISTED = 20, 5  # rows of the table; files of a kind


def init(
    photos: Annotated[
        Path,
        typer.Argument(
            callback=checks.read_any,
            help="A folder with a sub-folder for each class, a CSV file of images or pairs, or an "
            "HDF5 file.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment; by default that of the images.")
    ] = None,
) -> None:
    """Look at your images, and write config/NAME.yaml for a first search.

    It reads all images, shows what it finds, and refuses images that a search
    could not use. It changes no existing file.
    """
    from hpconv.datasets import suggestion, survey

    experiment = suggestion.experiment_name(photos) if name is None else name
    path = Path("config", f"{experiment}.yaml")
    suggestion.check_name(experiment)
    if path.exists():
        raise UserError(f"{path} exists: write another --name, or delete that file")
    found = survey.look_at(photos)
    _show(found)
    path.parent.mkdir(exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(suggestion.configuration(experiment, found))
    print(f"wrote {path}; change it as you like. What the search will cost:")
    print(f"  hpconv plan --configfile {path}")
    print("The search:")
    print(f"  {search_command(path)}")


def _show(found: "Survey") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("class", box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for part in found.parts:
        table.add_column(part, justify="right")
    for number, name in enumerate(found.classes[:MAX_CLASSES]):
        table.add_row(name, *(str(counts[number]) for counts in found.parts.values()))
    if len(found.classes) > MAX_CLASSES:
        table.add_row(f"{len(found.classes) - MAX_CLASSES} more")
    table.add_row("all", *(str(counts.sum()) for counts in found.parts.values()))
    console.print(table)
    smallest, median, largest = found.shorter_sides
    kinds = ", ".join(f"{count} {mode}" for mode, count in found.modes.items())
    print(f"shorter side: {smallest} to {largest} pixels, median {median}")
    print(f"images: {kinds}")
    for kind, lines in (
        ("cannot be read", found.skipped),
        ("copies, used once", found.copies),
        ("ignored", found.ignored),
    ):
        if lines:
            print(f"{kind}:")
            print("\n".join(f"  {line}" for line in lines[:MAX_LISTED]))
            if len(lines) > MAX_LISTED:
                print(f"  and {len(lines) - MAX_LISTED} more")
