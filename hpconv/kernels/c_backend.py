"""Runs a pass in C: writes its steps and arrays into the struct that kernels.c reads."""

import ctypes

import numpy as np

from hpconv.kernels.build import library, threads
from hpconv.kernels.packed_filters import Fbncc
from hpconv.kernels.steps import Pass

_POINTER, _INT, _REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_MEMBERS = (
    (_POINTER, "x out"),
    (_INT, "n c h w"),
    (_INT * 4, "x_stride"),
    (_INT * 5, "out_stride"),
    (_INT, "norm_size norm_remove_mean"),
    (_REAL, "threshold"),
    (_POINTER, "filters filter_sum filter_mean"),
    (_INT, "k size ncc ncc_remove_mean hard_beta"),
    (_REAL, "beta"),
    (_INT, "parts"),
    (_REAL, "alpha order"),
    (_INT, "out_h out_w"),
    (_POINTER, "row_lo row_hi col_lo col_hi"),
    (_INT, "threads"),
    (_INT * 6, "filled_in_by_c"),
)


class _Layer(ctypes.Structure):
    """``Layer`` of kernels.c."""

    _fields_ = [(name, kind) for kind, names in _MEMBERS for name in names.split()]


def run(each: Pass, x: np.ndarray, out: np.ndarray, windows: list[np.ndarray]) -> None:
    """Run a pass with kernels.c.

    Args:
        x: ``(N, C, H, W)``, any strides.
        out: ``(N, parts, C', rows, columns)``, any strides.
        windows: first row, end row, first column and end column of each pooling window.

    Raises:
        MemoryError: if the working memory cannot be allocated.
    """
    lib = library()
    assert lib is not None
    fields = _Layer(
        x=x.ctypes.data, out=out.ctypes.data, x_stride=_strides(x), out_stride=_strides(out)
    )
    fields.n, fields.c, fields.h, fields.w = x.shape
    fields.out_h, fields.out_w, fields.threads = *out.shape[3:], threads()
    fields.row_lo, fields.row_hi, fields.col_lo, fields.col_hi = (a.ctypes.data for a in windows)
    _describe(each, fields)
    if lib.layer(ctypes.byref(fields)):
        raise MemoryError("the working memory of a layer cannot be allocated")


def _describe(each: Pass, fields: _Layer) -> None:
    norm, bank, pool = each.norm, each.bank, each.pool
    fields.order, fields.alpha, fields.parts = pool.order, pool.alpha, pool.parts
    if norm:
        fields.norm_size, fields.norm_remove_mean = norm.ker_size, norm.remove_mean
        fields.threshold = norm.threshold
    if bank:
        fields.k, _, fields.size, _ = bank.weights.shape
        fields.filters = bank.packed.ctypes.data
        fields.filter_sum, fields.filter_mean = (a.ctypes.data for a in bank.sums)
    if isinstance(bank, Fbncc):
        fields.ncc, fields.ncc_remove_mean = 1, bank.remove_mean
        fields.beta, fields.hard_beta = bank.beta, bank.hard_beta


def _strides(a: np.ndarray) -> tuple[int, ...]:
    return tuple(stride // a.itemsize for stride in a.strides)
