"""A pipeline as a sequence of steps with their parameters and output sizes."""

from functools import singledispatch
from math import atan2, degrees, hypot, prod, sqrt
from typing import TypedDict

from hpconv.model import layers
from hpconv.model.layers import Layer, Shape
from hpconv.model.pipeline import ClassifierSettings, Pipeline
from hpconv.trials import PairChoice

BANKS = {
    "projections": "uniform random weights",
    "whitened_projections": "whitened random directions",
    "whitened_patches": "whitened image patches",
}
MAX_SIDE, MAX_SHEETS = 30, 7  # of a drawing


class Step(TypedDict):
    """A step of a pipeline, and how its output is drawn: as a stack of maps or of numbers."""

    title: str
    facts: list[str]
    size: str  # of the output
    sheets: int  # in the stack
    side: int | None  # of a map in pixels; None for numbers


def steps(pipeline: Pipeline, n_classes: int, chosen: PairChoice | None) -> list[Step]:
    """The steps from an image to a decision.

    Args:
        chosen: for pairs of images, the settings that the classifier chose on validation pairs.
    """
    before, shapes = pipeline.image_shape, [shape for _, shape in pipeline.shapes()]
    largest = max(shape[-1] for shape in (before, *shapes) if len(shape) == 3)
    found = [_step("Image", [], before, largest)]
    for layer, shape in pipeline.shapes():
        found.append(_step(*_describe(layer, before), shape, largest))
        before = shape
    found.append(_step("Scaling", _scaling(pipeline.classifier), (prod(before),), largest))
    return [*found, _pairs(chosen) if chosen else _linear(pipeline.classifier, n_classes)]


def number(value: float) -> str:
    """Three significant digits, with a power of ten for large and small numbers: ``1.12×10⁶``."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    if not exponent:
        return mantissa.replace("-", "−")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}×10{raised}".replace("-", "−")


def size(shape: Shape) -> str:
    """A shape as maps × rows × columns, or as a number of features."""
    if len(shape) == 1:
        return f"{shape[0]:,} features"
    return " × ".join(map(str, shape))


def _step(title: str, facts: list[str], shape: Shape, largest: int) -> Step:
    side = None if len(shape) == 1 else max(4, round(MAX_SIDE * sqrt(shape[-1] / largest)))
    sheets = MAX_SHEETS if len(shape) == 1 else min(shape[0], MAX_SHEETS)
    return {"title": title, "facts": facts, "size": size(shape), "sheets": sheets, "side": side}


def _decision(title: str, facts: list[str], outcome: str, n: int) -> Step:
    sheets = min(n, MAX_SHEETS - 2)
    return {"title": title, "facts": facts, "size": outcome, "sheets": sheets, "side": None}


def _scaling(settings: ClassifierSettings) -> list[str]:
    facts = [f"(x − mean) / √(variance + {number(settings.varthresh)})"]
    if settings.remove_std0:
        facts.append("variance 1 for constant features")
    if settings.divrowl2:
        facts.append("divided by the mean norm")
    return facts


def _linear(settings: ClassifierSettings, n_classes: int) -> Step:
    facts = [f"L2 penalty {number(settings.l2_reg)}", "one-versus-rest"]
    return _decision("Linear SVM", facts, f"{n_classes} scores", n_classes)


def _pairs(chosen: PairChoice) -> Step:
    weights = [f"{name} × {number(weight)}" for name, weight in chosen["weights"].items() if weight]
    facts = [f"C = {number(chosen['c'])}", "kernels: " + ", ".join(weights)]
    return _decision("Kernel SVM", facts, "same or different", 2)


@singledispatch
def _describe(layer: Layer, before: Shape) -> tuple[str, list[str]]:
    """Title and facts of a layer whose input has the shape before."""
    raise TypeError(f"no description of {layer!r}")


@_describe.register
def _(layer: layers.Warp, before: Shape) -> tuple[str, list[str]]:
    (a, b, right), (c, d, down), _ = layer.matrix
    turn = degrees(atan2(c, a))
    shear = degrees(atan2(-b, d)) - turn
    if not any((turn, shear, right, down)):
        return f"Resize to {_square(layer.size)}", []
    scale = before[-1] / layer.size
    scales = f"{number(scale * hypot(a, c))} horizontal, {number(scale * hypot(b, d))} vertical"
    moved = f"{number(right)} and {number(down)} pixels"
    turned = f"rotation {number(turn)}°, shear {number(shear)}°"
    return f"Warp to {_square(layer.size)}", [turned, f"scale {scales}", f"translation {moved}"]


@_describe.register
def _(layer: layers.Filter, before: Shape) -> tuple[str, list[str]]:
    recipe = layer.recipe
    facts = [BANKS[recipe.kind]]
    if recipe.kind == "projections":
        facts += ["mean 0, norm 1"] if recipe.normalize else []
    else:
        facts.append(f"low-pass γ = {number(recipe.gamma)}")
    patch = "(p − mean)" if layer.remove_mean else "p"
    beta = number(layer.beta)
    floor = f"max(|p|², {beta})" if layer.hard_beta else f"(|p|² + {beta})"
    facts.append(f"patches normalised as {patch} / √{floor}")
    return f"{layer.n_filters} filters of {_square(layer.size)}", facts


@_describe.register
def _(layer: layers.Lpool, before: Shape) -> tuple[str, list[str]]:
    facts = [_norm(layer.order), f"stride {layer.stride}"]
    return f"Pooling over {_square(layer.ker_size)}", facts


@_describe.register
def _(layer: layers.LpoolAlpha, before: Shape) -> tuple[str, list[str]]:
    facts = [_norm(layer.order), f"stride {layer.stride}", _parts(layer.alpha)]
    return f"Two-sided pooling over {_square(layer.ker_size)}", facts


@_describe.register
def _(layer: layers.GridPool, before: Shape) -> tuple[str, list[str]]:
    facts = [_norm(layer.order), _parts(layer.alpha)]
    return f"Two-sided pooling on a {_square(layer.grid_res)} grid", facts


@_describe.register
def _(layer: layers.Lnorm, before: Shape) -> tuple[str, list[str]]:
    mean = "window mean subtracted, " if layer.remove_mean else ""
    facts = [f"{mean}divided by the window norm", f"where that exceeds {number(layer.threshold)}"]
    return f"Local normalisation over {_square(layer.ker_size)}", facts


def _square(side: int) -> str:
    return f"{side}×{side}"


def _norm(order: float) -> str:
    return "sum" if order == 1 else f"norm of order {number(order)}"


def _parts(alpha: float) -> str:
    return f"of max(±x − α, 0), α = {number(alpha)}"
