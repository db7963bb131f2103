"""From float32 inputs to codes; from an output's codes or sums to its reals, and softmax or the like."""

from __future__ import annotations

import math

import numpy as np

from .axes import along, channel_axis


def quantize(x, q):
    """clamp(rne(x / scale) + zero_point) with a float32 division; NaN is the zero point."""
    with np.errstate(all="ignore"):
        codes = np.rint(x / np.float32(q["scale"])).astype(np.float64) + q["zero_point"]
    codes = np.where(np.isnan(codes), q["zero_point"], codes)
    return np.clip(codes, 0, (1 << q["bits"]) - 1).astype(np.uint8)


def dequantize(codes, q):
    """float32(code - zero_point) * scale."""
    return (codes.astype(np.float32) - np.float32(q["zero_point"])) * np.float32(q["scale"])


def units(layer):
    """float64 (1) or (c): the real that an acc of 1 stands for, exact as a product of two float32."""
    return np.float64(np.float32(layer["x_scale"][0])) * layer["weight_scale"].astype(np.float64)


def of_sums(layer, acc):
    """float32(acc * (x_scale * weight_scale[c])), both products in double."""
    return (acc * along(units(layer), acc.ndim, channel_axis(acc), np.float64)).astype(np.float32)


def ended(r, output):
    """float32 reals (n, ...) of an output behind its function (in double; argmax: int64 indices)."""
    f = output.get("function", {"function": None})
    axis = f.get("axis", 0) + 1
    if f["function"] == "argmax":
        return r.argmax(axis, keepdims=f["keepdim"])  # the first of equals
    if f["function"] is None:
        return r
    exp = np.frompyfunc(math.exp, 1, 1)  # of the C library, as the engine's: NumPy's own differs in last bits
    if f["function"] == "sigmoid":
        negative = np.minimum(-r.astype(np.float64), 200)  # beyond 104 it is 0 in float32; 710 overflows here
        return (1 / (1 + exp(negative).astype(np.float64))).astype(np.float32)
    below = r.astype(np.float64) - r.max(axis, keepdims=True)
    powers = exp(below).astype(np.float64)
    others = powers.copy()
    np.put_along_axis(others, r.argmax(axis, keepdims=True), 0, axis)  # it adds 1, exactly
    rest = np.take(others.cumsum(axis), [-1], axis)  # one after the other, in the order of the axis
    if f["function"] == "softmax":
        return (powers / (1 + rest)).astype(np.float32)
    return (below - np.frompyfunc(math.log1p, 1, 1)(rest).astype(np.float64)).astype(np.float32)
