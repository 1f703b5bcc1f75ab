"""Resampling under an affine map, against scipy's and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from hpconv.kernels.warp import Matrix, background_fraction, warp

RNG = np.random.default_rng(0)
IDENTITY: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@pytest.mark.parametrize("size", [9, 12, 30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_warp_equals_scipy(size: int, dtype: str) -> None:
    matrix: Matrix = ((1.1, 0.3, -1.7), (-0.4, 0.8, 2.2), (0, 0, 1))
    x = RNG.random((2, 3, 12, 12)).astype(dtype)
    swapped = np.linalg.inv(matrix)[[1, 0, 2]][:, [1, 0, 2]]  # scipy indexes (row, column)
    expected = np.empty((2, 3, size, size))
    for index in np.ndindex(2, 3):
        expected[index] = ndimage.affine_transform(
            x[index].astype("float64"),
            swapped,
            output_shape=(size, size),
            order=1,
            mode="grid-constant",
        )
    actual = warp(x, matrix, size)
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, atol=1e-6 if dtype == "float32" else 1e-12)


def test_warp_by_the_identity_changes_nothing() -> None:
    x = RNG.random((2, 1, 6, 6)).astype("float32")
    np.testing.assert_allclose(warp(x, IDENTITY, 6), x, rtol=1e-6)


def test_warp_moves_columns_first() -> None:
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 1, 2] = 1
    moved = warp(x, ((1, 0, 2), (0, 1, 0), (0, 0, 1)), 5)
    assert moved[0, 0, 1, 4] == 1
    assert moved.sum() == 1


def test_background_is_the_fraction_outside() -> None:
    aside: Matrix = ((1, 0, 4), (0, 1, 0), (0, 0, 1))
    assert background_fraction(IDENTITY, 8, 8) == 0
    assert background_fraction(aside, 8, 8) == 0.5


@pytest.mark.parametrize("degrees", [0, 7, 90])
def test_background_has_only_pixels_of_weight_zero(degrees: int) -> None:
    turn = np.deg2rad(degrees)
    c, s = 1.3 * np.cos(turn), 1.3 * np.sin(turn)
    matrix: Matrix = ((c, -s, 3), (s, c, -2), (0, 0, 1))
    outside = warp(np.ones((1, 1, 8, 8)), matrix, 12) == 0
    assert background_fraction(matrix, 8, 12) == pytest.approx(outside.mean())
