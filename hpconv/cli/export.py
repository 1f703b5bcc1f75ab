"""A winner for those who do not have hpconv."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli.options import Output


def export(
    winner: Annotated[int, typer.Option(help="A winner, by its rank.")],
    format_: Annotated[str, typer.Option("--format", help="npz, onnx or pytorch.")],
    output: Output,
    experiment: Annotated[Path | None, typer.Option(help="Folder of the winner's results.")] = None,
) -> None:
    """Write a winner, from images to labels, to a file that needs no hpconv."""
    from hpconv import export, extract
    from hpconv.export import winner as winners

    export.require(format_)
    found = winners.read(winner, experiment or extract.only_experiment(Path("results")))
    differences = export.export(found, format_, output)
    print(f"{output}: {differences}")
    if found.linear is None:
        print("examples are pairs of images: this is the feature extractor alone")
