"""Extremely randomised regression trees (Geurts, Ernst and Wehenkel, Machine Learning 2006).

Compiled: scikit-learn takes longer to check its arguments than to fit a tree to few trials.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

MIN_LEAF = 2  # rows
TRIED = 0.5  # share of features tried at a node


@dataclass(frozen=True)
class Trees:
    """Trees in arrays ``(n_trees, n_nodes)``; node 0 is the root, a leaf's feature is -1."""

    feature: np.ndarray
    threshold: np.ndarray  # smaller values go left
    left: np.ndarray  # number of the left child; the right one is the next
    value: np.ndarray  # mean of a node

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predictions ``(n_trees, n)`` of each tree for features ``(n, n_features)``."""
        return _walk(self.feature, self.threshold, self.left, self.value, features)


def fit(features: np.ndarray, targets: np.ndarray, n_trees: int, seed: int) -> Trees:
    """Fit trees to all rows ``(n, n_features)`` and targets ``(n,)``."""
    rng = np.random.default_rng(seed)
    nodes = n_trees, 2 * len(targets)
    trees = Trees(
        np.full(nodes, -1), np.zeros(nodes, np.float32), np.zeros(nodes, int), np.zeros(nodes)
    )
    columns = np.ascontiguousarray(features.T, np.float32)
    n_tried = max(1, round(TRIED * features.shape[1]))
    for arrays in zip(*vars(trees).values(), strict=True):
        _grow(columns, targets, n_tried, rng, *arrays)
    return trees


@njit(cache=True, fastmath=True)
def _grow(columns, targets, n_tried, rng, feature, threshold, left, value):  # type: ignore[no-untyped-def]
    width, n = columns.shape
    rows, order = np.arange(n), np.arange(width)
    start, stop = np.zeros(2 * n, np.int64), np.zeros(2 * n, np.int64)
    stop[0] = n
    x, y = np.empty(n, columns.dtype), np.empty(n, columns.dtype)
    node, n_nodes = 0, 1
    while node < n_nodes:  # breadth first
        low = start[node]
        size = stop[node] - low
        for k in range(size):
            y[k] = targets[rows[low + k]]
        total = y[:size].sum()
        value[node] = total / size
        best, split, score = -1, x[0], total**2 / size + 1e-9
        tried = 0
        for j in range(width if size >= 2 * MIN_LEAF else 0):
            other = j + int(rng.random() * (width - j))
            order[j], order[other] = order[other], order[j]
            column = columns[order[j]]
            for k in range(size):
                x[k] = column[rows[low + k]]
            least = most = x[0]
            for k in range(size):
                least = x[k] if x[k] < least else least
                most = x[k] if x[k] > most else most
            if least == most:
                continue
            cut = least + (most - least) * np.float32(rng.random())
            below, count = np.float32(0), np.float32(0)
            for k in range(size):
                inside = np.float32(1) if x[k] <= cut else np.float32(0)
                below += inside * y[k]
                count += inside
            if MIN_LEAF <= count <= size - MIN_LEAF:
                gain = below**2 / count + (total - below) ** 2 / (size - count)
                if gain > score:
                    best, split, score = order[j], cut, gain
            tried += 1
            if tried == n_tried:
                break
        if best >= 0:
            middle = low
            for k in range(low, low + size):
                if columns[best, rows[k]] <= split:
                    rows[k], rows[middle] = rows[middle], rows[k]
                    middle += 1
            feature[node], threshold[node], left[node] = best, split, n_nodes
            start[n_nodes], stop[n_nodes] = low, middle
            start[n_nodes + 1], stop[n_nodes + 1] = middle, low + size
            n_nodes += 2
        node += 1


@njit(cache=True)
def _walk(feature, threshold, left, value, features):  # type: ignore[no-untyped-def]
    n_trees, n = len(feature), len(features)
    out = np.empty((n_trees, n))
    for t in range(n_trees):
        for k in range(n):
            node = 0
            while feature[t, node] >= 0:
                over = features[k, feature[t, node]] > threshold[t, node]
                node = left[t, node] + over
            out[t, k] = value[t, node]
    return out
