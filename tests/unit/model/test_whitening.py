"""Whitening from blocks of patches, compared with an eigendecomposition; drawing of patches."""

import numpy as np
import pytest

from hpconv.errors import CandidateError
from hpconv.model import filterbanks, patches
from hpconv.model.whitening import Moments, Whitening

RNG = np.random.default_rng(0)
WIDTH = 300  # more than the columns that are restored at a time
SCALES = np.geomspace(1, 1e-2, WIDTH)


def correlated_rows(n: int) -> np.ndarray:
    mixing = RNG.normal(size=(WIDTH, WIDTH)) * SCALES
    return (RNG.normal(size=(n, WIDTH)) @ mixing.T / 20 + 3).astype("float32")


def moments_in_blocks(rows: np.ndarray, counts: np.ndarray, size: int = 137) -> Moments:
    moments = Moments(rows.shape[1])
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        moments.add(rows[part].copy(), counts[part])
    return moments


def test_moments_of_counted_rows_equal_those_of_repeated_rows() -> None:
    rows, counts = correlated_rows(1000), RNG.integers(1, 4, size=1000)
    moments = moments_in_blocks(rows, counts)
    everything = np.repeat(rows, counts, axis=0).astype("float64")
    np.testing.assert_allclose(moments.mean, everything.mean(axis=0), rtol=1e-6)
    expected = np.cov(everything, rowvar=False)
    np.testing.assert_allclose(moments.covariance(), expected, atol=1e-6 * expected.max())


@pytest.mark.parametrize("gamma", [100.0, 1.0, 1e-2, 1e-4])
def test_products_match_an_eigendecomposition(
    gamma: float,
) -> None:
    covariance = np.cov(correlated_rows(2000).astype("float64"), rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    matrix = vectors / np.sqrt(values + gamma) @ vectors.T
    rows = RNG.normal(size=(7, WIDTH))
    whitening = Whitening(covariance, gamma)
    for _ in range(2):  # the first product must not change the covariance
        for actual, expected in (
            (whitening.once(rows), rows @ matrix),
            (whitening.squared(rows), rows @ matrix @ matrix),
        ):
            np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def test_covariance_with_negative_eigenvalues_is_refused() -> None:
    with pytest.raises(CandidateError, match="non_finite"):
        Whitening(-2 * np.eye(3), 1.0).squared(np.ones((1, 3)))


def test_cut_patches_match_drawn_patches() -> None:
    images = RNG.uniform(size=(5, 3, 9, 9)).astype("float32")
    expected = filterbanks.random_patches(images, 400, 4, np.random.RandomState(3))
    rng = np.random.RandomState(3)
    image, row, column = (rng.randint(high, size=400) for high in (5, 6, 6))
    assert (
        expected[7] == images[image[7], :, row[7] : row[7] + 4, column[7] : column[7] + 4]
    ).all()
    drawn = patches.draw(images.shape, 400, 4, np.random.RandomState(3))
    found = patches.distinct(drawn)
    assert len(found.counts) <= 5 * 6 * 6
    assert found.counts.sum() == 400
    rows = patches.cut(images, found.positions, 4)[found.numbers]
    np.testing.assert_array_equal(rows.reshape(-1, 4, 4, 3).transpose(0, 3, 1, 2), expected)


def test_number_of_patches_is_limited_by_500_mb() -> None:
    drawn = patches.draw((10, 128, 20, 20), 50_000, 8, np.random.RandomState(0))
    assert len(drawn.image) == 500_000_000 // (4 * 128 * 8 * 8)
