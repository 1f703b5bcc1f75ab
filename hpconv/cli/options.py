"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks, complete
from hpconv.errors import UserError

Config = Annotated[
    Path,
    typer.Option(
        callback=checks.read_json,
        help="The configuration as JSON: config.json in the folder of the experiment.",
    ),
]
Data = Annotated[
    Path, typer.Option(callback=checks.read_hdf5, help="Data set, written by 'hpconv data'.")
]
Output = Annotated[Path, typer.Option(callback=checks.write_file, help="File to write.")]
Connection = Annotated[Path, typer.Option(help="Connection file of the server.")]
Experiment = Annotated[str, typer.Option(help="Name of the experiment (hyperopt's exp_key).")]
ExperimentFolder = Annotated[
    Path | None,
    typer.Option(
        "--experiment",
        autocompletion=complete.experiments,
        help="Folder of the experiment, or its name in results/; optional if there is only one.",
    ),
]
History = Annotated[
    Path,
    typer.Option(callback=checks.read_json, help="All trials, one JSON document per line."),
]
Sizes = Annotated[str, typer.Option(metavar="N,N", help="Comma-separated sizes.")]
TrialFile = Annotated[
    Path, typer.Option("--trial", callback=checks.read_json, help="trial.json of a winner.")
]
Cache = Annotated[Path, typer.Option(help="Folder of the feature cache ('evaluation.cache').")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def sizes(text: str, option: str) -> tuple[int, ...]:
    """The comma-separated sizes in an option.

    Raises:
        UserError: when they are not positive integers.
    """
    try:
        parsed = tuple(int(size) for size in text.split(",") if size)
        if min(parsed, default=1) > 0:
            return parsed
    except ValueError:
        pass
    raise UserError(f"{option} is '{text}': write comma-separated positive numbers, such as 32,64")
