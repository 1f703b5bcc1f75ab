"""``hpconv extract``: features of any images."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpconv.cli import checks, complete
from hpconv.cli.options import ExperimentFolder, Output, sizes
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.config import ModelSettings

PANEL = "Without a trial"

Bound = Annotated[int, typer.Option(rich_help_panel=PANEL, help="Key of section 'model'.")]
OwnSizes = Annotated[
    str, typer.Option(rich_help_panel=PANEL, metavar="N,N", help="Key of section 'model'.")
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
    output_sizes: OwnSizes = "32,64",
    max_layer_sizes: OwnSizes = "64,128",
    n_patches: Bound = 50000,
    max_n_features: Bound = 16000,
    max_row_elements: Bound = 500000,
) -> None:
    """Write features of any images, by a trial or by hyperparameters of your own.

    Image files are cropped and resized to squares of the size and colours of
    the images of the search; images of a .npy file keep their size. The output
    is an HDF5 file of features and names of image files.
    """
    from hpconv import experiments
    from hpconv.config import ModelSettings
    from hpconv.datasets import arrays
    from hpconv.features import user_images

    if trial is not None:
        values, extractor = user_images.from_trial(
            trial, experiments.find_experiment(experiment, experiments.HISTORIES)
        )
    elif assignment is not None and unsupervised is not None:
        learn_from = arrays.read_npy(unsupervised)
        model = ModelSettings(
            output_sizes=sizes(output_sizes, "--output-sizes"),
            max_layer_sizes=sizes(max_layer_sizes, "--max-layer-sizes"),
            n_patches=n_patches,
            max_n_features=max_n_features,
            max_row_elements=max_row_elements,
            n_unsupervised=len(learn_from),
            batch_size=100,
        )
        values = _assignment(assignment, model)
        extractor = user_images.from_assignment(values, learn_from, model)
    else:
        raise UserError(
            "no pipeline is given: write --trial N, or --assignment FILE and --unsupervised FILE"
        )
    mine = user_images.read_pictures(images, extractor.pipeline.image_shape)
    shape = user_images.extract(extractor, values, mine, output)
    count = f"{shape[0]} image{'s' if shape[0] > 1 else ''}"
    print(f"{output}: features of {count}, {'x'.join(map(str, shape[1:]))} each")


def _assignment(path: Path, model: "ModelSettings") -> dict[str, Any]:
    """Hyperparameters in a file of the user's.

    Raises:
        UserError: when they do not select a pipeline of the search space.
    """
    from hpconv.model import space

    values = _read_json(path)
    try:
        with redirect_stdout(StringIO()):  # pyll prints what it cannot evaluate
            space.evaluate(space.search_space(model.output_sizes, model.max_layer_sizes), values)
    except Exception:  # pyll raises many types
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
