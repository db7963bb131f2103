"""Counts of values in bins whose width is a power of two: the same for any order, split or merge."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import _C

LEAST_EXPONENT = -149  # bins of 2^-149 hold one float32 each


class Histogram:
    """int64 counts of float32 values, for each of `channels` rows in `2 side` bins of width 2^exponents[row].

    Bin i of a row, -side <= i < side, holds the values of [i, i + 1) * 2^exponent but not 0 and -0: those
    are in `zeros`, as they are most values behind a ReLU and have an exact code at any scale. The exponent
    is the least, from -149 on, at which every value seen has a bin. Where a value has none it grows, and
    since floor(x / 2^(k+1)) = floor(floor(x / 2^k) / 2), pairs of bins merge without any error: the counts
    are a function of the multiset of values alone.

    >>> counted = Histogram(channels=1, side=4)
    >>> counted.add(np.array([[[0.0, 0.5, 1.5, -1.0]]], np.float32), np.array([-1.0]), np.array([1.5]))
    >>> counted.exponents.tolist(), counted.zeros.tolist(), counted.counts.tolist()
    ([-1], [1], [[0, 0, 1, 0, 0, 1, 0, 1]])
    """

    def __init__(self, channels: int, side: int):
        self.side = side
        self.exponents = np.full(channels, LEAST_EXPONENT, np.int32)
        self.counts = np.zeros((channels, 2 * side), np.int64)
        self.zeros = np.zeros(channels, np.int64)

    def add(self, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Counts float32 values (images, channels, size), whose extremes are low and high (channels,)."""
        self._grow(np.maximum(self.exponents, exponents_for(low, high, self.side)))
        _C.count_bins(values, self.exponents, self.counts, self.zeros)

    def merge(self, other: Histogram) -> None:
        """Adds the counts of another histogram with as many bins."""
        exponents = np.maximum(self.exponents, other.exponents)
        self._grow(exponents)
        self.counts += other._grown(exponents)
        self.zeros += other.zeros

    def _grow(self, exponents: np.ndarray) -> None:
        self.counts, self.exponents = self._grown(exponents), exponents

    def _grown(self, exponents: np.ndarray) -> np.ndarray:
        """The counts in bins of 2^exponents, at least as wide as its own."""
        counts = self.counts
        for row in np.flatnonzero(exponents > self.exponents):
            counts = counts.copy() if counts is self.counts else counts
            steps = min(int(exponents[row] - self.exponents[row]), 62)
            merged = np.zeros(2 * self.side, np.int64)
            np.add.at(merged, (np.arange(-self.side, self.side) >> steps) + self.side, self.counts[row])
            counts[row] = merged
        return counts

    def state(self) -> dict[str, Any]:
        """Tensors and numbers; of the bins only those between the first and the last that any row uses."""
        used = np.flatnonzero(self.counts.any(0))
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        return {
            "side": self.side,
            "first": first,
            "counts": torch.from_numpy(self.counts[:, first:end].copy()),
            "zeros": torch.from_numpy(self.zeros.copy()),
            "exponents": torch.from_numpy(self.exponents.copy()),
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Histogram:
        """The histogram of a state(); ValueError where its parts do not fit."""
        counts, first = state["counts"].numpy(), state["first"]
        made = cls(len(counts), state["side"])
        if not 0 <= first <= first + counts.shape[1] <= 2 * made.side or (counts < 0).any():
            raise ValueError(f"observer state: {counts.shape} counts from bin {first} of {2 * made.side}")
        made.counts[:, first : first + counts.shape[1]] = counts
        made.zeros[:] = state["zeros"].numpy()
        made.exponents[:] = state["exponents"].numpy()
        return made


def exponents_for(low: np.ndarray, high: np.ndarray, side: int) -> np.ndarray:
    """The least exponents (int32) at which [low, high] lies in bins -side .. side - 1, a power of two a side.

    >>> exponents_for(np.array([-1.0, 0.0]), np.array([0.5, 1.0]), side=4)
    array([-2, -1], dtype=int32)
    """
    places = side.bit_length() - 1
    with _C.FloatEnv():
        mantissa_low, exponent_low = np.frexp(np.minimum(low, 0.0))
        _, exponent_high = np.frexp(np.maximum(high, 0.0))
    # -2^e itself has a bin, the last below zero, and 2^e has not.
    exponent_low = exponent_low - (mantissa_low == -0.5)
    needed = (
        np.where(low < 0, exponent_low, LEAST_EXPONENT),
        np.where(high > 0, exponent_high, LEAST_EXPONENT),
    )
    return np.maximum(np.maximum(*needed) - places, LEAST_EXPONENT).astype(np.int32)
