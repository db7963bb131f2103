"""From float32 inputs to codes, and from an output's codes to its reals, behind softmax and the like."""

from __future__ import annotations

import math

import numpy as np


def quantize(x, q):
    """clamp(rne(x / scale) + zero_point) with a float32 division; NaN is the zero point."""
    with np.errstate(all="ignore"):
        codes = np.rint(x / np.float32(q["scale"])).astype(np.float64) + q["zero_point"]
    codes = np.where(np.isnan(codes), q["zero_point"], codes)
    return np.clip(codes, 0, (1 << q["bits"]) - 1).astype(np.uint8)


def reals(codes, output):
    """float32 of an output's codes, behind its function (in double; argmax: int64 indices)."""
    f = output.get("function", {"function": None})
    axis = f.get("axis", 0) + 1
    if f["function"] == "argmax":
        return codes.argmax(axis, keepdims=f["keepdim"])
    r = (codes.astype(np.float32) - np.float32(output["zero_point"])) * np.float32(output["scale"])
    if f["function"] is None:
        return r
    exp = np.frompyfunc(math.exp, 1, 1)  # of the C library, as the engine's: NumPy's own differs in last bits
    if f["function"] == "sigmoid":
        return (1 / (1 + exp(-r.astype(np.float64)).astype(np.float64))).astype(np.float32)
    below = r.astype(np.float64) - r.max(axis, keepdims=True)
    powers = exp(below).astype(np.float64)
    others = powers.copy()
    np.put_along_axis(others, codes.argmax(axis, keepdims=True), 0, axis)  # it adds 1, exactly
    rest = np.take(others.cumsum(axis), [-1], axis)  # one after the other, in the order of the axis
    if f["function"] == "softmax":
        return (powers / (1 + rest)).astype(np.float32)
    return (below - np.frompyfunc(math.log1p, 1, 1)(rest).astype(np.float64)).astype(np.float32)
