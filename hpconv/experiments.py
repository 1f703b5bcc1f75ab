"""Where experiments keep their files: the one that is meant, and its history of trials."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hpconv.errors import UserError
from hpconv.files import read_json

RESULTS = Path("results")
HISTORIES = ("trials.jsonl", "live/trials.jsonl")  # of a search that has ended, of one that runs


def find_experiment(experiment: Path | None, needed: Sequence[str]) -> Path:
    """The folder of the experiment that a person means.

    Args:
        experiment: its folder, or its name under ``results/``; None where there is but one.
        needed: files or folders of an experiment, one of which it must have.

    Raises:
        UserError: when there is no such experiment, or several to choose from.
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
    """The trials of an experiment that have ended, one JSON document a line.

    The newest file of them: a search that is continued has an older history besides.

    Raises:
        UserError: when there are none yet.
    """
    found = [folder / name for name in HISTORIES if (folder / name).is_file()]
    if found:
        return max(found, key=lambda path: path.stat().st_mtime)
    raise UserError(
        f"{folder} has no trials yet, neither {' nor '.join(HISTORIES)}: wait until the search "
        "has begun, or run the workflow"
    )


def tested(folder: Path) -> dict[int, float]:
    """The test errors of an experiment's winners, by tid; none before its final evaluation."""
    path = folder / "final_evaluation.json"
    entries = read_json(path)["winners"] if path.exists() else []
    return {entry["tid"]: entry["test_error"] for entry in entries if "tid" in entry}


def _has_any(folder: Path, needed: Sequence[str]) -> bool:
    with suppress(PermissionError):  # somebody else's
        return any((folder / name).exists() for name in needed)
    return False


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def _none(needed: Sequence[str]) -> str:
    return (
        f"no folder under {RESULTS}/ has {' or '.join(needed)}: go to the folder in which the "
        "workflow runs, give --experiment, or run 'make demo' first"
    )
