"""The entropy method: the range whose codes tell most about the distribution of the values."""

from __future__ import annotations

import numpy as np

from .base import Observer
from .statistics import COUNTS, EXTREMES

_CANDIDATES = 128


class Entropy(Observer):
    """The magnitude at which clipping loses the least information: KL divergence, as TensorRT calibrates.

    Migacz, "8-bit Inference with TensorRT" (GTC 2017); ONNX Runtime's EntropyCalibrater is alike. Some 128
    magnitudes are tried, from as many bins as there are codes up to the greatest one. The bins inside, with
    what is clipped added to the outermost, are compared with the same bins after all those that share a code
    have been averaged: the magnitude with the least divergence is taken. Exact zeros are left out: they are
    most values behind a ReLU, have an exact code, and would hide the others. (TensorRT leaves out the first
    bin for the same reason.)

    >>> import torch
    >>> seen = Entropy(); seen.update(torch.cat([torch.linspace(0, 1, 10000), torch.tensor([16.0])]))
    >>> seen.range(8)
    (0.0, 2.0)
    """

    name = "entropy"
    needs = frozenset({EXTREMES, COUNTS})

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        counted = self.statistics.histogram
        low, high = self.statistics.low.copy(), self.statistics.high.copy()
        for row, counts in enumerate(counted.counts):
            magnitude = np.ldexp(float(_best(counts, num_bits)), counted.exponents[row])
            low[row], high[row] = max(low[row], -magnitude), min(high[row], magnitude)
        return low, high


def _best(counts: np.ndarray, num_bits: int) -> int:
    """How many bins on each side of zero to keep."""
    side, used = len(counts) // 2, np.flatnonzero(counts)
    if len(used) == 0:
        return side
    below, above = max(side - int(used[0]), 0), max(int(used[-1]) + 1 - side, 0)
    greatest = max(below, above)
    # With no more bins than codes nothing is averaged, and clipping alone would count.
    levels = (1 << num_bits) >> (1 if below and above else 0)
    tried = np.unique(np.linspace(min(levels, greatest), greatest, _CANDIDATES).astype(int))[::-1]
    divergences = [
        _divergence(counts, side - min(below, keep), side + min(above, keep), num_bits) for keep in tried
    ]
    return int(tried[int(np.argmin(divergences))])  # of equal ones the greatest


def _divergence(counts: np.ndarray, first: int, end: int, num_bits: int) -> float:
    """KL(clipped bins first .. end - 1 || the same bins as their codes tell them)."""
    side, qmax = len(counts) // 2, (1 << num_bits) - 1
    inside = counts[first:end].astype(np.float64)
    if not inside.any():
        return np.inf
    clipped = inside.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[end:].sum()
    scale = (end - first) / qmax
    codes = np.clip(np.rint((np.arange(first, end) + 0.5 - side) / scale) + side, 0, None).astype(np.int64)
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    used = np.add.reduceat((inside > 0).astype(np.float64), starts)
    means = np.add.reduceat(inside, starts) / np.maximum(used, 1)
    told = np.repeat(means, np.diff(starts, append=len(codes))) * (inside > 0)
    told = np.maximum(told, 1.0)  # a clipped value in an empty bin: as if one had been there
    some = clipped > 0
    p, q = clipped[some] / clipped.sum(), told[some] / told[some].sum()
    return float((p * np.log(p / q)).sum())
