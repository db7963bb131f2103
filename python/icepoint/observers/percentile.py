"""The percentile method: the range that leaves out so many values, half of them at each end."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .base import Observer
from .statistics import COUNTS, EXTREMES


class Percentile(Observer):
    """The least range of whole bins that holds `percentile` % of the values, zeros included.

    At most (100 - percentile) / 2 % are left out at each end, as ONNX Runtime's PercentileCalibrater does it;
    behind a ReLU the lower end is the zeros. A bin is 1/4096 to 1/2048 of the greatest magnitude.
    ValueError for a percentile outside (0, 100].

    >>> import torch
    >>> seen = Percentile(99.0); seen.update(torch.arange(1001.0)); seen.range()
    (0.0, 995.25)
    """

    name = "percentile"
    needs = frozenset({EXTREMES, COUNTS})

    def __init__(self, percentile: float = 99.99, axis: int | None = None):
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile: expected a number in (0, 100], found {percentile!r}")
        self.percentile = float(percentile)
        super().__init__(axis)

    @property
    def parameters(self) -> dict[str, float]:
        return {"percentile": self.percentile}

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        counted = self.statistics.histogram
        low, high = self.statistics.low.copy(), self.statistics.high.copy()
        cut = (100 - Fraction(self.percentile)) / 200
        for row in range(len(low)):
            edges, counts = ends_and_counts(counted.counts[row], int(counted.zeros[row]))
            allowed = int(cut * int(counts.sum()))
            width = counted.exponents[row]
            from_below, from_above = np.cumsum(counts), np.cumsum(counts[::-1])
            # The first bin that must stay: with it more than the allowed number would be cut.
            first = int(np.searchsorted(from_below, allowed, side="right"))
            last = len(counts) - 1 - int(np.searchsorted(from_above, allowed, side="right"))
            low[row] = max(low[row], np.ldexp(edges[first, 0], width))
            high[row] = min(high[row], np.ldexp(edges[last, 1], width))
        return low, high


def ends_and_counts(counts: np.ndarray, zeros: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends (bins + 1, 2) in bins' widths, with exact zeros as a bin [0, 0], and the counts."""
    side = len(counts) // 2
    lower = np.arange(-side, side, dtype=np.float64)
    ends = np.insert(np.stack([lower, lower + 1], 1), side, 0.0, axis=0)
    return ends, np.insert(counts, side, zeros)
