"""Export of a winner as numpy arrays and a JSON description (see docs/export.md)."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from hpconv.export.check import Model
from hpconv.export.numpy_network import Network
from hpconv.export.winner import Winner
from hpconv.model import layers
from hpconv.model.layers import Layer

KINDS: dict[type[Layer], str] = {
    layers.Warp: "warp",
    layers.Filter: "filter",
    layers.Lpool: "lpool",
    layers.LpoolAlpha: "lpool_alpha",
    layers.GridPool: "gridpool",
    layers.Lnorm: "lnorm",
}


def write(winner: Winner, path: Path) -> None:
    """Write the arrays of layers and classifier, and ``description``, a string of JSON."""
    found = [layer for layer, _ in winner.layers()]
    arrays: dict[str, Any] = {}
    for number, layer in enumerate(found):
        if isinstance(layer, layers.Filter) and layer.bank is not None:
            arrays |= {f"layer{number}_{k}": v for k, v in layer.bank._asdict().items()}
    if winner.linear:
        arrays |= {f"classifier_{name}": value for name, value in vars(winner.linear).items()}
    description = winner.about | {"layers": [_describe(layer) for layer in found]}
    with path.open("wb") as file:  # numpy would add a suffix to a path
        np.savez(file, description=np.array(json.dumps(description)), **arrays)


def load(path: Path) -> Model:
    """Load a network; numpy computes it."""
    return Network(path)


def _describe(layer: Layer) -> dict[str, Any]:
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    parameters = {k: v for k, v in values.items() if k not in ("recipe", "bank")}
    return {"kind": KINDS[type(layer)], **parameters}
