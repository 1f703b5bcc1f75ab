"""``hpconv extract``: features of any images."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpconv.cli import checks, complete
from hpconv.cli.options import ExperimentFolder, Output, sizes
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.config import ModelSettings
    from hpconv.trials import Assignment

PANEL = "Without a trial"

LIKE_CONFIG = "Like the key of section 'model', with the same default."
Bound = Annotated[int | None, typer.Option(rich_help_panel=PANEL, help=LIKE_CONFIG)]
OwnSizes = Annotated[
    str | None, typer.Option(rich_help_panel=PANEL, metavar="N,N", help=LIKE_CONFIG)
]


def extract(
    images: Annotated[
        Path,
        typer.Option(
            callback=checks.read_any,
            help="Images: a .npy file, an image file, or a folder of image files.",
        ),
    ],
    output: Output,
    trial: Annotated[
        int | None,
        typer.Option(autocompletion=complete.trials, help="Number of a trial of a search."),
    ] = None,
    experiment: ExperimentFolder = None,
    assignment: Annotated[
        Path | None,
        typer.Option(
            callback=checks.read_file,
            rich_help_panel=PANEL,
            help="JSON file of hyperparameters, instead of a trial.",
        ),
    ] = None,
    unsupervised: Annotated[
        Path | None,
        typer.Option(
            callback=checks.read_file,
            rich_help_panel=PANEL,
            help="Images from which filters are learned (.npy).",
        ),
    ] = None,
    output_sizes: OwnSizes = None,
    max_layer_sizes: OwnSizes = None,
    n_patches: Bound = None,
    max_n_features: Bound = None,
    max_row_elements: Bound = None,
) -> None:
    """Write features of any images, by a trial or by hyperparameters of your own.

    Image files are cropped and resized to squares of the size and colours of
    the images of the search; images of a .npy file keep their size. The output
    is an HDF5 file of features and names of image files.
    """
    from hpconv import experiments
    from hpconv.datasets import arrays
    from hpconv.datasets.decoding import Decoding
    from hpconv.features import user_images

    decoding = Decoding()
    if trial is not None:
        folder = experiments.find_experiment(experiment, experiments.HISTORIES)
        values, extractor = user_images.from_trial(trial, folder)
        decoding = user_images.decoding(folder)
    elif assignment is not None and unsupervised is not None:
        learn_from = arrays.read_npy(unsupervised)
        bounds = {
            "output_sizes": _sizes(output_sizes, "--output-sizes"),
            "max_layer_sizes": _sizes(max_layer_sizes, "--max-layer-sizes"),
            "n_patches": n_patches,
            "max_n_features": max_n_features,
            "max_row_elements": max_row_elements,
        }
        model = _model(bounds, n_unsupervised=len(learn_from))
        values = _assignment(assignment, model)
        extractor = user_images.from_assignment(values, learn_from, model)
    else:
        raise UserError(
            "no pipeline is given: write --trial N, or --assignment FILE and --unsupervised FILE"
        )
    mine = user_images.read_pictures(images, extractor.pipeline.image_shape, decoding)
    shape = user_images.extract(extractor, values, mine, output)
    count = f"{shape[0]} image{'s' if shape[0] > 1 else ''}"
    print(f"{output}: features of {count}, {'x'.join(map(str, shape[1:]))} each")


def _sizes(text: str | None, option: str) -> tuple[int, ...] | None:
    return None if text is None else sizes(text, option)


def _model(bounds: Mapping[str, Any], n_unsupervised: int) -> "ModelSettings":
    """Model settings with these bounds; those that are None have their defaults.

    Raises:
        UserError: when a bound is out of range.
    """
    from hpconv.config import resolve

    given = {key: value for key, value in bounds.items() if value is not None}
    model = given | {"n_unsupervised": n_unsupervised}
    return resolve({"experiment": "any", "model": model}).model


def _assignment(path: Path, model: "ModelSettings") -> "Assignment":
    """Hyperparameters in a file of the user's.

    Raises:
        UserError: when they do not select a pipeline of the search space.
    """
    from hpconv.model import space

    values: Assignment = _read_json(path)
    try:
        space.evaluate(space.search_space(model.output_sizes, model.max_layer_sizes), values)
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"--assignment is '{path}', which selects no pipeline of the space: write a value for "
            "each active label of 'hpconv space', as 'hpconv best --json' has them"
        ) from None
    return values


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"--assignment is '{path}', which is not JSON ({error}): write an object of labels and "
            "values, as 'hpconv best --json' has them"
        ) from None
