"""Splits of the examples into training, validation and test parts."""

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.errors import UserError

VALIDATION = 10_000  # images at the end of an official training set


def stratified(labels: np.ndarray, validation: float, test: float, seed: int) -> Splits:
    """Random splits into shares of all examples, stratified by label."""
    rest, tested = _split_off(np.arange(len(labels)), labels, test, seed)
    train, validated = _split_off(rest, labels, validation / (1 - test), seed)
    return Splits(train, validated, (FoldSplit(np.concatenate([train, validated]), tested),))


def with_validation(splits: Splits, labels: np.ndarray, validation: float, seed: int) -> Splits:
    """Draw a stratified share of the training examples as the validation part."""
    train, validated = _split_off(splits.train, labels, validation, seed)
    return replace(splits, train=train, validation=validated)


def disjoint_pairs(
    pairs: np.ndarray, labels: np.ndarray, validation: float, test: float, seed: int
) -> Splits:
    """Random splits of pairs of images such that no image occurs in two parts.

    Pairs that share images, directly or through other pairs, form a group that stays together.
    Greedy assignment, largest group first: a group goes to the part that lacks most examples of
    the group's labels. Shares are met as closely as the groups allow.

    Args:
        pairs: image rows ``(M, 2)``.

    Raises:
        UserError: when a part would lack a label.
    """
    group = _image_groups(pairs)
    counts = np.zeros((group.max() + 1, labels.max() + 1))
    np.add.at(counts, (group, labels), 1)
    missing = np.outer([1 - validation - test, validation, test], counts.sum(axis=0))
    order = np.random.default_rng(seed).permutation(len(counts))
    assigned = np.zeros(len(counts), int)
    for number in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        assigned[number] = (missing @ counts[number]).argmax()
        missing[assigned[number]] -= counts[number]
    train, validated, tested = (np.flatnonzero(assigned[group] == number) for number in range(3))
    fewest_labels = min(len(np.unique(labels[part])) for part in (train, validated, tested))
    if fewest_labels < counts.shape[1]:
        raise UserError(
            f"the {len(pairs)} pairs fall into {len(counts)} groups that share images, too few for "
            "random splits without common images: add a column 'fold' to the pairs"
        )
    return Splits(train, validated, (FoldSplit(np.union1d(train, validated), tested),))


def redivide(
    labels: np.ndarray, pairs: np.ndarray | None, n_validation: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Another stratified division of examples into training and validation examples.

    Args:
        labels: ``(n,)``.
        pairs: their image rows ``(n, 2)`` if they are pairs: no image occurs in both parts.
        n_validation: examples in the validation part; approximate for pairs.

    Returns:
        example numbers of the training and the validation part, each rising.
    """
    examples = np.arange(len(labels))
    if pairs is None:
        return _split_off(examples, labels, n_validation / len(labels), seed)
    from sklearn.model_selection import StratifiedGroupKFold

    parts = round(len(labels) / n_validation)
    divisions = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    return next(divisions.split(examples, labels, _image_groups(pairs)))


def nested_share(labels: np.ndarray, share: float) -> np.ndarray:
    """A stratified random share of examples, always the same: at least one of each class.

    A smaller share is a part of a larger one.

    Args:
        labels: ``(n,)``.

    Returns:
        positions in labels, rising.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    grouped = labels[by_class]
    number = np.arange(len(labels)) - first[grouped]  # within the class
    return np.sort(by_class[number < share * counts[grouped]])


def official(n_train: int, n_test: int, validation: int = VALIDATION) -> Splits:
    """Training images, then test images; the last training images are the validation part."""
    train = np.arange(n_train)
    test = np.arange(n_train, n_train + n_test)
    return Splits(train[:-validation], train[-validation:], (FoldSplit(train, test),))


def repeated_random(labels: np.ndarray, n_folds: int, test: float, seed: int) -> Splits:
    """Repeated random folds that test no image which model selection has seen.

    The training and validation images are drawn first, the test images of all folds from the
    others. Each fold trains on all images that it does not test.

    Args:
        test: share of a fold's test images; also of the validation images.
    """
    examples = np.arange(len(labels))
    development, pool = _split_off(examples, labels, 3 * test, seed)
    train, validation = _split_off(development, labels, test / (1 - 3 * test), seed)
    folds = []
    for number in range(n_folds):
        _, tested = _split_off(pool, labels, 1 / 3, seed + number)
        folds.append(FoldSplit(np.setdiff1d(examples, tested), tested))
    return Splits(train, validation, tuple(folds))


def subsample(splits: Splits, labels: np.ndarray, fraction: float, seed: int) -> Splits:
    """A stratified fraction of each part of each fold, for quick runs."""

    def part(examples: np.ndarray) -> np.ndarray:
        return examples[share(labels[examples], fraction, seed)] if len(examples) else examples

    train, validation = part(splits.train), part(splits.validation)
    whole, kept = np.union1d(splits.train, splits.validation), np.union1d(train, validation)

    def fold_part(examples: np.ndarray) -> np.ndarray:  # keeps those of model selection
        return np.union1d(np.intersect1d(examples, kept), part(np.setdiff1d(examples, whole)))

    folds = tuple(FoldSplit(fold_part(fitted), part(tested)) for fitted, tested in splits.folds)
    return Splits(train, validation, folds)


def share(strata: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A stratified fraction of all examples: their numbers, rising."""
    examples = np.arange(len(strata))
    return examples if fraction == 1 else _split_off(examples, strata, 1 - fraction, seed)[0]


def _image_groups(pairs: np.ndarray) -> np.ndarray:
    """A group number ``(n,)`` for each pair; pairs that share images have the same."""
    left, right = pairs.T
    links = coo_array((np.ones(len(pairs)), (left, right)), shape=(pairs.max() + 1,) * 2)
    _, component = connected_components(links, directed=False)
    return np.unique(component[left], return_inverse=True)[1]


def _split_off(
    examples: np.ndarray, labels: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split a stratified share off: the remaining and the taken example numbers, each rising.

    Raises:
        UserError: when a class has too few examples.
    """
    from sklearn.model_selection import train_test_split  # takes half a second: no worker needs it

    count = round(share * len(examples))  # an int: scikit-learn may round a float up
    try:
        kept, taken = train_test_split(
            examples, test_size=count, stratify=labels[examples], random_state=seed
        )
    except ValueError as error:
        raise UserError(
            f"{len(examples)} examples cannot be split by class ({error}): add examples, or raise "
            "'data.fraction'"
        ) from error
    return np.sort(kept), np.sort(taken)
