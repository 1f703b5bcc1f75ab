"""A trial's part in an ensemble: what it continues, its loss, and the scores that it keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hyperopt import STATUS_OK
from hyperopt.base import Ctrl

from hpconv.datasets.protocols import Selection
from hpconv.learners import Classifier
from hpconv.learners.ensemble_member import SCORES, Member, StoredMember, pack_member
from hpconv.trials import Result, members


@dataclass(frozen=True)
class EnsembleContext:
    """What a trial of a search that grows ensembles is told.

    Args:
        bagging_fraction: share of its loss that is its error alone.
        members: of the ensemble that it continues, oldest first.
    """

    bagging_fraction: float
    members: Sequence[Member]


def ensemble_context(ctrl: Ctrl) -> EnsembleContext | None:
    """What the trial in hand is told, or None where no ensemble grows.

    Raises:
        KeyError: when a trial that it continues, or that trial's scores, cannot be found.
    """
    trial = ctrl.current_trial
    if "boosting" not in trial["misc"]:
        return None
    tids = members(trial)
    if tids:  # a worker of hyperopt's has not looked at the others yet
        ctrl.trials.refresh()
    found = {each["tid"]: each for each in ctrl.trials} if tids else {}
    blobs = [ctrl.trials.trial_attachments(found[tid])[SCORES] for tid in tids]
    fraction = trial["misc"]["boosting"]["bagging_fraction"]
    return EnsembleContext(fraction, [StoredMember(blob) for blob in blobs])


def score_trial(
    new: Callable[..., Classifier], selection: Selection, boosting: EnsembleContext | None
) -> Result:
    """What a trial's result says of its classifier.

    The loss is ``b own_error + (1 - b) ensemble_error``, with b the bagging fraction, of the
    validation errors without and with the ensemble that is continued (hyperopt-convnet's
    ``hybrid_loss``).

    Args:
        new: makes a classifier; ``members`` are those of the ensemble that it extends.

    Returns:
        ``loss``; ``own_error`` and ``ensemble_error``, of which it is made; ``chosen``, what
        validation examples decided; and ``attachments``: ``scores``, for those that continue it.
    """
    algorithm = new()
    alone = selection.loss(algorithm)
    result: Result = {"status": STATUS_OK, "loss": alone}
    if boosting and boosting.members:
        algorithm = new(members=boosting.members)
        together = selection.loss(algorithm)
        share = boosting.bagging_fraction
        loss = share * alone + (1 - share) * together
        result.update({"loss": loss, "own_error": alone, "ensemble_error": together})
    if algorithm.chosen:
        result["chosen"] = algorithm.chosen
    if boosting:
        blob = pack_member(algorithm, (selection.train, selection.validation))
        result["attachments"] = {SCORES: blob}
    return result
