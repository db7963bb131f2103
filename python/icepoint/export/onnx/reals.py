"""Reals that a runtime makes of a layer's sums, no codes between: how exact they are, and of which codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..interpreter import SUMS, of_sums, requantize, units
from ..interpreter.axes import along, channel_axis
from .ties import sum_error


@dataclass(frozen=True)
class JudgedReals:
    """`codes`: uint8 that the reals round to by the layer's factor; the exact ones where a real is exact.
    `beyond`: which lie farther from the exact reals than float32 sums of these products can.
    `error`: the greatest distance of the others, in codes."""

    codes: np.ndarray
    beyond: np.ndarray
    error: float


def judged(layer: dict[str, Any], xs: list[np.ndarray], found: np.ndarray) -> JudgedReals:
    """Of the float32 `found`, which the runtime made of the input codes `xs` of one layer."""
    acc, multiplier, shift = SUMS[layer["op"]](layer, *xs)
    exact = of_sums(layer, acc)
    factor = multiplier * np.exp2(-shift.astype(np.float64))
    with np.errstate(all="ignore"):  # of a file that was changed: infinities, NaN
        reals = np.nan_to_num(found.astype(np.float64), nan=np.inf)
        unit = along(units(layer), acc.ndim, channel_axis(acc), np.float64)
        rounded = np.clip(
            np.floor(reals / unit * factor + 0.5) + layer["zero_point"], layer["lo"], layer["hi"]
        )
        distance = np.abs(reals - exact) / unit
    codes = np.where(found == exact, requantize(layer, acc, multiplier, shift), rounded.astype(np.uint8))
    beyond = distance > sum_error(layer, xs)
    return JudgedReals(codes, beyond, float((distance * factor)[~beyond].max(initial=0.0)))
