"""The mse method: the range whose codes have the least expected squared error, so the greatest SQNR."""

from __future__ import annotations

import numpy as np

from .base import Observer
from .statistics import COUNTS, EXTREMES, Statistics

_STEPS = 8  # factors of a range are 2^-(i/8), then 2^-(i/64) around the best
_ROUNDS = 3  # each end in turn; more changed no range that was tried


class Mse(Observer):
    """Clips where rounding saves more than clipping costs: the SQNR search (Zhao et al. 2019, section 3.2).

    The squared error of every code is integrated over each bin as if the values were spread evenly within
    it, with the scale and zero point that the range would have: no assumption about how they are
    distributed, and right for 2 bits, where a step is wide, as for 8. Exact zeros have an exact code and
    cost nothing. Both ends shrink together first and then each alone, down to 1/1024 of the extremes.

    >>> import torch
    >>> seen = Mse(); seen.update(torch.cat([torch.linspace(0, 1, 10000), torch.tensor([4.0])]))
    >>> seen.range(8)[1] > 3.9, seen.range(2)[1] < 1.3  # at 8 bits the one value is worth a wider step
    (True, True)
    """

    name = "mse"
    needs = frozenset({EXTREMES, COUNTS})

    def for_outputs(self) -> Mse:
        """Itself: what clipping an output costs is weighed already."""
        return self.fresh()

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        error = ExpectedError(self.statistics, num_bits)
        octaves = (self.statistics.histogram.side // 4).bit_length() - 1  # leaves a few bins
        coarse = np.arange(octaves * _STEPS + 1) / _STEPS
        fine = np.arange(1 - _STEPS, _STEPS) / _STEPS**2
        search = _Search(error)
        search.scan(coarse, (0, 1))
        if (error.low < 0).any() and (error.high > 0).any():
            for _ in range(_ROUNDS):
                if not any(
                    [search.scan(coarse, (1,), absolute=True), search.scan(coarse, (0,), absolute=True)]
                ):
                    break
        for ends in (0, 1), (1,), (0,):
            search.scan(fine, ends)
        low, high = search.ends()
        return np.ldexp(low, error.exponents), np.ldexp(high, error.exponents)


class _Search:
    """The best halvings of the low and the high end so far, (2, rows), and their errors (rows,)."""

    def __init__(self, error: ExpectedError):
        self.error = error
        self.halvings = np.zeros((2, len(error.low)))
        self.least = error(error.low, error.high)

    def ends(self, halvings: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.exp2(-(self.halvings if halvings is None else halvings))
        return self.error.low * low, self.error.high * high

    def scan(self, steps: np.ndarray, moved: tuple[int, ...], absolute: bool = False) -> bool:
        """Tries the halvings `steps`, as they are or added to the best, for the ends in `moved`; whether any
        row got better. Of equal errors the first stays."""
        start, before = self.halvings.copy(), self.least.copy()
        for step in steps:
            tried = start.copy()
            for end in moved:
                tried[end] = step if absolute else np.maximum(start[end] + step, 0)
            found = self.error(*self.ends(tried))
            better = found < self.least
            self.least = np.where(better, found, self.least)
            self.halvings = np.where(better, tried, self.halvings)
        return bool((self.least < before).any())


class ExpectedError:
    """Sum of squared errors (rows,) of the values in a histogram, in units of the bins' widths.

    `low`, `high` (rows,) are the extremes, widened to hold 0, and `exponents` those of the widths.
    """

    def __init__(self, statistics: Statistics, num_bits: int):
        counted = statistics.histogram
        self.exponents, self.qmax = counted.exponents, (1 << num_bits) - 1
        low, high = (np.ldexp(v, -self.exponents) for v in (statistics.low, statistics.high))
        self.low, self.high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        used = np.flatnonzero(counted.counts.any(0))
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        counts = counted.counts[:, first:end].astype(np.float64)
        edges = np.arange(first - counted.side, end - counted.side + 1, dtype=np.float64)
        # The outermost bins end at the extremes, where a clamp (ReLU6) may have put many values.
        self.edges = np.clip(edges, low[:, None], high[:, None])
        widths = np.diff(self.edges)
        # Values at the lower end of the last bin, which then has no width: all of them are `high`.
        self.at_high, self.of_high = (counts * (widths == 0)).sum(1), high
        self.density = np.divide(counts, widths, out=np.zeros_like(counts), where=widths > 0)

    def __call__(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Of the codes of the ranges [low, high], (rows,) each."""
        scale = np.where(high > low, (high - low) / self.qmax, 1.0)
        zero_point = np.clip(np.rint(self.qmax - high / scale), 0, self.qmax)
        t = self.edges / scale[:, None]
        integral = _integral(t, -zero_point[:, None], self.qmax - zero_point[:, None])
        within = (np.diff(integral) * self.density).sum(1) * scale**3
        codes = np.clip(np.rint(self.of_high / scale), -zero_point, self.qmax - zero_point)
        return within + self.at_high * (self.of_high - codes * scale) ** 2


def _integral(t: np.ndarray, least: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """Of (u - code(u))^2 from 0 to t, code(u) = u rounded and clamped: 1/12 a step, and a cube within it."""
    n = np.clip(np.rint(t), least, greatest)
    t = t - n
    return n / 12 + t * t * t / 3
