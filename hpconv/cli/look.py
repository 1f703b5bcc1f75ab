"""What people call by hand: the search space, features of their images, their machine."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli.options import Output, Sizes
from hpconv.errors import EXIT_USER_ERROR, UserError


def space(
    json_: Annotated[bool, typer.Option("--json", help="As JSON instead of a table.")] = False,
    output_sizes: Sizes = "32,64",
    max_layer_sizes: Sizes = "64,128",
) -> None:
    """List the hyperparameters: what each is drawn from, and when it is active."""
    from hpconv import hyperparameters
    from hpconv.space import search_space

    table = hyperparameters.table(search_space(_sizes(output_sizes), _sizes(max_layer_sizes)))
    if json_:
        print(json.dumps(table, indent=2))
        return
    for row in table:
        arguments = ", ".join([*map(str, row["args"]), *(f"{k}={v}" for k, v in row["kw"].items())])
        when = " and ".join(f"{label} in {options}" for label, options in row["condition"].items())
        print(f"{row['label']:26}{row['dist']}({arguments})  {when}")


def extract(
    images: Annotated[Path, typer.Option(help="Images to extract features of (.npy).")],
    output: Output,
    assignment: Annotated[Path | None, typer.Option(help="Hyperparameters (JSON).")] = None,
    unsupervised: Annotated[Path | None, typer.Option(help="Images to learn from (.npy).")] = None,
    trial: Annotated[int | None, typer.Option(help="A finished trial, by its number.")] = None,
    experiment: Annotated[Path | None, typer.Option(help="Folder of the trial's results.")] = None,
    output_sizes: Sizes = "32,64",
    max_layer_sizes: Sizes = "64,128",
    n_patches: int = 50000,
    max_n_features: int = 16000,
    max_row_elements: int = 500000,
) -> None:
    """Write features of any images, by a trial or by hyperparameters of your own.

    Either give --trial (and --experiment, where there are several), or --assignment and
    --unsupervised; the options after those are for the second form.
    """
    from hpconv import extract
    from hpconv import images as pictures
    from hpconv.candidate import ModelSettings
    from hpconv.files import read_json

    if trial is not None:
        folder = experiment or extract.only_experiment(Path("results"))
        values, extractor = extract.from_trial(trial, folder)
    elif assignment is not None and unsupervised is not None:
        values, learn_from = read_json(assignment), pictures.read(unsupervised)
        model = ModelSettings(
            output_sizes=_sizes(output_sizes),
            max_layer_sizes=_sizes(max_layer_sizes),
            n_patches=n_patches,
            max_n_features=max_n_features,
            max_row_elements=max_row_elements,
            n_unsupervised=len(learn_from),
            batch_size=100,
        )
        extractor = extract.from_assignment(values, learn_from, model)
    else:
        raise UserError("give --trial, or --assignment and --unsupervised")
    extract.extract(extractor, values, pictures.read(images), output)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(",") if size)
    except ValueError:
        raise UserError(f"sizes are '{text}', write numbers with commas, such as 32,64") from None


def doctor(
    mongod: Annotated[str | None, typer.Option(help="mongod to look at.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Profile of a cluster, to look at that with a test job.")
    ] = None,
) -> None:
    """Say what this machine, or a cluster, has for hpconv, and what to do about what it lacks."""
    from hpconv import doctor
    from hpconv.pbs import doctor as cluster

    findings = []
    for finding in doctor.examine(mongod) if profile is None else cluster.examine(profile):
        findings.append(finding)
        print(f"{finding.subject:10}{finding.found}")
        if finding.advice:
            print(f"{'':10}-> {finding.advice}")
    if any(finding.found == doctor.MISSING for finding in findings):
        sys.exit(EXIT_USER_ERROR)
