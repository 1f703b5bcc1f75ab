"""``hpconv predict``: labels of new images by a winner."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli import checks, complete
from hpconv.cli.options import ExperimentFolder
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.evaluation.records import TestStatistics
    from hpconv.export.decision import Decision

LARGEST_TABLE = 12  # classes; of more, the most frequent confusions are listed


def predict(
    images: Annotated[
        Path,
        typer.Option(
            callback=checks.read_any,
            help="Images: an image file, a folder, a CSV file with the column path, an HDF5 file "
            "or a .npy file.",
        ),
    ],
    output: Annotated[
        Path, typer.Option(callback=checks.write_file, help="CSV file to write the labels to.")
    ],
    winner: Annotated[
        int, typer.Option(help="Rank of the winner.", autocompletion=complete.ranks)
    ] = 1,
    together: Annotated[
        bool, typer.Option("--together", help="Use the mean scores of all winners.")
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Use the ensemble that the search has grown.")
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            callback=checks.read_file,
            help="CSV file with the columns path (as in the output) and label.",
        ),
    ] = None,
    experiment: ExperimentFolder = None,
) -> None:
    """Label new images with a winner of a finished experiment.

    Images are cropped and resized as those of the search. The output has a
    line for each image: file, label, margin to the second best class, and the
    score of each class. If the true labels are known, from --labels, a table,
    an HDF5 file or sub-folders named by class, the error is printed.
    """
    from hpconv import experiments
    from hpconv.cli.progress import bar
    from hpconv.datasets import new_images
    from hpconv.export import decision, labelling

    if together and ensemble:
        raise UserError("--together and --ensemble exclude each other: write only one of them")
    folder = experiments.find_experiment(experiment, ["winners"])
    given = labelling.read_labels(labels) if labels else None
    source = new_images.find(images)
    if together:
        chosen = decision.of_winners_together(folder)
    else:
        chosen = decision.of_ensemble(folder) if ensemble else decision.of_winner(winner, folder)
    with bar("images", len(source.names)) as advance:
        labelled = labelling.label(source, chosen, advance)
    labelling.write(output, labelled, chosen)
    print(f"{output}: labels of {_count(len(labelled.names))}")
    if labelled.skipped:
        print(f"skipped {_count(len(labelled.skipped))} that cannot be decoded:")
        print("\n".join(f"  {entry}" for entry in labelled.skipped))
    if given is None and source.labels is not None:
        given = dict(zip(source.names, source.labels, strict=True))
    if given is not None:
        _report(labelling.evaluate(labelled, given, chosen.classes), chosen, labels)


def _count(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"


def _report(found: "TestStatistics | None", chosen: "Decision", labels: Path | None) -> None:
    """Print the error and the confusions, or why there are none.

    Raises:
        UserError: when ``--labels`` lacks an image, or has unknown classes.
    """
    from hpconv.evaluation.statistics import format_error

    if found is None:
        classes = ", ".join(chosen.classes)
        if labels is not None:
            raise UserError(
                f"--labels is '{labels}', which must have a label of each image in the output, "
                f"out of: {classes}"
            )
        print(f"no error is computed: not all images have a label out of: {classes}")
        return
    print(f"error {format_error(found)}, the 95 % interval in parentheses")
    if len(chosen.classes) <= LARGEST_TABLE:
        _show_table(found["confusion"], chosen.classes)
    else:
        _show_most_frequent(found["confusion"], chosen.classes)


def _show_table(confusion: list[list[int]], classes: Sequence[str]) -> None:
    """Print the counts; numbers stand for the predicted classes, so that no name is cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("", "true class", box=box.SIMPLE_HEAD, pad_edge=False, title="predicted class")
    for number in range(len(classes)):
        table.add_column(str(number + 1), justify="right")
    for number, (name, counts) in enumerate(zip(classes, confusion, strict=True), start=1):
        table.add_row(str(number), name, *map(str, counts))
    Console(highlight=False).print(table)


def _show_most_frequent(confusion: list[list[int]], classes: Sequence[str]) -> None:
    found = [
        (count, true, predicted)
        for true, counts in zip(classes, confusion, strict=True)
        for predicted, count in zip(classes, counts, strict=True)
        if count and predicted != true
    ]
    print("most frequent confusions:")
    for count, true, predicted in sorted(found, reverse=True)[:LARGEST_TABLE]:
        print(f"  {count:5} {true} labelled as {predicted}")
