"""The fused kernels, in C and in Numba, against the exact operators in float64."""

from collections.abc import Iterator
from dataclasses import fields
from functools import reduce

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from hpconv import kernels
from hpconv.engines import operators
from hpconv.kernels import Fbcorr, Fbncc, Gridpool, Lnorm, Lpool, LpoolAlpha, Step, passes

OPERATORS = {
    Lnorm: operators.lnorm,
    Fbcorr: operators.fbcorr,
    Fbncc: operators.fbncc,
    Lpool: operators.lpool,
    LpoolAlpha: operators.lpool_alpha,
    Gridpool: operators.quantize_gridpool,
}


@pytest.fixture(params=["c", "numba"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numba":
        monkeypatch.setattr(passes, "library", lambda: None)
    else:
        assert kernels.backend() == "c"
    return request.param


def exact(x: np.ndarray, *steps: Step) -> np.ndarray:
    """The steps by their formulas, in float64."""
    images = y = pt.tensor4("images", dtype="float64")
    for step in steps:
        y = OPERATORS[type(step)](y, *(getattr(step, field.name) for field in fields(step)))
    function = pytensor.function([images], y, mode=Mode("vm", None))
    with np.errstate(all="ignore"):
        return function(x.astype("float64"))


def check(x: np.ndarray, *steps: Step, tolerance: float = 1e-4) -> None:
    actual, expected = kernels.run_steps(x, steps), exact(x, *steps)
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randn(*shape).astype("float32")


def odd_shapes() -> Iterator[tuple[int, ...]]:
    """Around the widths of vectors and blocks: (images, channels, filters, size, H, W)."""
    rng = np.random.RandomState(1)
    for channels in (1, 2, 3, 17, 64):
        for n_filters in (1, 3, 16, 17, 100):
            size = rng.randint(1, 10)
            height, width = size + rng.randint(13), size + rng.randint(13)
            yield rng.randint(1, 6), channels, n_filters, size, height, width


@pytest.mark.parametrize("shape", list(odd_shapes()), ids=str)
def test_correlation(shape: tuple[int, ...]) -> None:
    n, channels, n_filters, size, height, width = shape
    x = data(n, channels, height, width)
    filters = data(n_filters, channels, size, size, seed=1)
    mean = data(channels, size, size, seed=2)
    check(x, Fbcorr(filters), tolerance=1e-5)
    check(x, Fbncc(mean, filters, True, 1.5, False))
    check(x, Fbncc(mean, filters, False, 9.0, True))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2, 4.0, 0.6, 1.37, 9.7])
def test_pooling(size: int, stride: int, order: float) -> None:
    for channels, height, width in ((1, 9, 9), (17, 13, 10)):
        x = 3 * data(3, channels, height, width)
        check(x, Lpool(ker_size=size, order=order, stride=stride))
        check(x, LpoolAlpha(ker_size=size, order=order, stride=stride, alpha=0.4))


@pytest.mark.parametrize(("grid", "order"), [(1, 1.0), (2, 2.0), (2, 3.0), (3, 3.3), (5, 0.5)])
def test_gridpool(grid: int, order: float) -> None:
    for channels in (1, 17):
        check(data(4, channels, 14, 14), Gridpool(grid, order, 0.3))


@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("remove_mean", [True, False])
def test_local_normalisation(size: int, remove_mean: bool) -> None:
    for channels, height, width in ((1, 9, 12), (3, 15, 15), (17, 11, 9)):
        x = data(3, channels, height, width) + 5
        for threshold in (0.0, 3.0, 20.0):
            check(x, Lnorm(size, remove_mean, threshold))


