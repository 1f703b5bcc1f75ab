"""Loss of a trial whose classifier may extend an ensemble, and the scores stored with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hyperopt.base import Ctrl

from hpconv.datasets.protocols import Selection
from hpconv.learners import Classifier
from hpconv.learners.ensemble_member import Member, StoredMember, pack_member
from hpconv.states import STATUS_OK
from hpconv.trials import SCORES, Result, members


@dataclass(frozen=True)
class EnsembleContext:
    """The ensemble that a trial extends, and how its loss is weighted.

    Attributes:
        bagging_fraction: weight, in the loss, of the classifier's error without the ensemble.
        members: of the ensemble, oldest first; may be empty.
    """

    bagging_fraction: float
    members: Sequence[Member]


def ensemble_context(ctrl: Ctrl) -> EnsembleContext | None:
    """Load the ensemble that the current trial extends; None if the search grows no ensemble.

    Raises:
        KeyError: if a member's trial or its scores cannot be found.
    """
    trial = ctrl.current_trial
    if "boosting" not in trial["misc"]:
        return None
    tids = members(trial)
    if tids:  # hyperopt's worker has not loaded the other trials
        ctrl.trials.refresh()
    found = {other["tid"]: other for other in ctrl.trials} if tids else {}
    blobs = [ctrl.trials.trial_attachments(found[tid])[SCORES] for tid in tids]
    fraction = trial["misc"]["boosting"]["bagging_fraction"]
    return EnsembleContext(fraction, [StoredMember(blob) for blob in blobs])


def score_trial(
    new: Callable[..., Classifier], selection: Selection, boosting: EnsembleContext | None
) -> Result:
    """Train a classifier and compute its loss on the validation examples.

    Without an ensemble, the loss is the validation error rate. Otherwise it is
    ``b own_error + (1 - b) ensemble_error``, with the bagging fraction b and the validation error
    rates without and with the ensemble (hyperopt-convnet's ``hybrid_loss``).

    Args:
        new: creates a classifier; its argument ``members`` is the ensemble to extend.

    Returns:
        ``status``; ``loss``; with an ensemble, ``own_error`` and ``ensemble_error``; ``chosen``,
        if parameters were chosen on validation examples; and if the search grows ensembles, the
        attachment ``scores`` for trials that extend this one.
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
