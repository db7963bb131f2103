"""A frozen model's layers, how they run one after the other, and how an exported file becomes them."""

from __future__ import annotations

import json

import numpy as np

from .moves import MOVES
from .reals import dequantize, ended, of_sums, quantize
from .sums import SUMS


def requantize(layer, acc, multiplier, shift):
    """The formula above: uint8 codes. |acc * multiplier| < 2^62, and the rounding adds at most 2^53."""
    y = layer["zero_point"] + (acc * multiplier + (np.int64(1) << np.asarray(shift - 1, np.int64)) >> shift)
    return np.clip(y, layer.get("lo", 0), layer.get("hi", 255)).astype(np.uint8)


def run_layer(layer, *xs):
    """uint8 codes (n, ...) of one layer from those of its inputs."""
    op = layer["op"]
    return MOVES[op](layer, *xs) if op in MOVES else requantize(layer, *SUMS[op](layer, *xs))


class Integers(dict):
    """The layers of a frozen model by name, in the order in which they run, and the model that they are.

    A layer has its fields and arrays, `op`, `inputs` (numbers of values: the model's inputs, then the
    layers), `shape`, `scale`, `zero_point`, `bits` of its output, and `x_shape`, ... one an input. `inputs`
    and `outputs` of the model are dicts with name, shape, scale, zero_point, bits; an output has `value`,
    too, perhaps `function`, and perhaps `accumulators`: its reals are those of its layer's sums.
    """

    def __init__(self, layers, inputs, outputs):
        super().__init__(layers)
        self.inputs, self.outputs = inputs, outputs

    def trace(self, *inputs):
        """uint8 codes (n, ...) of every value by name. Inputs: float32 (n, ...), or uint8 codes already."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"expected {len(self.inputs)} inputs, found {len(inputs)}")
        values = []
        for x, q in zip(map(np.asarray, inputs), self.inputs, strict=True):
            if list(x.shape[1:]) != list(q["shape"]) or x.dtype not in (np.float32, np.uint8):
                wanted = f"float32 (n, {', '.join(map(str, q['shape']))}) or uint8 codes"
                raise ValueError(f"{q['name']}: expected {wanted}, found {x.dtype} {x.shape}")
            values.append(x if x.dtype == np.uint8 else quantize(x, q))
        for layer in self.values():
            values.append(run_layer(layer, *(values[i] for i in layer["inputs"])))
        return dict(zip([*(q["name"] for q in self.inputs), *self], values, strict=True))

    def codes(self, *inputs):
        """uint8 codes of the outputs, before their functions; one array, or a tuple of several."""
        values = list(self.trace(*inputs).values())
        return _single(values[output["value"]] for output in self.outputs)

    def reals(self, *inputs):
        """float32 (n, ...) of the outputs before their functions; one array, or a tuple of several."""
        return _single(self._reals(inputs))

    def __call__(self, *inputs):
        """float32 (n, ...) outputs, int64 where argmax ends one; one array, or a tuple of several."""
        return _single(map(ended, self._reals(inputs), self.outputs))

    def _reals(self, inputs):
        values, layers = list(self.trace(*inputs).values()), list(self.values())
        for output in self.outputs:
            k = output["value"]
            if output.get("accumulators"):
                layer = layers[k - len(self.inputs)]
                acc, _, _ = SUMS[layer["op"]](layer, *(values[i] for i in layer["inputs"]))
                yield of_sums(layer, acc)
            else:
                yield dequantize(values[k], output)


def _single(found):
    found = tuple(found)
    return found[0] if len(found) == 1 else found


def load(path):
    """The Integers of a .npz or .json that icepoint exported. ValueError for another file, OSError."""
    told = _read_npz(path) if str(path).endswith(".npz") else _read_json(path)
    if told["arithmetic"] != 1:
        raise ValueError(f"{path}: arithmetic {told['arithmetic']}, this interpreter knows 1")
    return Integers({layer["name"]: layer for layer in told["layers"]}, told["inputs"], told["outputs"])


def _read_npz(path):
    with np.load(path, allow_pickle=False) as arrays:
        told = _checked(json.loads(arrays["model"].tobytes()) if "model" in arrays.files else None, path)
        for k, layer in enumerate(told["layers"]):
            layer |= {field: arrays[f"{k}.{field}"] for field in layer.pop("arrays")}
    return told


def _read_json(path):
    with open(path, encoding="utf-8") as file:
        told = _checked(json.load(file), path)
    for layer in told["layers"]:
        for field, a in layer.items():
            if isinstance(a, dict):
                layer[field] = np.array(a["data"], a["dtype"]).reshape(a["shape"])
    return told


def _checked(told, path):
    if not isinstance(told, dict) or told.get("format") != "icepoint integers":
        raise ValueError(f"{path}: expected integers that icepoint exported, found something else")
    return told
