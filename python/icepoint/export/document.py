"""What every export tells of a model: its layers, what goes in and out, and what was proved of it."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .interpreter import Integers

if TYPE_CHECKING:
    from ..frozen import FrozenModel

_OWN = ("weight", "weight_scale", "weight_zero_point", "bias", "multiplier", "shift", "offset", "table",
        "divisors", "order")  # fmt: skip


class Document:
    """`integers`, which are the layers, and `about`, what else the file says: plain values for JSON."""

    def __init__(self, frozen: FrozenModel):
        told = frozen.describe()
        self.integers: Integers = frozen.integers()
        self.about: dict[str, Any] = {
            "format": "icepoint integers",
            "arithmetic": told["arithmetic"],
            "digest": told["digest"],
            "made_by": told["made_by"],
            "recipe": told["recipe"],
            "inputs": self.integers.inputs,
            "outputs": self.integers.outputs,
        }
        self.totals: dict[str, Any] = told["totals"]
        self.overflow_bits: int | None = told["overflow"]["headroom_bits"]
        for layer, op in zip(self.integers.values(), told["ops"], strict=True):
            layer["macs"] = op["macs"]
            if "overflow" in op:  # the least and the greatest accumulator of any input, the bias included
                layer["accumulator"] = [op["overflow"]["lo"], op["overflow"]["hi"]]

    def layers(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """Of each layer what JSON holds as it is, and its arrays, in a fixed order."""
        return [
            (
                {key: value for key, value in sorted(layer.items()) if not isinstance(value, np.ndarray)},
                {key: layer[key] for key in _OWN if isinstance(layer.get(key), np.ndarray)},
            )
            for layer in self.integers.values()
        ]


def self_check_inputs(frozen: FrozenModel) -> list[np.ndarray]:
    """uint8 codes (k, ...) of each input: those of the file's self-check, k the same for all."""
    data = frozen.file_bytes
    (length,) = struct.unpack_from("<Q", data)
    header, found = json.loads(data[8 : 8 + length]), []
    for i in range(len(frozen.describe()["inputs"])):
        told = header[f"self_check.{i}"]
        begin, end = (8 + length + offset for offset in told["data_offsets"])
        found.append(np.frombuffer(data[begin:end], np.uint8).reshape(told["shape"]))
    return found


def example_inputs(frozen: FrozenModel, images: int) -> list[np.ndarray]:
    """float32 (images, ...) of each input: those of the self-check, then random codes, the same always."""
    generator, found = np.random.default_rng(0), []
    for codes, q in zip(self_check_inputs(frozen), frozen.describe()["inputs"], strict=True):
        random = generator.integers(0, 1 << q["bits"], (images, *q["shape"])).astype(np.uint8)
        random[: len(codes)] = codes[:images]
        found.append((random.astype(np.float32) - np.float32(q["zero_point"])) * np.float32(q["scale"]))
    return found
