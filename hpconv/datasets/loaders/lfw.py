"""LFW, Labeled Faces in the Wild: are two faces of the same person?

View 1 is for model selection; View 2, ten folds, is for the final evaluation (Huang, Ramesh, Berg
and Learned-Miller, 2007).
"""

import os
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import archives, image_files
from hpconv.datasets.archives import Archive
from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.datasets.loaders import lfw_pairs
from hpconv.datasets.loaders.lfw_pairs import FIGSHARE
from hpconv.errors import UserError

# archives of images and their folders, in order of preference
FUNNELED = (
    Archive(
        "lfw-funneled.tgz",
        f"{FIGSHARE}/5976015",
        "sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    ),
    "lfw_funneled",
)
IMAGES = (
    (
        Archive(
            "lfwa.tar.gz",
            "http://www.openu.ac.il/home/hassner/data/lfwa/lfwa.tar.gz",
            "sha1:38ecda590870e7dc91fb1040759caccddbe25375",
        ),
        "lfw2",
    ),
    FUNNELED,
    (
        Archive(
            "lfw-deepfunneled.tgz",
            "http://vis-www.cs.umass.edu/lfw/lfw-deepfunneled.tgz",
            "md5:68331da3eb755a505a502b5aacb3c201",
        ),
        "lfw-deepfunneled",
    ),
    (
        Archive(
            "lfw.tgz",
            f"{FIGSHARE}/5976018",
            "sha256:055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
        ),
        "lfw",
    ),
)


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write each image that occurs in a pair; pairs with a skipped image are left out.

    Raises:
        UserError: when a file is missing or not the original.
    """
    settings = replace(settings, path=_home(settings))
    found, folder = _files(settings)
    pairs = [
        pair
        for path, expected in zip(found, lfw_pairs.LISTS, strict=True)
        for pair in lfw_pairs.read(path, expected)
    ]
    names = sorted(set(chain.from_iterable((pair.left, pair.right) for pair in pairs)))
    paths = [folder / name for name in names]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise UserError(
            f"{len(absent)} images are missing, the first is {absent[0]}: "
            f"delete the folder {folder}, and its archive will be unpacked again"
        )
    numbers, skipped = image_files.decode_files(paths, settings, writer)
    row = {names[number]: row for row, number in enumerate(numbers)}
    pairs = [pair for pair in pairs if pair.left in row and pair.right in row]
    return Content(
        np.array([pair.same for pair in pairs], int),
        ("different", "same"),
        _splits(np.array([pair.fold for pair in pairs])),
        np.array([(row[pair.left], row[pair.right]) for pair in pairs]),
        skipped,
    )


def _home(settings: DataSettings) -> Path:
    """The data folder; by default scikit-learn's cache, if it exists and ``data/lfw`` does not."""
    own = archives.archive_folder(settings)
    root = os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")
    cache = Path(root).expanduser() / "lfw_home"
    return cache if settings.path is None and not own.is_dir() and cache.is_dir() else own


def _files(settings: DataSettings) -> tuple[list[Path], Path]:
    """Paths of the pair lists, and the folder of the images."""
    home = archives.archive_folder(settings)
    available = [
        (archive, folder)
        for archive, folder in IMAGES
        if (home / folder).is_dir() or (home / archive.name).is_file()
    ]
    archive, folder = available[0] if available else FUNNELED
    lists = [pair_list.archive for pair_list in lfw_pairs.LISTS]
    paths = archives.find_or_download(settings, lists if available else [*lists, archive])
    return paths[: len(lists)], archives.unpacked_folder(settings, archive, folder)


def _splits(folds: np.ndarray) -> Splits:
    """View 1 for model selection; each fold of View 2 trains on the nine others."""
    (train,), (validation,), view_2 = (pair_list.folds for pair_list in lfw_pairs.LISTS)
    evaluated = np.isin(folds, view_2)
    return Splits(
        np.flatnonzero(folds == train),
        np.flatnonzero(folds == validation),
        tuple(
            FoldSplit(np.flatnonzero(evaluated & (folds != fold)), np.flatnonzero(folds == fold))
            for fold in view_2
        ),
    )
