"""A frozen graph's own numbers as NumPy arrays, layer by layer: codes, scales, multipliers, shifts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .packed_codes import unpack


def layer_integers(
    graph: dict[str, Any], described: dict[str, Any], tensors: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """FrozenModel.integers of a file's graph, its description and its tensors as they are stored."""
    values = [*described["inputs"], *described["ops"]]
    found: dict[str, dict[str, Any]] = {}
    for op, told in zip(graph["ops"], described["ops"], strict=True):
        layer = {**op, **{key: told[key] for key in ("scale", "zero_point", "bits")}}
        layer["shape"] = told["shape"]
        layer |= {f"x_{key}": [values[i][key] for i in op["inputs"]]
                  for key in ("shape", "scale", "zero_point", "bits")}  # fmt: skip
        prefix = f"{op['name']}."
        layer |= {n.removeprefix(prefix): a for n, a in tensors.items() if n.rpartition(".")[0] == op["name"]}
        if "weight_bits" in op:
            layer["weight"] = _logical_weight(op, layer["weight"], values[op["inputs"][0]]["shape"])
            if "weight_zero_point" not in layer:
                layer["weight_zero_point"] = np.zeros(1, np.int32)
        found[op["name"]] = layer
    return found


def _logical_weight(op: dict[str, Any], stored: np.ndarray, x_shape: list[int]) -> np.ndarray:
    """Weight codes in the operator's shape; rows of 2..7 bits are little-endian, low bits first."""
    if op["op"] == "qlinear":
        shape = (op["out_features"], x_shape[-1])
    elif op["op"] == "qconv2d":
        shape = (op["out_channels"], x_shape[0] // op["groups"], *op["kernel_size"])
    else:
        shape = (x_shape[0], op["out_channels"] // op["groups"], *op["kernel_size"])
    bits, signed = op["weight_bits"], not op["weight_affine"]
    if bits < 8:
        stored = unpack(torch.from_numpy(stored), int(np.prod(shape[1:])), bits, signed).numpy()
    return stored.astype(np.int8 if signed else np.uint8).reshape(shape)
