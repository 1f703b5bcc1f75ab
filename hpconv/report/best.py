"""The best trials, and what to type to use them, to fit them again, and to hand them on."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from hpconv import trials
from hpconv.files import read_json
from hpconv.report.trial_rows import seconds
from hpconv.trials import Trial

N_BEST = 10
TESTED = ("test_error", "interval", "seed_deviation")


def best(history: list[Trial], folder: Path, final: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The trials with the least validation error of their own, in the order in which they win.

    Args:
        folder: of the experiment, where winners have theirs.
        final: the final evaluation, if there is one.
    """
    ranks = {read_json(path)["tid"]: int(path.parent.name) for path in _winners(folder)}
    entries = {} if final is None else {entry.get("tid"): entry for entry in final["winners"]}
    return [
        {
            "tid": trial["tid"],
            "rank": ranks.get(trial["tid"]),
            "validation_error": trials.validation_error(trial),
            **{key: entries.get(trial["tid"], {}).get(key) for key in TESTED},
            "features": trials.table_row(trial)["features"],
            "seconds": seconds(trial),
            "hyperparameters": trials.hyperparameters(trial),
            "commands": commands(trial["tid"], ranks.get(trial["tid"]), place, folder),
        }
        for place, trial in enumerate(trials.succeeded(history)[:N_BEST], start=1)
    ]


def commands(tid: int, rank: int | None, place: int, folder: Path) -> dict[str, str | None]:
    """What to paste into a shell in the folder in which the workflow runs.

    Args:
        rank: of a winner, else None: such a trial is made one by ``retrain``.
        place: among all trials, by validation error.
    """
    name, workflow = shlex.quote(str(_shown(folder))), _workflow(folder)
    found: dict[str, str | None] = {
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
    """A folder as seen from here, where it is below."""
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
    """The experiment that a configuration names."""
    try:
        found = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError):
        return None
    return found.get("experiment") if isinstance(found, dict) else None
