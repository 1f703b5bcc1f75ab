"""Options that several verbs share."""

import json
from pathlib import Path
from typing import Annotated

import typer

Section = Annotated[dict, typer.Option(parser=json.loads, metavar="JSON")]
Model = Annotated[
    dict,
    typer.Option(parser=json.loads, metavar="JSON", help="Section 'model' of a configuration."),
]
Data = Annotated[Path, typer.Option(help="Data set as written by 'hpconv data'.")]
Output = Annotated[Path, typer.Option(help="File to write.")]
Connection = Annotated[Path, typer.Option(help="File in which the server says where it is.")]
Experiment = Annotated[str, typer.Option(help="Name of the experiment (hyperopt's exp_key).")]
History = Annotated[Path, typer.Option(help="Export of all trials, one JSON document a line.")]
Sizes = Annotated[str, typer.Option(metavar="N,N", help="Sizes, with commas.")]
TrialFile = Annotated[Path, typer.Option("--trial", help="A winner's trial.json.")]
Cache = Annotated[Path, typer.Option(help="Folder of the feature cache: 'evaluation.cache'.")]
Memory = Annotated[float, typer.Option(help="GiB that this may take: 'search.trial_memory_gb'.")]

CACHE, MEMORY_GB = Path("features"), 8.0  # as in a configuration that says nothing
