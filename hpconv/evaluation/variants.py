"""Variants of a winner: the same hyperparameters with more filters, and with mirror images.

A variant is the winner's trial with other settings, so that the steps which evaluate a winner
evaluate its variants, too. Variants change nothing else: what one is worth is the difference of
its test error from that of the winner, or from that of the variant before it.
"""

from collections.abc import Iterator

from hpconv.config import Variant
from hpconv.trials import Misc, Trial


def of(trial: Trial, max_n_features: int | None, flips: bool) -> Iterator[tuple[Variant, Trial]]:
    """The variants of a winner, each with the changes of those before it.

    Args:
        max_n_features: number of features that its last layer may have; None for no such variant.
        flips: whether there is a variant with mirror images.
    """
    if max_n_features:
        model = trial["misc"].get("model", {}) | {"max_n_features": max_n_features}
        trial = rebuilt(trial, {**trial["misc"], "model": model})
        yield "more_filters", trial
    if flips:
        misc: Misc = {**trial["misc"], "flips": True}
        yield "flips", {**trial, "misc": misc}


def rebuilt(trial: Trial, misc: Misc) -> Trial:
    """The trial with another ``misc`` and without its trace, which describes its own filters."""
    result = trial["result"].copy()
    result.pop("trace", None)
    return {**trial, "misc": misc, "result": result}
