"""Options that several verbs share."""

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
    Path, typer.Option(callback=checks.read_hdf5, help="Data set as written by 'hpconv data'.")
]
Output = Annotated[Path, typer.Option(callback=checks.write_file, help="File to write.")]
Connection = Annotated[Path, typer.Option(help="File in which the server says where it is.")]
Experiment = Annotated[str, typer.Option(help="Name of the experiment (hyperopt's exp_key).")]
ExperimentFolder = Annotated[
    Path | None,
    typer.Option(
        "--experiment",
        autocompletion=complete.experiments,
        help="Folder of an experiment, or its name under results/; needed if there are several.",
    ),
]
History = Annotated[
    Path,
    typer.Option(callback=checks.read_json, help="Export of all trials, one JSON document a line."),
]
Sizes = Annotated[str, typer.Option(metavar="N,N", help="Sizes, with commas.")]
TrialFile = Annotated[
    Path, typer.Option("--trial", callback=checks.read_json, help="A winner's trial.json.")
]
Cache = Annotated[Path, typer.Option(help="Folder of the feature cache: 'evaluation.cache'.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON instead of a table.")]

CACHE = Path("features")  # the default of evaluation.cache


def sizes(text: str, option: str) -> tuple[int, ...]:
    """Sizes that an option gives with commas.

    Raises:
        UserError: when they are not such numbers.
    """
    try:
        found = tuple(int(size) for size in text.split(",") if size)
        if min(found, default=1) > 0:
            return found
    except ValueError:
        pass
    raise UserError(f"{option} is '{text}': write numbers with commas, such as 32,64")
