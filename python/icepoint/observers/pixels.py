"""The pixels method: min-max, or a little wider where values that were whole numbers fall between codes."""

from __future__ import annotations

import numpy as np

from .base import Observer
from .statistics import COUNTS, EXTREMES

_WIDER = 32  # a range grows by at most 1/32 of itself, a step with it: 0.27 dB
_ALIKE = 1.125  # variances that are so near tell of these images, not of a grid
_WIDEST = 2.0**100  # such a range has a scale at any number of bits and any factor


class Pixels(Observer):
    """The narrowest range, from min-max to 1/32 wider, of which rounding errors vary least, or hardly more.

    Nothing is clipped. Normalized pixels lie on a grid, and one step of min-max is the grid's own. Where 0 is
    on the grid, as in p / 255, the codes are exact. Where it is not, every pixel is off by the same, which
    a bias takes back. But p / 127.5 - 1 is p - 127.5 steps from 0: every pixel is a tie, decided by float32's
    last bit or to even, and neighbours share codes. 254 steps over the range spread the error evenly over
    -1/2 .. 1/2, which is up to 4.8 dB less. The mean error does not count: methods take it back.

    >>> import torch
    >>> seen = Pixels(); seen.update(torch.arange(256.0) / 127.5 - 1); seen.range()[1] > 1.0
    True
    >>> seen = Pixels(); seen.update(torch.arange(256.0)); seen.range()
    (0.0, 255.0)
    """

    name = "pixels"
    needs = frozenset({EXTREMES, COUNTS})

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        qmax = (1 << num_bits) - 1
        low, high = np.minimum(self.statistics.low, 0.0), np.maximum(self.statistics.high, 0.0)
        counted = self.statistics.histogram
        factors = qmax / np.arange(qmax, qmax - qmax // (_WIDER + 1) - 1, -1.0)
        for row in np.flatnonzero((high > low) & (high - low <= _WIDEST)):
            used = np.flatnonzero(counted.counts[row])
            # Both ends of each bin: whether what lies in it is rounded up or down may differ between them.
            ends = np.concatenate([used, used + 1]).astype(np.float64) - counted.side
            ends = np.clip(np.ldexp(ends, counted.exponents[row]), low[row], high[row])
            counts = np.tile(counted.counts[row, used] / 2.0, 2)
            scales = factors[:, None] * ((high[row] - low[row]) / qmax)
            errors = ends - np.rint(ends / scales) * scales
            total = counts.sum() + counted.zeros[row]
            variances = (errors**2 @ counts) / total - (errors @ counts / total) ** 2
            best = factors[int(np.argmax(variances <= _ALIKE * variances.min()))]  # the first of these
            low[row], high[row] = low[row] * best, high[row] * best
        return low, high
