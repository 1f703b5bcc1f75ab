"""Contents of the evaluation files: types and readers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NotRequired, final

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv import trials
from hpconv.errors import UserError
from hpconv.files import read_json
from hpconv.trials import Failure

FINAL_EVALUATION = "final_evaluation.json"


class TestStatistics(TypedDict):
    """Test error over retraining seeds and folds.

    ``confusion`` counts examples by true class (row) and predicted class (column).
    """

    test_error: float  # mean; hyperopt's ``true_loss``
    interval: list[float]  # 95 % confidence interval of test_error
    standard_error: float | None  # over folds; None for one fold
    seed_deviation: float | None  # standard deviation over seeds; None for one seed
    test_errors: list[float]  # of each fold, seed by seed
    confusion: list[list[int]]  # summed over seeds and folds


class Baseline(TestStatistics):
    """``baseline.json``: a classifier on raw pixels."""

    method: str
    validation_error: float


class Evaluation(TestStatistics):
    """``evaluation.json`` of a winner: a retrained trial."""

    tid: int
    validation_error: float
    hyperparameters: dict[str, float]
    feature_shape: list[int]
    seconds: dict[str, float]  # by step


class EnsembleEvaluation(Evaluation):
    """``evaluation.json`` of the ensemble that the search has grown.

    The errors are those of the whole ensemble, the rest is of its last member.
    """

    members: list[int]  # tids, oldest first


@final
class FailedEvaluation(TypedDict):
    """``evaluation.json`` of a winner that could not be evaluated."""

    tid: int
    hyperparameters: dict[str, float]
    failure: Failure


class Recheck(TypedDict):
    """``recheck/N.json``: validation errors of a candidate on other divisions of its images."""

    tid: int
    errors: list[float]
    mean: float
    deviation: float  # standard deviation of the errors


class WinnerEntry(Evaluation):
    """A winner in the final evaluation, or a variant of it with the winner's validation error."""

    rank: int


@final
class CombinedEntry(TestStatistics):
    """The winners' averaged decision scores in the final evaluation."""

    rank: Literal["average"]
    members: list[int]  # tids of the winners


class EnsembleEntry(EnsembleEvaluation):
    """The ensemble in the final evaluation."""

    rank: Literal["ensemble"]


FinalEntry = WinnerEntry | CombinedEntry | EnsembleEntry


class MissingWinner(TypedDict):
    """A winner or a variant without an evaluation."""

    rank: int
    reason: str


class DataSource(TypedDict):
    """The data set of an experiment."""

    name: str
    checksum: str


class FinalEvaluation(TypedDict):
    """``final_evaluation.json``."""

    data: DataSource
    raw_pixels: Baseline
    winners: list[FinalEntry]  # by rank; then the winners combined, then the ensemble
    variants: NotRequired[dict[str, list[FinalEntry]]]  # by name, of each winner; then combined
    missing: list[MissingWinner]


def read_evaluation(path: Path) -> Evaluation | FailedEvaluation | None:
    """A winner's evaluation; None unless it is of the trial that has this rank now.

    Args:
        path: ``evaluation.json``, with ``trial.json`` beside it.
    """
    try:
        evaluation = read_json(path, Evaluation | FailedEvaluation)
        trial = trials.read_one(path.with_name("trial.json"))
        expected = {"tid": trial["tid"], "hyperparameters": trials.hyperparameters(trial)}
        return evaluation if {key: evaluation[key] for key in expected} == expected else None
    except (OSError, UserError):  # missing or damaged
        return None


def failure_text(failure: Failure) -> str:
    """A failure in one line: a programming or user error has no kind of its own."""
    kind, reason = failure["kind"], failure["reason"]
    return reason if kind == "error" else f"{kind}: {reason}"


def read_rechecks(paths: Sequence[Path]) -> list[Recheck]:
    """The rechecks of the candidates that could be measured."""
    found: list[Recheck | None] = [read_json(path, Recheck | None) for path in paths]
    return [recheck for recheck in found if recheck is not None]


def read_final(folder: Path) -> FinalEvaluation | None:
    """The final evaluation of an experiment, ``results/<experiment>``; None if there is none."""
    path = folder / FINAL_EVALUATION
    return read_json(path, FinalEvaluation) if path.exists() else None


def read_baseline(path: Path) -> Baseline:
    """The evaluation of raw pixels, ``baseline.json``."""
    found: Baseline = read_json(path, Baseline)
    return found


def winners_by_tid(final_evaluation: FinalEvaluation | None) -> dict[int, WinnerEntry]:
    """The evaluated winners, without their combination and the ensemble."""
    entries = final_evaluation["winners"] if final_evaluation else []
    return {entry["tid"]: entry for entry in entries if "members" not in entry}


def winner_test_errors(folder: Path) -> dict[int, float]:
    """Test errors of an experiment's winners by tid; empty before the final evaluation."""
    winners = winners_by_tid(read_final(folder))
    return {tid: winner["test_error"] for tid, winner in winners.items()}
