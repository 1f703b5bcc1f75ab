"""Which examples a model is chosen on, and which it is judged on."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split

from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.errors import UserError

VALIDATION = 10_000  # images, the last of the training set, where the splits are official


def stratified(labels: np.ndarray, validation: float, test: float, seed: int) -> Splits:
    """Shares of all examples, stratified by label, the same for the same seed."""
    rest, tested = _split_off(np.arange(len(labels)), labels, test, seed)
    train, chosen_on = _split_off(rest, labels, validation / (1 - test), seed)
    return Splits(train, chosen_on, (FoldSplit(np.concatenate([train, chosen_on]), tested),))


def disjoint_pairs(
    pairs: np.ndarray, labels: np.ndarray, validation: float, test: float, seed: int
) -> Splits:
    """Shares of pairs ``(M, 2)`` of images, none of which is in two parts.

    Pairs that have images in common, directly or through others, stay together. Such groups,
    the largest first, go where most of what they have is missing: the shares, and those of the
    labels in them, are met as nearly as the groups allow.

    Raises:
        UserError: when they do not allow to have all labels in all parts.
    """
    left, right = pairs.T
    links = coo_array((np.ones(len(pairs)), (left, right)), shape=(pairs.max() + 1,) * 2)
    _, component = connected_components(links, directed=False)
    _, group = np.unique(component[left], return_inverse=True)
    counts = np.zeros((group.max() + 1, labels.max() + 1))
    np.add.at(counts, (group, labels), 1)
    missing = np.outer([1 - validation - test, validation, test], counts.sum(axis=0))
    order = np.random.default_rng(seed).permutation(len(counts))
    part = np.zeros(len(counts), int)
    for number in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        part[number] = (missing @ counts[number]).argmax()
        missing[part[number]] -= counts[number]
    train, chosen_on, tested = (np.flatnonzero(part[group] == number) for number in range(3))
    if min(len(np.unique(labels[rows])) for rows in (train, chosen_on, tested)) < len(counts.T):
        raise UserError(
            f"the {len(pairs)} pairs share so many images that they fall into {len(counts)} groups "
            "without an image in common, too few to draw parts: give the pairs a column 'fold'"
        )
    return Splits(train, chosen_on, (FoldSplit(np.union1d(train, chosen_on), tested),))


def official(n_train: int, n_test: int, validation: int = VALIDATION) -> Splits:
    """Training images, then test images; the last of the training images are for validation."""
    rows = np.arange(n_train)
    test = np.arange(n_train, n_train + n_test)
    return Splits(rows[:-validation], rows[-validation:], (FoldSplit(rows, test),))


def repeated_random(labels: np.ndarray, n_folds: int, test: float, seed: int) -> Splits:
    """Random divisions into train and test, none of which tests an image of the choice.

    The images on which a model is chosen are set apart first, so that no test image of any
    fold is among them; each fold trains on all images that it does not test.
    """
    rows = np.arange(len(labels))
    development, pool = _split_off(rows, labels, 3 * test, seed)
    train, validation = _split_off(development, labels, test / (1 - 3 * test), seed)
    folds = []
    for number in range(n_folds):
        _, tested = _split_off(pool, labels, 1 / 3, seed + number)
        folds.append(FoldSplit(np.setdiff1d(rows, tested), tested))
    return Splits(train, validation, tuple(folds))


def subsample(splits: Splits, labels: np.ndarray, fraction: float, seed: int) -> Splits:
    """A stratified fraction of each part, for quick runs; fold by fold."""

    def part(rows: np.ndarray) -> np.ndarray:
        if fraction == 1 or not len(rows):
            return rows
        return _split_off(rows, labels, 1 - fraction, seed)[0]

    train, validation = part(splits.train), part(splits.validation)
    whole, kept = np.union1d(splits.train, splits.validation), np.union1d(train, validation)

    def fold_part(rows: np.ndarray) -> np.ndarray:  # what the choice has seen is used again
        return np.union1d(np.intersect1d(rows, kept), part(np.setdiff1d(rows, whole)))

    folds = tuple(FoldSplit(fold_part(fitted), part(tested)) for fitted, tested in splits.folds)
    return Splits(train, validation, folds)


def _split_off(
    rows: np.ndarray, labels: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows without, and with, a share of them; each rising."""
    wanted = round(share * len(rows))  # a float share of a float share may round up
    try:
        kept, taken = train_test_split(
            rows, test_size=wanted, stratify=labels[rows], random_state=seed
        )
    except ValueError as error:
        raise UserError(f"too few examples to divide by class ({len(rows)}): {error}") from error
    return np.sort(kept), np.sort(taken)
