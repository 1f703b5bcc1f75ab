"""Locate an experiment and its history of trials."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hpconv.errors import UserError

RESULTS = Path("results")
CACHE = Path("features")  # default folder of the feature cache
HISTORIES = ("trials.jsonl", "live/trials.jsonl")  # of a finished search, of a running one


def find_experiment(experiment: Path | None, needed: Sequence[str]) -> Path:
    """The folder of an experiment.

    Args:
        experiment: its folder, or its name under ``results/``; None if there is only one.
        needed: files or folders, at least one of which must be in the folder.

    Raises:
        UserError: when no experiment matches, or several.
    """
    candidates = [folder for folder in sorted(RESULTS.glob("*")) if _has_any(folder, needed)]
    if experiment is None:
        if len(candidates) == 1:
            return candidates[0]
        if not candidates:
            raise UserError(_none(needed))
        raise UserError(f"write --experiment with one of {_listed(candidates)}")
    for folder in (experiment, RESULTS / experiment):
        if _has_any(folder, needed):
            return folder
    advice = f"write one of {_listed(candidates)}" if candidates else _none(needed)
    found = f"it has no {' or '.join(needed)}" if experiment.is_dir() else "there is no such folder"
    raise UserError(f"--experiment is '{experiment}', but {found}: {advice}")


def history(folder: Path) -> Path:
    """The newest JSON Lines file of an experiment's finished trials.

    A search that was continued has two: that of the earlier run is older.

    Raises:
        UserError: when there is none yet.
    """
    found = [folder / name for name in HISTORIES if (folder / name).is_file()]
    if found:
        return max(found, key=lambda path: path.stat().st_mtime)
    raise UserError(
        f"{folder} has no trials yet (no {' or '.join(HISTORIES)}): wait until the search has "
        "started, or run the workflow"
    )


def _has_any(folder: Path, needed: Sequence[str]) -> bool:
    with suppress(PermissionError):  # a folder of another user
        return any((folder / name).exists() for name in needed)
    return False


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def _none(needed: Sequence[str]) -> str:
    return (
        f"no folder under {RESULTS}/ has {' or '.join(needed)}: go to the folder in which the "
        "workflow runs, give --experiment, or run 'make demo' first"
    )
