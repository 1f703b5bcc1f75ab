"""Class scores of new images by a winner, by several winners together, or by the ensemble."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpconv import experiments, trials
from hpconv.datasets import arrays
from hpconv.datasets.decoding import Decoding
from hpconv.errors import UserError
from hpconv.evaluation.records import EnsembleEvaluation, read_final, winners_by_tid
from hpconv.export import winner
from hpconv.export.winner import Winner
from hpconv.features.extractor import Extractor
from hpconv.files import read_json
from hpconv.learners.linear_scores import Linear


@dataclass(frozen=True)
class Decision:
    """A sum of linear classifiers, each over the features of its extractor.

    Attributes:
        shares: extractors and classifiers, which have the same labels.
        classes: names of the classes, by class number.
        decoding: of the images of the search.
    """

    shares: Sequence[tuple[Extractor, Linear]]
    classes: Sequence[str]
    decoding: Decoding

    @classmethod
    def of(cls, winners: Sequence[Winner], factors: Sequence[float] = (1.0,)) -> "Decision":
        """The sum of winners' scores, times these factors.

        Raises:
            UserError: when examples are pairs of images.
        """
        shares = []
        for found, factor in zip(winners, factors, strict=True):
            if found.linear is None:
                raise UserError(
                    "the examples of this experiment are pairs of images, which have no "
                    "classifier of single images: use 'hpconv extract' for features"
                )
            shares.append((found.extractor, found.linear.times(factor)))
        return cls(shares, winners[0].about["classes"], winners[0].decoding)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C, H, W)`` of the images of the search."""
        return self.shares[0][0].pipeline.image_shape

    @property
    def labels(self) -> np.ndarray:
        """Class numbers ``(K,)`` of the scores."""
        return self.shares[0][1].labels

    def scores(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Scores ``(n, K)`` of square images ``(N, C, H, W)``, batch by batch."""
        images = arrays.with_channels(images, self.image_shape[0])
        shares = [
            map(linear.scores, extractor.for_image_size(images.shape[-1]).batches(images))
            for extractor, linear in self.shares
        ]
        for scores in zip(*shares, strict=True):
            yield np.sum(scores, axis=0)


def of_winner(rank: int, experiment: Path) -> Decision:
    """The decision of a winner.

    Args:
        experiment: folder, ``results/<experiment>``.

    Raises:
        UserError: when the winner cannot be read, or examples are pairs of images.
    """
    return Decision.of([winner.read(rank, experiment)])


def of_winners_together(experiment: Path) -> Decision:
    """The mean of all winners' scores, each divided by its standard deviation on test examples.

    Raises:
        UserError: when there is no final evaluation, and as ``of_winner``.
    """
    evaluated = winners_by_tid(read_final(experiment)).values()
    if not evaluated:
        raise UserError(f"{experiment} has no evaluated winners: run the workflow to its end first")
    found, factors = [], []
    for entry in evaluated:
        scores = arrays.read_arrays(experiment / f"winners/{entry['rank']}/scores.npz")
        factors.append(1 / (len(evaluated) * float(scores["decision/0"].std())))
        found.append(winner.read(entry["rank"], experiment))
    return Decision.of(found, factors)


def of_ensemble(experiment: Path) -> Decision:
    """The decision of the ensemble that the search has grown.

    Raises:
        UserError: when the search grew none, and as ``of_winner``.
    """
    folder = experiment / "ensemble"
    if not (folder / "evaluation.json").exists():
        raise UserError(
            f"{experiment} has no evaluated ensemble: leave out --ensemble, or search with "
            "'ensemble.grow: true'"
        )
    record: EnsembleEvaluation = read_json(folder / "evaluation.json")
    members = trials.read(experiments.history(experiment), record["members"])
    data = experiment / "data.h5"
    found = [
        winner.with_classifier(trial, data, folder / f"classifier-{trial['tid']}.npz")
        for trial in members
    ]
    return Decision.of(found, [1.0] * len(found))
