"""The best trials, with commands to extract their features, export and retrain them."""

import shlex
from pathlib import Path
from typing import TypedDict

import yaml

from hpconv import trials
from hpconv.evaluation.records import FinalEvaluation, winners_by_tid
from hpconv.report.trial_rows import seconds
from hpconv.trials import Trial

N_BEST = 10


class Commands(TypedDict):
    """Shell commands for a trial, to run where the workflow runs."""

    extract: str
    export: str | None  # for winners only
    retrain: str


class BestTrial(TypedDict):
    """A trial in the payload's list of the best."""

    tid: int
    rank: int | None  # of a winner
    validation_error: float
    test_error: float | None
    interval: list[float] | None  # 95 % confidence interval of the test error
    seed_deviation: float | None
    features: str  # feature shape, such as 16x4x4
    seconds: float  # of evaluation
    hyperparameters: dict[str, float]
    commands: Commands


def best(history: list[Trial], folder: Path, final: FinalEvaluation | None) -> list[BestTrial]:
    """The trials with the lowest validation errors, without the ensembles that they extend.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        final: the final evaluation, if there is one.
    """
    ranks = {trials.read_one(path)["tid"]: int(path.parent.name) for path in _winners(folder)}
    winners = winners_by_tid(final)
    found: list[BestTrial] = []
    for place, trial in enumerate(trials.succeeded(history)[:N_BEST], start=1):
        tid = trial["tid"]
        rank, winner = ranks.get(tid), winners.get(tid)
        found.append(
            {
                "tid": tid,
                "rank": rank,
                "validation_error": trials.validation_error(trial),
                "test_error": winner and winner["test_error"],
                "interval": winner and winner["interval"],
                "seed_deviation": winner and winner["seed_deviation"],
                "features": trials.table_row(trial)["features"],
                "seconds": seconds(trial),
                "hyperparameters": trials.hyperparameters(trial),
                "commands": commands(tid, rank, place, folder),
            }
        )
    return found


def commands(tid: int, rank: int | None, place: int, folder: Path) -> Commands:
    """Commands for a trial.

    Args:
        rank: of a winner; None for another trial, which ``retrain`` makes a winner.
        place: among all trials, by validation error.
    """
    name, workflow = shlex.quote(str(_shown(folder))), _workflow(folder)
    found: Commands = {
        "extract": f"hpconv extract --trial {tid} --experiment {name} --images mine.npy "
        "--output features.h5",
        "export": None,
        "retrain": f"{workflow} --config evaluation='{{winners: {place}}}' -- report",
    }
    if rank is not None:
        found["export"] = (
            f"hpconv export --winner {rank} --experiment {name} --format onnx --output winner.onnx"
        )
        found["retrain"] = f"{workflow} --force {name}/winners/{rank}/evaluation.json"
    return found


def _winners(folder: Path) -> list[Path]:
    return sorted(folder.glob("winners/*/trial.json"))


def _shown(folder: Path) -> Path:
    """A folder relative to the working directory, if it is inside."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _workflow(folder: Path) -> str:
    name = folder.resolve().name
    config = next(filter(lambda path: _experiment(path) == name, _configs()), None)
    path = shlex.quote(str(config or f"config/{name}.yaml"))
    return f"snakemake --profile profiles/local --configfile {path}"


def _configs() -> list[Path]:
    return sorted(Path("config").glob("*.yaml"))


def _experiment(config: Path) -> str | None:
    """The name of the experiment in a configuration file."""
    try:
        found = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError):
        return None
    return found.get("experiment") if isinstance(found, dict) else None
