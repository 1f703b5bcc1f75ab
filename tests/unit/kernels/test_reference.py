"""The numpy reference kernels against direct loops."""

import numpy as np
import pytest

from hpconv.kernels import reference

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_window_sum_equals_direct_sums(size: int) -> None:
    x = RNG.normal(size=(2, 3, 9, 11))
    rows, columns = 9 - size + 1, 11 - size + 1
    expected = np.zeros((2, 3, rows, columns))
    for r, c in np.ndindex(rows, columns):
        expected[:, :, r, c] = x[:, :, r : r + size, c : c + size].sum(axis=(2, 3))
    np.testing.assert_allclose(reference.window_sum(x, size), expected)


@pytest.mark.parametrize(("channels", "n_filters", "size"), [(1, 4, 3), (3, 1, 2), (5, 7, 6)])
def test_correlate_equals_direct_correlation(channels: int, n_filters: int, size: int) -> None:
    x = RNG.normal(size=(3, channels, 8, 8))
    filters = RNG.normal(size=(n_filters, channels, size, size))
    side = 8 - size + 1
    expected = np.zeros((3, n_filters, side, side))
    for r, c in np.ndindex(side, side):
        patch = x[:, :, r : r + size, c : c + size]
        expected[:, :, r, c] = np.einsum("ncij,kcij->nk", patch, filters)
    np.testing.assert_allclose(reference.correlate(x, filters), expected)


def test_correlate_does_not_depend_on_the_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    x, filters = RNG.normal(size=(5, 2, 6, 6)), RNG.normal(size=(4, 2, 3, 3))
    whole = reference.correlate(x, filters)
    monkeypatch.setattr(reference, "IM2COL_BYTES", 1)
    np.testing.assert_allclose(reference.correlate(x, filters), whole)


def test_a_window_larger_than_the_map_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        reference.window_sum(np.zeros((1, 1, 3, 3)), 4)
