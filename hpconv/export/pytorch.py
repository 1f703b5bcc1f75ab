"""Export of a winner as a PyTorch program, which ``torch.export.load`` reads."""

import io
import json
from pathlib import Path

import torch
from torch import Tensor

from hpconv.engines.torch import apply_layer, layer_weights
from hpconv.export.check import Model
from hpconv.export.winner import Winner
from hpconv.learners.linear_scores import Linear
from hpconv.model.layers import Layer

ABOUT = "hpconv.json"  # the program's extra file


def write(winner: Winner, path: Path) -> None:
    """Write a program from images (N, C, H, W) to ``features``, ``scores`` and ``label``."""
    network = Network([layer for layer, _ in winner.layers()], winner.linear)
    example = torch.zeros(2, *winner.extractor.pipeline.image_shape)
    any_number = ({0: torch.export.Dim("n", min=1)},)
    program = torch.export.export(network, (example,), dynamic_shapes=any_number, strict=False)
    buffer = io.BytesIO()  # torch requires a suffix of a path
    torch.export.save(program, buffer, extra_files={ABOUT: json.dumps(winner.about)})
    path.write_bytes(buffer.getvalue())


def load(path: Path) -> Model:
    """Load a program; the CPU computes it."""
    network = torch.export.load(io.BytesIO(path.read_bytes())).module()
    return lambda images: {k: v.numpy() for k, v in network(torch.tensor(images)).items()}


class Network(torch.nn.Module):
    """The functions of the torch engine, layer by layer, and the classifier."""

    def __init__(self, found: list[Layer], linear: Linear | None) -> None:
        super().__init__()
        self._steps: list[tuple[Layer, list[str]]] = []
        self._classifies = linear is not None
        for number, layer in enumerate(found):
            weights = {f"layer{number}_{i}": w for i, w in enumerate(layer_weights(layer))}
            self._steps.append((layer, list(weights)))
            for name, weight in weights.items():
                self.register_buffer(name, weight)
        for name, array in vars(linear).items() if linear else ():
            self.register_buffer(name, torch.tensor(array))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``features``; with a classifier, also ``scores`` (N, K) and ``label`` (N,)."""
        buffers, maps = dict(self.named_buffers()), images
        for layer, names in self._steps:
            maps = apply_layer(layer, maps, *(buffers[name] for name in names))
        outputs = {"features": maps}
        if self._classifies:
            scaled = (maps.flatten(1) - buffers["mean"]) / buffers["scale"]
            scores = scaled @ buffers["weights"] + buffers["bias"]
            outputs |= {"scores": scores, "label": buffers["labels"][scores.argmax(dim=1)]}
        return outputs
