"""The operators that compute, in integers: ConvInteger and the like, then int64 as docs/numerics.md has it.

    y = clamp(zy + (acc m + 2^(s-1) >> s))  as  Clip((acc m + zy 2^s + 2^(s-1)) / 2^s, lo, hi)

ONNX divides integers towards zero and the formula rounds down. The two differ only where the quotient is
negative, and there both clamp to lo, which is no less than 0. The sum stays below 2^63, since |acc m| < 2^62
and zy 2^s + 2^(s-1) <= 255 2^54 + 2^53 = 2^62 - 2^53.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..interpreter import requantize, units
from ..interpreter.windows import average_windows
from .graph import OnnxGraph
from .moves import padded, reshaped, separable, table
from .qdq import input_qparams, moves
from .weights import channels_first, unsigned

Layer = dict[str, Any]


def finished(g: OnnxGraph, acc: str, layer: Layer, multiplier: Any, shift: Any) -> str:
    """Codes of int64 sums; multiplier and shift are arrays that broadcast over them."""
    shift = np.asarray(shift, np.int64)
    one = np.int64(1)
    if np.any(np.asarray(multiplier) != 1):
        acc = g.node("Mul", [acc, g.constant(multiplier, "multiplier", np.int64)])
    added = (layer["zero_point"] << shift) + (one << (shift - 1))
    acc = g.node("Add", [acc, g.constant(added, "half_and_zero_point")])
    y = g.node("Div", [acc, g.constant(one << shift, "power")])
    y = g.node("Clip", [y, g.constant(layer["lo"], "lo", np.int64), g.constant(layer["hi"], "hi", np.int64)])
    return g.cast(y, np.uint8)


def _channels(g: OnnxGraph, acc: str, layer: Layer) -> str:
    """Codes of int32 sums with the bias."""
    acc = g.cast(acc, np.int64)
    return finished(g, acc, layer, *(_shaped(layer, layer[key]) for key in ("multiplier", "shift")))


def _with_bias(g: OnnxGraph, acc: str, layer: Layer) -> str:
    if "bias" not in layer:
        return acc
    return g.node("Add", [acc, g.constant(_shaped(layer, layer["bias"]), "bias")])


def _shaped(layer: Layer, values: Any) -> np.ndarray:
    """(1) or (c) values so that they broadcast over the layer's sums."""
    return np.asarray(values).reshape(-1, *[1] * (2 if len(layer["shape"]) == 3 else 0))


def _convolved(
    g: OnnxGraph, x: str, layer: Layer, codes: np.ndarray, zero_point: np.ndarray, **window: Any
) -> str:
    """sum (x - zx)(w - zw). ConvInteger takes one zw: others are the difference of two convolutions."""

    def convolution(weight: np.ndarray, name: str, zw: int) -> str:
        zx = g.constant(layer["x_zero_point"][0], "x_zero_point", np.uint8)
        inputs = [x, g.constant(weight, name), zx, g.constant(zw, "weight_zero_point", np.uint8)]
        return g.node("ConvInteger", inputs, **window)

    if np.all(zero_point == zero_point[0]):
        return convolution(codes, "weight", zero_point[0])
    every = np.broadcast_to(zero_point.reshape(-1, 1, 1, 1), codes.shape)
    parts = [convolution(codes, "weight", 0), convolution(np.ascontiguousarray(every), "zero_points", 0)]
    return g.node("Sub", parts)


def qconv2d(g: OnnxGraph, layer: Layer, x: str) -> str:
    return _channels(g, _conv(g, layer, x), layer)


def _conv(g: OnnxGraph, layer: Layer, x: str) -> str:
    window = {"kernel_shape": layer["kernel_size"], "strides": layer["stride"], "pads": layer["padding"],
              "dilations": layer["dilation"], "group": layer["groups"]}  # fmt: skip
    return _with_bias(g, _convolved(g, x, layer, *unsigned(layer), **window), layer)


