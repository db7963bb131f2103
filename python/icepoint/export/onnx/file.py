"""From a frozen model to an ONNX file: its values in order, what stands before them and behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ..document import Document
from .exact import EXACT
from .graph import OnnxGraph
from .moves import MOVES
from .qdq import QDQ, dequantized, quantized

if TYPE_CHECKING:
    from ...frozen import FrozenModel

DIGEST, VALUES = "icepoint.digest", "icepoint.values"  # metadata: whose file this is, and where its codes are


def save_onnx(frozen: FrozenModel, path: str | os.PathLike[str], integers: bool) -> Path:
    """FrozenModel.export_onnx."""
    model = onnx_model(Document(frozen), integers)
    _C.save_atomically(os.fsdecode(path), model.SerializeToString())
    return Path(path)


def onnx_model(document: Document, integers: bool) -> Any:
    """The ModelProto, whose inputs and outputs have the names of the values that they are.

    Every value is a tensor of uint8 codes, too; their names, in the order of the values, are in the metadata.
    """
    about, layers = document.about, list(document.integers.values())
    g = OnnxGraph([q["name"] for q in about["inputs"]])
    names = [g.name(q["name"]) for q in about["outputs"]]
    operators = {**MOVES, **(EXACT if integers else QDQ)}
    values: list[str] = []
    for q in about["inputs"]:
        g.prefix = f"{q['name']}."
        values.append(quantized(g, q["name"], q))
    for layer in layers:
        g.prefix = f"{layer['name']}."
        values.append(operators[layer["op"]](g, layer, *(values[i] for i in layer["inputs"])))
    outputs = [
        _output(g, q, values[q["value"]], name) for q, name in zip(about["outputs"], names, strict=True)
    ]
    inputs = [g.value(q["name"], np.float32, q["shape"]) for q in about["inputs"]]
    told = {
        DIGEST: about["digest"],
        VALUES: json.dumps(values),
        "icepoint.recipe": json.dumps(about["recipe"]),
    }
    return g.model(inputs, outputs, told)


def _output(g: OnnxGraph, q: dict[str, Any], codes: str, name: str) -> Any:
    """The last node, `name`: float32, or int64 of an argmax of the codes, the first of equals."""
    g.prefix = f"{name}."
    function, shape = q.get("function", {}), q["shape"]
    axis = function.get("axis", 0)
    if function.get("function") == "argmax":
        g.node("ArgMax", [codes], name, axis=axis + 1, keepdims=int(function["keepdim"]))
        return g.value(name, np.int64, shape)
    if not function:
        dequantized(g, codes, q["scale"], q["zero_point"], name)
        return g.value(name, np.float32, shape)
    op = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "sigmoid": "Sigmoid"}[function["function"]]
    attributes = {} if op == "Sigmoid" else {"axis": axis + 1}
    g.node(op, [dequantized(g, codes, q["scale"], q["zero_point"])], name, **attributes)
    return g.value(name, np.float32, shape)
