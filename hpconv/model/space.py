"""The search space as a pyll graph: a stack of layers under one of three kinds of exit.

With two stackable layers it has the published 238 hyperparameters, with their published
labels and distributions. Evaluating the graph returns nested dicts, which
``hpconv.model.pipeline`` converts to typed layers. Exits share the nodes of the layers below them,
because hyperopt does not allow two nodes with the same label.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hyperopt import hp
from hyperopt.pyll import Literal, as_apply

from hpconv.model.chosen import ChosenPipeline
from hpconv.model.filterbanks import seed_of
from hpconv.trials import Assignment

Node = Any  # pyll has no types: dicts, lists and Apply nodes are all nodes
N_SEEDS = 10


def search_space(output_sizes: Sequence[int], max_layer_sizes: Sequence[int]) -> Node:
    """Build the space.

    Args:
        output_sizes: sizes in pixels to which images may be resized.
        max_layer_sizes: maximum number of filters of each stackable layer; its length is the
            maximum depth.

    Returns:
        a pyll choice of ``{"warp", "stack", "filter", "pool", "norm", "classifier"}``.
    """
    warp = _warp(output_sizes)
    stack: list[Node] = []
    exits = []
    for depth in range(len(max_layer_sizes) + 1):
        for make_exit in (_gridpool_exit, _lpool_alpha_exit, _lpool_exit):
            exits.append({"warp": warp, "stack": list(stack), **make_exit(depth)})
        if depth < len(max_layer_sizes):
            stack.append(_layer(f"l{depth}", max_layer_sizes[depth]))
    return hp.choice("exit", exits)


def evaluate(space: Node, assignment: Assignment) -> ChosenPipeline:
    """Return the nested values that an assignment selects from a space.

    As ``hyperopt.space_eval``, but only active nodes are visited: 0.1 ms instead of 20 ms.

    Raises:
        KeyError, TypeError, ValueError: if an active hyperparameter has no value or a wrong one.
    """

    def value(node: Node) -> Any:
        if isinstance(node, Literal):
            return node.obj
        if node.name == "hyperopt_param":
            return assignment[node.pos_args[0].obj]
        if node.name == "switch":  # a choice
            index, *options = node.pos_args
            return value(dict(enumerate(options))[value(index)])
        if node.name == "dict":
            return {key: value(part) for key, part in node.named_args}
        if node.name == "pos_args":
            return [value(part) for part in node.pos_args]
        assert node.name == "float"  # of a number
        return float(value(node.pos_args[0]))

    chosen: ChosenPipeline = value(as_apply(space))
    return chosen


def _flag(label: str) -> Node:
    return hp.choice(label, [0, 1])


def _size(label: str, smallest: int, largest: int) -> Node:
    # half a unit more at each end: after rounding, all sizes are equally likely
    return hp.quniform(label, smallest - 0.5 + 1e-5, largest + 0.5, 1)


def _lognormal(label: str, median: float, factor: float) -> Node:
    return hp.lognormal(label, np.log(median), np.log(factor))


def _seed(label: str) -> Node:
    return hp.choice(label, [seed_of(label, i) for i in range(N_SEEDS)])


def _warp(output_sizes: Sequence[int]) -> Node:
    affine = {
        "rotation": hp.uniform("warp_rot", low=-0.3, high=0.3),
        "shear": hp.uniform("warp_shear", low=-0.3, high=0.3),
        "scale": [hp.uniform(f"warp_scale_{axis}", low=0.8, high=1.2) for axis in "hv"],
        "translation": [hp.uniform(f"warp_trans_{axis}", low=-0.2, high=0.2) for axis in "hv"],
    }
    plain = {"rotation": 0.0, "shear": 0.0, "scale": [1.0, 1.0], "translation": [0.0, 0.0]}
    size = hp.choice("warp_osize", list(output_sizes))
    return {"size": size, "affine": hp.choice("warp", [plain, affine])}


def _filter(prefix: str, size: Node, n_filters: Node) -> Node:
    """Contrast-normalised correlation; for n_filters None, the feature budget sets the number."""

    def label(name: str) -> str:
        return f"{prefix}_fbncc_{name}"

    patch_seed = _seed(label("patch_rseed"))

    def whitened(kind: str, short: str) -> Node:
        gamma, seed = _lognormal(label(f"{short}_gamma"), 1e-2, 100), _seed(label(f"{short}_rseed"))
        return {"kind": kind, "gamma": gamma, "seed": seed, "patch_seed": patch_seed}

    uniform = {
        "kind": "projections",
        "seed": _seed(label("r_rseed")),
        "normalize": _flag(label("r_normalize")),
    }
    banks = [
        uniform,
        whitened("whitened_projections", "wr"),
        whitened("whitened_patches", "wp"),
    ]
    return {
        "n_filters": n_filters,
        "size": size,
        "bank": hp.choice(label("algo"), banks),
        "remove_mean": _flag(label("remove_mean")),
        "beta": _lognormal(label("beta"), 100, 100),
        "hard_beta": _flag(label("hard")),
    }


def _layer(prefix: str, max_filters: int) -> Node:
    n_filters = hp.qloguniform(f"{prefix}fb_nfilters", np.log(8.01), np.log(max_filters), q=16)
    real_order = hp.lognormal(f"{prefix}p_order_real", mu=np.log(1), sigma=np.log(3))
    return {
        "filter": _filter(prefix, _size(f"{prefix}fb_size", 3, 8), n_filters),
        "pool": {
            "ker_size": _size(f"{prefix}p_size", 2, 8),
            "stride": hp.choice(f"{prefix}p_stride", [1, 2]),
            "order": hp.choice(f"{prefix}p_order", [1, 2, real_order]),
        },
    }


def _classifier(prefix: str) -> Node:
    return {
        "remove_std0": _flag(f"{prefix}_remove_std0"),
        "varthresh": _lognormal(f"{prefix}_varthresh", 1e-4, 1e3),
        "l2_reg": _lognormal(f"{prefix}_l2_reg", 1e-5, 1e3),
        "divrowl2": _flag(f"{prefix}_divrowl2"),
    }


def _order(label: str, real_label: str) -> Node:
    return hp.choice(label, [1.0, 2.0, hp.loguniform(real_label, np.log(0.1), np.log(10.0))])


def _exit(prefix: str, filters: str, pool: dict[str, Node], norm: Node = None) -> Node:
    return {
        "filter": _filter(filters, _size(f"{prefix}_fsize", 3, 8), None),
        "pool": pool,
        "norm": norm,
        "classifier": _classifier(prefix),
    }


def _gridpool_exit(depth: int) -> Node:
    prefix = f"l{depth}eg"
    pool = {
        "kind": "gridpool",
        "grid_res": hp.choice(f"{prefix}_res", [2, 3]),
        "alpha": hp.normal(f"{prefix}_alpha", 0.0, 1.0),
        "order": _order(f"{prefix}_order", f"{prefix}_order_real"),
    }
    return _exit(prefix, prefix, pool)


def _lpool_alpha_exit(depth: int) -> Node:
    prefix = f"l{depth}elpa"
    pool = {
        "kind": "lpool_alpha",
        "ker_size": _size(f"{prefix}_lpsize", 1, 5),
        "stride": hp.choice(f"{prefix}_stride", [1, 2, 3]),
        "alpha": hp.normal(f"{prefix}_alpha", 0.0, 1.0),
        "order": _order(f"{prefix}_order_choice", f"{prefix}_order_real"),
    }
    return _exit(prefix, f"l{depth}el", pool)


def _lpool_exit(depth: int) -> Node:
    prefix = f"l{depth}_out_lp"
    pool = {
        "kind": "lpool",
        "ker_size": _size(f"{prefix}_psize", 1, 5),
        "stride": hp.choice(f"{prefix}_stride", [1, 2, 3]),
        "order": _order(f"{prefix}_order_choice", f"{prefix}_order_real"),
    }
    norm = {
        "remove_mean": _flag(f"{prefix}_norm_rmean"),
        "threshold": _lognormal(f"{prefix}_norm_thresh", 1.0, 3),
    }
    # the size is drawn even without normalisation: the number of filters depends on it
    norm_choice = {
        "ker_size": _size(f"{prefix}_nsize", 1, 5),
        "settings": hp.choice(f"{prefix}_use_norm", [None, norm]),
    }
    return _exit(prefix, f"l{depth}elp", pool, norm_choice)


def with_added_seed(assignment: Assignment, seed: int) -> Assignment:
    """An assignment with other random filters: seed is added to each of its filter seeds."""
    return {
        label: (value + seed) % N_SEEDS if label.endswith("_rseed") else value
        for label, value in assignment.items()
    }
