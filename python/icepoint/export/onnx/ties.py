"""Why float requantization gives another code: how far the exact value lies from a half, against its error.

The exact value of a code before rounding is v = acc multiplier 2^-shift, known as a fraction of integers.
A runtime that computes acc exactly and then float32(acc) * float32(M) is off by a few units of 2^-24 |v|;
one that sums products in float32 by at most (taps + a few) 2^-24 times the sum of their magnitudes. It
can round v to another integer only where v lies that close to a half; at a half itself the rules differ,
too: upwards here, to even there. Source of the bound: Higham, "Accuracy and Stability of Numerical
Algorithms" (2002), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..interpreter import SUMS
from ..interpreter.windows import average_windows

Layer = dict[str, Any]

_UNIT = 2.0**-24  # of float32, rounded to nearest
_STEPS = 8  # roundings of scales, their product, the quotient, the product with acc, each half a unit or one


@dataclass(frozen=True)
class Causes:
    """Of codes that differ: ties of the requantization, float sums that came near one, and neither."""

    ties: int
    sums: int
    unexplained: int
    farthest: float  # from a half, in codes, of those explained


def causes(layer: Layer, xs: list[np.ndarray], difference: np.ndarray) -> Causes:
    """difference: codes found less codes exact, both made from the input codes `xs` of one layer."""
    wrong = difference != 0
    count = int(wrong.sum())
    if layer["op"] not in SUMS:  # what moves codes has nothing to round
        return Causes(0, 0, count, 0.0)
    acc, multiplier, shift = (np.asarray(a, np.int64) for a in SUMS[layer["op"]](layer, *xs))
    factor = multiplier * np.exp2(-shift.astype(np.float64))
    one = np.int64(1) << shift
    rest = (acc * multiplier) & (one - 1)  # v less its floor, times 2^shift
    distance = np.abs(rest - (one >> 1)) / one.astype(np.float64)
    float_error = _STEPS * _UNIT * np.abs(acc * factor)
    tie = wrong & (np.abs(difference) == 1) & (distance <= float_error)
    near = wrong & (np.abs(difference) == 1) & (distance <= sum_error(layer, xs) * factor) & ~tie
    explained = distance[tie | near]
    return Causes(int(tie.sum()), int(near.sum()), count - explained.size, float(explained.max(initial=0.0)))


def sum_error(layer: Layer, xs: list[np.ndarray]) -> np.ndarray:
    """How far a float32 sum of a layer's products can be from acc, in units of it."""
    return (_taps(layer) + _STEPS) * _UNIT * _magnitudes(layer, xs)


def _taps(layer: Layer) -> int:
    """Products, or terms, of one sum."""
    if "weight" in layer:
        return int(layer["weight"].size // layer["shape"][-3 if len(layer["shape"]) == 3 else -1]) + 1
    if "divisors" in layer:
        rows, columns, _ = average_windows(layer, layer["x_shape"][0][1:])
        return int(rows.sum(1).max() * columns.sum(1).max())
    return 2


def _magnitudes(layer: Layer, xs: list[np.ndarray]) -> np.ndarray:
    """The layer's sums with every term made positive."""
    centred = [np.abs(x.astype(np.int64) - z) for x, z in zip(xs, layer["x_zero_point"], strict=True)]
    positive = {**layer, "x_zero_point": [0] * len(xs)}
    for key in ("a_multiplier", "b_multiplier", "bias", "offset"):
        if key in layer:
            positive[key] = np.abs(np.asarray(layer[key], np.int64))
    if "weight" in layer:
        positive["weight"] = np.abs(layer["weight"].astype(np.int16) - _zero_points(layer))
        positive["weight_zero_point"] = np.zeros(1, np.int64)
    return np.asarray(SUMS[layer["op"]](positive, *centred)[0], np.float64)


def _zero_points(layer: Layer) -> np.ndarray:
    """Of the weights, so that they broadcast over them."""
    zero_point, weight = layer["weight_zero_point"].astype(np.int16), layer["weight"]
    if layer["op"] != "qconv_transpose2d" or zero_point.size == 1:
        return zero_point.reshape(-1, *[1] * (weight.ndim - 1))
    groups, ocg = layer["groups"], weight.shape[1]  # row i of (ic, oc / groups, kh, kw) is of group i // icg
    rows = zero_point.reshape(groups, ocg).repeat(len(weight) // groups, 0)
    return rows[:, :, None, None]
