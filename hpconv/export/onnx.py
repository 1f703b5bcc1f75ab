"""Export of a winner as an ONNX model of operator set 17."""

import json
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, helper

from hpconv.export.check import Model
from hpconv.export.onnx_layers import Graph, add
from hpconv.export.winner import Winner
from hpconv.learners.linear_scores import Linear
from hpconv.model.layers import Shape

OPSET, IR_VERSION = 17, 8  # old enough for ONNX Runtime 1.12 (2022)


def write(winner: Winner, path: Path) -> None:
    """Write input ``images`` (N, C, H, W), outputs ``features``, ``scores`` and ``label``."""
    graph, x = Graph(), "images"
    for layer, shape in winner.layers():
        x = add(layer, graph, x, shape)
    graph("Identity", x, name="features")
    outputs = [_value("features", winner.extractor.feature_shape)]
    if winner.linear:
        _classify(winner.linear, graph)
        outputs += [_value("scores", winner.linear.bias.shape), _value("label", (), "INT64")]
    inputs = [_value("images", winner.extractor.pipeline.image_shape)]
    named = helper.make_graph(graph.nodes, "hpconv", inputs, outputs, graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(named, opset_imports=opset, ir_version=IR_VERSION)
    model.producer_name, model.producer_version = "hpconv", winner.about["version"]
    helper.set_model_props(model, {"hpconv": json.dumps(winner.about)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def load(path: Path) -> Model:
    """Load a model; ONNX Runtime computes it on the CPU."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"images": images}), strict=True))


def _value(name: str, shape: Shape, dtype: str = "FLOAT") -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, getattr(TensorProto, dtype), ["N", *shape])


def _classify(linear: Linear, graph: Graph) -> None:
    centred = graph("Sub", graph("Flatten", "features", axis=1), linear.mean)
    product = graph("MatMul", graph("Div", centred, linear.scale), linear.weights)
    scores = graph("Add", product, linear.bias, name="scores")
    graph("Gather", linear.labels, graph("ArgMax", scores, axis=1, keepdims=0), name="label")
