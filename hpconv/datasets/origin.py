"""Checks that a data file has the images with which trials were made."""

from pathlib import Path

from hpconv import experiments, trials
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.trials import Trial


def check_trial(trial: Trial, data: Path) -> None:
    """Check that a trial was made with a data file; trials of old histories do not record it.

    Raises:
        UserError: when it was made with other images, labels or splits.
    """
    expected = trial["misc"].get("data")
    with DataFile(data) as file:
        found = file.checksum
    if expected not in (None, found):
        raise UserError(
            f"{data} has other images, labels or splits (checksum {found[:12]}) than trial "
            f"{trial['tid']} was made with ({expected[:12]}): restore the original file"
        )


def check_replacement(folder: Path, unfinished: Path) -> None:
    """Check that a new data file may replace that of an experiment, which may have trials.

    Args:
        folder: of the experiment.

    Raises:
        UserError: when trials were made with other images, labels or splits.
    """
    for path in (folder / name for name in experiments.HISTORIES):
        first = trials.read_first(path) if path.exists() else None
        if first is None:
            continue
        try:
            check_trial(first, unfinished)
        except UserError:
            raise UserError(
                f"{path} has trials that were made with other images, labels or splits: restore "
                "the files of 'data.path' and section 'data', or choose a new 'experiment' name"
            ) from None
