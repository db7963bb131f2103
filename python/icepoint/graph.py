"""A frozen graph under construction: values, operators, tensors, and their way into the file's bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from . import _C
from .output_functions import OutputFunction, output_recipe
from .qparams import QParam
from .recipe import Recipe
from .weights import WeightQParam

VERSION = "0.1.0"
ARITHMETIC = 1  # of docs/numerics.md
# The pseudo-random half of a self-check: fixed for ever, so that files are byte-stable.
_SELF_CHECK_SEED = 0x1CE_0001


@dataclass
class Value:
    """One tensor of the graph: logical shape without the batch, and its qparams."""

    shape: tuple[int, ...]
    q: QParam


@dataclass
class GraphBuilder:
    """Collects a graph in the order in which it runs. Values are numbered as they are added."""

    values: list[Value] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    ops: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def add_input(self, name: str, shape: Sequence[int], q: QParam) -> int:
        """A float input of the model, quantized by `q`; (c, h, w), (t, f) or (f)."""
        self.inputs.append({"name": name, "shape": list(shape), **_qparams_json(q)})
        self.values.append(Value(tuple(shape), q))
        return len(self.values) - 1

    def add(
        self,
        op: str,
        name: str,
        inputs: Sequence[int],
        fields: dict[str, Any] | None = None,
        tensors: dict[str, Any] | None = None,
        q: QParam | None = None,
    ) -> int:
        """An operator of csrc/graph/graph.h; without `q` it keeps its input's qparams.

        The value's shape is filled in by the tracer, which saw the tensor.
        """
        name = self._unique(name)
        found = {"op": op, "name": name, "inputs": list(inputs), **(fields or {})}
        if q is not None:
            found |= _qparams_json(q)
        for key, tensor in (tensors or {}).items():
            array = tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
            self.tensors[f"{name}.{key}"] = np.ascontiguousarray(array)
        self.ops.append(found)
        self.values.append(Value((), q if q is not None else self.values[inputs[0]].q))
        return len(self.values) - 1

    def add_weights(
        self, op: str, name: str, inputs: Sequence[int], fields: dict[str, Any],
        q_weight: WeightQParam, integers: dict[str, torch.Tensor], q: QParam,
    ) -> int:  # fmt: skip
        """A convolution or linear layer; `integers` as integers_of_weights gives them."""
        affine = q_weight.scheme != "per_channel"
        fields = {**fields, "weight_bits": q_weight.num_bits, "weight_affine": affine}
        tensors = {
            "weight": _stored_codes(integers["codes"].numpy(), q_weight.num_bits, affine),
            "weight_scale": q_weight.scales,
            "multiplier": integers["multiplier"],
            "shift": integers["shift"],
        }
        if affine:
            tensors["weight_zero_point"] = integers["zero_point"]
        if "bias" in integers:
            tensors["bias"] = integers["bias"]
        return self.add(op, name, inputs, fields, tensors, q)

    def _unique(self, name: str) -> str:
        taken = {item["name"] for item in (*self.inputs, *self.ops)}
        if name not in taken:
            return name
        return next(f"{name}_{k}" for k in range(2, len(taken) + 3) if f"{name}_{k}" not in taken)

    def encode(
        self,
        outputs: Sequence[int],
        recipe: Recipe | None = None,
        examples: Sequence[np.ndarray] | None = None,
        output_functions: Sequence[OutputFunction | None] | None = None,
    ) -> bytes:
        """The file's bytes: the same graph gives the same bytes. ValueError where it is unsound.

        `examples`: codes (1, ...) of each input, one real image that joins the self-check.
        `output_functions`: of each output None or what is computed from it, see output_functions.py.
        """
        graph = {
            "arithmetic": ARITHMETIC,
            "inputs": self.inputs,
            "ops": self.ops,
            "outputs": list(outputs),
        }
        shapes = [self.values[i].shape for i in range(len(self.inputs))]
        checks = [_random_codes(shape, self.values[i].q.qmax, i) for i, shape in enumerate(shapes)]
        if examples is not None:
            checks = [np.concatenate([real, made]) for real, made in zip(examples, checks, strict=True)]
        header = json.dumps(recipe.for_input(shapes) if recipe is not None else {})
        functions = output_recipe(output_functions, len(outputs))
        made_by = {"icepoint": VERSION}
        return _C.encode(json.dumps(graph), self.tensors, header, made_by, checks, functions)


def _qparams_json(q: QParam) -> dict[str, Any]:
    return {"scale": q.scale, "zero_point": q.zero_point, "bits": q.num_bits}


def _stored_codes(codes: np.ndarray, bits: int, affine: bool) -> np.ndarray:
    """8 bits as they are (int8, or uint8 where affine); fewer packed, each row padded to a byte."""
    if bits == 8:
        return codes.astype(np.uint8 if affine else np.int8, copy=False)
    row = codes[0].size
    packed = _C.pack_codes(np.ascontiguousarray(codes, dtype=np.int32).reshape(-1), row, bits)
    return np.frombuffer(packed, np.uint8).reshape(len(codes), -1)


def _random_codes(shape: Sequence[int], qmax: int, stream: int) -> np.ndarray:
    """Codes (1, *shape) of SplitMix64 (Steele, Lea, Flood 2014): the same on every machine."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(_SELF_CHECK_SEED + stream) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(32)) % np.uint64(qmax + 1)).astype(np.uint8).reshape(1, *shape)
