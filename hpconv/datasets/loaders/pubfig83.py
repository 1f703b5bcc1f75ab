"""PubFig83: faces of 83 public figures (Pinto, Stone, Zickler and Cox, CVPR 2011 workshops)."""

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import archives, image_files, splits
from hpconv.datasets.archives import Archive
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.errors import UserError

FOLDER = "pubfig83"
ARCHIVE = Archive(
    "pubfig83_first_draft.tgz",
    "http://www.eecs.harvard.edu/~zak/pubfig83/pubfig83_first_draft.tgz",
    "sha1:1fd55188bf7d9c5cc9d68baee57aa09c41bd2246",
)
PERSONS = 83


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write all images, person by person; ten random folds train on 90 % and test on 10 %.

    Raises:
        UserError: when images are missing, or there are not 83 persons.
    """
    folder = archives.unpacked_folder(settings, ARCHIVE, FOLDER)
    paths = sorted(folder.glob("*/*.jpg"))
    persons, labels = np.unique([path.parent.name for path in paths], return_inverse=True)
    if len(persons) != PERSONS:
        raise UserError(
            f"{folder} has images of {len(persons)} persons, not of {PERSONS}: "
            f"delete it and unpack {ARCHIVE.name} again"
        )
    numbers, skipped = image_files.decode_files(paths, settings, writer)
    labels = labels[numbers]
    chosen = splits.repeated_random(labels, n_folds=10, test=0.1, seed=settings.seed)
    return Content(labels, tuple(map(str, persons)), chosen, skipped=skipped)
