"""Validation errors of a trial on other divisions of its training and validation images.

The lowest of many noisy errors is optimistic. Errors on further divisions of the same images do not
share the noise by which a trial was selected; their mean ranks the best trials again.
"""

from pathlib import Path

import numpy as np

from hpconv import features
from hpconv.datasets.protocols import Selection
from hpconv.evaluation.records import Recheck
from hpconv.learners import classifier
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import Trial


def recheck(
    trial: Trial, settings: ClassifierSettings, data: Path, extracted: Path, n_splits: int
) -> Recheck:
    """Fit a trial's classifier on other divisions; no test image is read.

    Args:
        settings: of the trial's classifier.
        extracted: the trial's features of all images.
        n_splits: number of divisions, at least 2.
    """
    selection = Selection(data)
    with features.opened(extracted) as file:
        rows, found = file["rows"][()], file["features"]
        errors = [
            selection.redivided(seed).loss(classifier(found, rows, settings, pairs=selection.pairs))
            for seed in range(1, n_splits + 1)
        ]
    deviation = float(np.std(errors, ddof=1))
    return {
        "tid": trial["tid"],
        "errors": errors,
        "mean": float(np.mean(errors)),
        "deviation": deviation,
    }