def qconv_transpose2d(g: OnnxGraph, layer: Layer, x: str) -> str:
    """A convolution by the turned kernel over the input with stride - 1 zeros behind each of its elements."""
    codes, zero_point = unsigned(layer)
    codes = np.ascontiguousarray(channels_first(layer, codes)[:, :, ::-1, ::-1])
    (c, h, w), (sh, sw), zx = layer["x_shape"][0], layer["stride"], layer["x_zero_point"][0]
    if (sh, sw) != (1, 1):
        x = reshaped(g, x, [c, h, 1, w, 1])
        pads = g.constant([0] * 6 + [0, 0, 0, sh - 1, 0, sw - 1], "zeros_between", np.int64)
        x = g.node("Pad", [x, pads, g.constant(zx, "x_zero_point", np.uint8)])
        x = reshaped(g, x, [c, h * sh, w * sw])
    reach = [d * (k - 1) for d, k in zip(layer["dilation"], layer["kernel_size"], strict=True)]
    top, left, bottom, right = layer["padding"]
    (eh, ew), behind = layer["output_padding"], (1 - sh, 1 - sw)
    edges = [
        reach[0] - top,
        reach[1] - left,
        reach[0] - bottom + behind[0] + eh,
        reach[1] - right + behind[1] + ew,
    ]
    if any(edges):
        x = padded(g, x, edges, zx)
    window = {"kernel_shape": layer["kernel_size"], "dilations": layer["dilation"], "group": layer["groups"]}
    acc = _with_bias(g, _convolved(g, x, layer, codes, zero_point, **window), layer)
    return _channels(g, acc, layer)


def qlinear(g: OnnxGraph, layer: Layer, x: str) -> str:
    return _channels(g, _linear(g, layer, x), layer)


def _linear(g: OnnxGraph, layer: Layer, x: str) -> str:
    codes, zero_point = unsigned(layer)
    zx = g.constant(layer["x_zero_point"][0], "x_zero_point", np.uint8)
    zw = g.constant(zero_point if len(zero_point) > 1 else zero_point[0], "weight_zero_point")
    weight = g.constant(np.ascontiguousarray(codes.T), "weight")
    return _with_bias(g, g.node("MatMulInteger", [x, weight, zx, zw]), layer)


def of_sums(g: OnnxGraph, layer: Layer, x: str) -> str:
    """float32(acc (s_x s_w[c])) of an output that is not rounded to codes: two products in double."""
    acc = {"qconv2d": _conv, "qlinear": _linear}[layer["op"]](g, layer, x)
    unit = g.constant(_shaped(layer, units(layer)), "unit")
    real = g.node("Mul", [g.cast(acc, np.float64), unit])
    return g.cast(real, np.float32)


def average(g: OnnxGraph, layer: Layer, x: str) -> str:
    """Sums by 0/1 matrices in int32: at most 2^23 taps of at most 255."""
    rows, columns, divisors = average_windows(layer, layer["x_shape"][0][1:])
    x = g.node(
        "Sub", [g.cast(x, np.int32), g.constant(layer["x_zero_point"][0], "x_zero_point_32", np.int32)]
    )
    acc = g.cast(separable(g, x, rows.astype(np.int32), columns.astype(np.int32)), np.int64)
    at = np.searchsorted(layer["divisors"], divisors)
    return finished(g, acc, layer, layer["multiplier"][at], layer["shift"][at])


def _centred(g: OnnxGraph, x: str, zero_point: int) -> str:
    return g.node("Sub", [g.cast(x, np.int64), g.constant(zero_point, "x_zero_point_64", np.int64)])


def qadd(g: OnnxGraph, layer: Layer, a: str, b: str) -> str:
    terms = []
    for x, key, zero_point in zip(
        (a, b), ("a_multiplier", "b_multiplier"), layer["x_zero_point"], strict=True
    ):
        terms.append(g.node("Mul", [_centred(g, x, zero_point), g.constant(layer[key], key, np.int64)]))
    return finished(g, g.node("Add", terms), layer, 1, layer["shift"])


def qmul(g: OnnxGraph, layer: Layer, a: str, b: str) -> str:
    terms = [_centred(g, x, z) for x, z in zip((a, b), layer["x_zero_point"], strict=True)]
    return finished(g, g.node("Mul", terms), layer, layer["multiplier"], layer["shift"])


def qconcat(g: OnnxGraph, layer: Layer, *xs: str) -> str:
    """256 bytes of table for an input with qparams of its own."""
    parts, every = [], np.arange(256, dtype=np.int64)
    for k, (x, q) in enumerate(zip(xs, input_qparams(layer), strict=True)):
        pair = (int(layer[key][k]) for key in ("multiplier", "shift"))
        parts.append(
            x if moves(layer, q) else table(g, requantize(layer, every - q[1], *pair), x, layer["shape"])
        )
    return g.node("Concat", parts, axis=layer["axis"] + 1)


EXACT = {f.__name__: f for f in (qconv2d, qconv_transpose2d, qlinear, qadd, qmul, qconcat)}
EXACT |= {"qavg_pool2d": average, "qadaptive_avg_pool2d": average}
