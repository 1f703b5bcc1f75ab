"""The report's figures, as SVG text that can stand in a page."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, ACCENT, FAINT = "#7a7f87", "#2f7dd1", "#b9bec6"  # readable on white and on black
MAX_FILTERS = 64


def convergence(losses: Sequence[tuple[int, float]], baseline: float) -> str:
    """Validation error of each trial and the best so far, by trial number."""
    tids, errors = np.array(losses).T
    axes = _axes((7.5, 3.2))
    axes.plot(tids, 100 * errors, "o", color=FAINT, markersize=4, label="trial")
    best = 100 * np.minimum.accumulate(errors)
    axes.step(tids, best, where="post", color=ACCENT, linewidth=2, label="best so far")
    axes.axhline(100 * baseline, color=INK, linestyle=":", label="linear on raw pixels")
    axes.set(yscale="log", xlabel="trial", ylabel="validation error (%)")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False, labelcolor=INK)
    return _svg(axes)


def filters(bank: np.ndarray) -> str:
    """The first filters of a bank ``(K, C, s, s)``: gray, or in colour for three channels."""
    shown = bank[:MAX_FILTERS].transpose(0, 2, 3, 1)
    if shown.shape[-1] != 3:
        shown = shown.mean(axis=-1, keepdims=True)
    low, high = shown.min(axis=(1, 2, 3), keepdims=True), shown.max(axis=(1, 2, 3), keepdims=True)
    tiles = (shown - low) / np.where(high > low, high - low, 1)
    axes = _axes((5, 5))
    axes.imshow(_mosaic(tiles), cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    return _svg(axes)


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """Tiles ``(n, s, s, c)`` side by side in a square, a pixel apart; NaN stays see-through."""
    n, size, _, channels = tiles.shape
    side = int(np.ceil(np.sqrt(n)))
    picture = np.full((side * (size + 1), side * (size + 1), channels), np.nan)
    for index, tile in enumerate(tiles):
        top, left = (size + 1) * (index // side), (size + 1) * (index % side)
        picture[top : top + size, left : left + size] = tile
    return picture.squeeze(-1) if channels == 1 else np.nan_to_num(picture, nan=1.0)


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Counts by true class (row) and predicted class (column); mistakes stand out."""
    matrix = np.array(counts)
    mistakes = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    axes = _axes((4.6, 4.6))
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(5, np.nanmax(mistakes)))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            ink = INK if row == column else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=ink)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    return _svg(axes)


def _axes(size: tuple[float, float]) -> Axes:
    axes = Figure(figsize=size, layout="constrained").add_subplot()
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, which="both")
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return axes


def _svg(axes: Axes) -> str:
    figure = axes.get_figure(root=True)
    assert figure is not None
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hpconv"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    page = text.getvalue()
    return page[page.index("<svg") :]  # without the XML prologue