@pytest.mark.parametrize(
    "pool",
    [
        Lpool(ker_size=3, order=2, stride=2),
        Lpool(ker_size=4, order=1.7, stride=1),
        LpoolAlpha(ker_size=5, order=2, stride=3, alpha=0.1),
        Gridpool(3, 2.0, 0.05),
    ],
    ids=str,
)
@pytest.mark.parametrize("contrast", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 33, 61), (7, 40, 20, 19), (33, 5, 16, 16)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_pass_of_all_steps(
    pool: Step,
    contrast: bool,
    shape: tuple[int, ...],
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    n, channels, n_filters, side = shape
    filters = data(n_filters, channels, 4, 4, seed=1) / 9
    mean = data(channels, 4, 4, seed=2)
    bank = Fbncc(mean, filters, True, 1.0, False) if contrast else Fbcorr(filters)
    x = data(n, channels, side, side) + 0.5
    check(x, Lnorm(3, True, 0.5), bank, pool)


def test_steps_in_any_order() -> None:
    one, two = data(24, 3, 5, 5), data(40, 24, 3, 3)
    stacked = (
        Lnorm(4, True, 0.0),
        Fbcorr(one),
        Lpool(ker_size=3, order=2, stride=2),
        Fbcorr(two),
        Lpool(ker_size=2, order=1.5, stride=1),
    )
    check(data(5, 3, 30, 26), *stacked, Lnorm(2, True, 0.0))
    check(
        data(5, 3, 30, 26),
        Lpool(ker_size=2, order=1, stride=1),
        Lnorm(3, False, 0.1),
        Lnorm(2, True, 0.0),
    )


def test_a_chain_equals_its_steps_one_by_one() -> None:
    steps = (Lnorm(3, True, 0.0), Fbcorr(data(9, 3, 3, 3)), Lpool(ker_size=2, order=2, stride=2))
    x = data(4, 3, 14, 14)
    single = reduce(lambda maps, step: kernels.run_steps(maps, [step]), steps, x)
    np.testing.assert_allclose(kernels.run_steps(x, steps), single, rtol=1e-4, atol=1e-5)


def test_inputs_of_any_memory_order() -> None:
    x, filters = data(4, 12, 14, 7), data(9, 7, 3, 3)
    for view in (x.transpose(0, 3, 1, 2), x.transpose(2, 3, 1, 0)[:, :, ::-1], x[:, :7, :, ::2]):
        check(view, Fbcorr(filters[:, : view.shape[1]]), tolerance=1e-5)


def test_the_input_is_not_modified() -> None:
    x = np.ascontiguousarray(data(2, 8, 8, 3)).transpose(0, 3, 1, 2)  # channels-last, as read
    before = x.copy()
    kernels.run_steps(x, [Lnorm(3, True, 0.0)])
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "step",
    [
        *(Lpool(ker_size=3, order=order, stride=2) for order in (1, 2, 4, 1.7)),
        *(LpoolAlpha(ker_size=3, order=order, stride=2, alpha=0.1) for order in (1, 2, 3, 1.7)),
        Lnorm(3, True, 0.0),
        Fbcorr(data(4, 3, 3, 3)),
    ],
    ids=lambda step: type(step).__name__,
)
def test_non_finite_values_stay_in_their_windows(bad: float, step: Step) -> None:
    x = data(2, 3, 16, 16)
    x[1, 2, 3, 4] = bad
    with np.errstate(all="ignore"):
        actual, expected = kernels.run_steps(x, [step]), exact(x, step)
    good = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(actual), good)
    np.testing.assert_allclose(actual[good], expected[good], rtol=1e-3, atol=1e-3)


def test_flat_patches() -> None:
    x = np.full((1, 3, 12, 12), 7.3, "float32")
    assert not kernels.run_steps(x, [Lnorm(5, True, 0.0)]).any()
    undefined = kernels.run_steps(x, [Fbncc(0.0, data(2, 3, 3, 3), True, 0.0, True)])
    assert not np.isfinite(undefined).any()


def test_small_values_beside_large_ones_keep_their_precision() -> None:
    x = data(2, 2, 20, 20)
    x[:, :, :, :8] *= 1e6
    x[0, :, 12:] *= 1e-6
    pool = Lpool(ker_size=4, order=2, stride=1)
    np.testing.assert_allclose(kernels.run_steps(x, [pool]), exact(x, pool), rtol=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        Fbcorr(data(4, 3, 9, 9)),
        Lnorm(9, True, 0.0),
        Lpool(ker_size=9, order=2, stride=1),
        Gridpool(9, 2.0, 0.1),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_window_larger_than_the_map_is_refused(step: Step) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        kernels.run_steps(data(2, 3, 8, 8), [step])


@pytest.mark.parametrize("filters", [data(4, 2, 3, 3), data(0, 3, 3, 3)], ids=["channels", "none"])
def test_a_filterbank_that_does_not_fit_is_refused(filters: np.ndarray) -> None:
    with pytest.raises(ValueError, match="channels"):
        kernels.run_steps(data(2, 3, 8, 8), [Fbcorr(filters)])


def test_no_images_give_no_maps() -> None:
    assert kernels.run_steps(data(0, 3, 8, 8), [Fbcorr(data(4, 3, 3, 3))]).shape == (0, 4, 6, 6)
