"""From a frozen model to an ONNX file: its values in order, what stands before them and behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ..document import Document
from . import exact, qdq
from .exact import EXACT
from .graph import OnnxGraph
from .moves import MOVES
from .qdq import QDQ, dequantized, quantized

if TYPE_CHECKING:
    from ...frozen import FrozenModel

# Metadata: whose file this is, and where its values are.
DIGEST, VALUES = "icepoint.digest", "icepoint.values"


def save_onnx(frozen: FrozenModel, path: str | os.PathLike[str], integers: bool) -> Path:
    """FrozenModel.export_onnx."""
    model = onnx_model(Document(frozen), integers)
    _C.save_atomically(os.fsdecode(path), model.SerializeToString())
    return Path(path)


def onnx_model(document: Document, integers: bool) -> Any:
    """The ModelProto, whose inputs and outputs have the names of the values that they are.

    Every value is a tensor of uint8 codes, too, but for an output that leaves as the float32 reals of its
    layer's sums, and so is a tensor of these. Their names, in the order of the values, are in the metadata.
    """
    about, layers = document.about, list(document.integers.values())
    g = OnnxGraph([q["name"] for q in about["inputs"]])
    ends = {q["value"]: (q, g.name(q["name"])) for q in about["outputs"]}
    operators = MOVES | (EXACT if integers else QDQ)
    of_sums = (exact if integers else qdq).of_sums
    values: list[str] = []
    for q in about["inputs"]:
        g.prefix = f"{q['name']}."
        values.append(quantized(g, q["name"], q))
    for k, layer in enumerate(layers, len(values)):
        g.prefix = f"{layer['name']}."
        q, name = ends.get(k, ({}, ""))
        xs = [values[i] for i in layer["inputs"]]
        if "accumulators" in q:
            reals = of_sums(g, layer, *xs)
            values.append(reals if "function" in q else g.name_last(name))
        else:
            values.append(operators[layer["op"]](g, layer, *xs))
    outputs = [_output(g, q, values[k], name) for k, (q, name) in ends.items()]
    inputs = [g.value(q["name"], np.float32, q["shape"]) for q in about["inputs"]]
    told = {
        DIGEST: about["digest"],
        VALUES: json.dumps(values),
        "icepoint.recipe": json.dumps(about["recipe"]),
    }
    return g.model(inputs, outputs, told)


def _output(g: OnnxGraph, q: dict[str, Any], x: str, name: str) -> Any:
    """The last node, `name`, behind codes or reals `x`: float32, or int64 of the first of the greatest."""
    g.prefix = f"{name}."
    function, shape = q.get("function", {}), q["shape"]
    axis = function.get("axis", 0) + 1
    if function.get("function") == "argmax":
        g.node("ArgMax", [x], name, axis=axis, keepdims=int(function["keepdim"]))
        return g.value(name, np.int64, shape)
    if "accumulators" not in q:
        x = dequantized(g, x, q["scale"], q["zero_point"], None if function else name)
    if function:
        op = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "sigmoid": "Sigmoid"}[function["function"]]
        g.node(op, [x], name, **({} if op == "Sigmoid" else {"axis": axis}))
    return g.value(name, np.float32, shape)
