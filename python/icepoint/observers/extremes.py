"""The methods that read extremes alone: min_max, and moving_average, the mean of the images' extremes."""

from __future__ import annotations

import numpy as np

from .base import Observer
from .statistics import ALL, EXTREMES, IMAGES


class MinMax(Observer):
    """The least and the greatest value seen: nothing is clipped, and one outlier widens every step.

    Gathers the extremes alone; with gather_all=True also what the other methods need.

    >>> import torch
    >>> seen = MinMax(); seen.update(torch.tensor([1.0, 3.0])); seen.range()
    (0.0, 3.0)
    """

    name = "min_max"
    needs = gathers = frozenset({EXTREMES})

    def __init__(self, axis: int | None = None, gather_all: bool = False):
        super().__init__(axis)
        self.statistics.gathers = ALL if gather_all else self.gathers

    @classmethod
    def of_range(cls, low: float, high: float) -> MinMax:
        """One that has seen, per tensor, values from `low` to `high`."""
        made = cls()
        made.statistics.low, made.statistics.high = np.array([float(low)]), np.array([float(high)])
        return made

    @property
    def parameters(self) -> dict[str, bool]:
        return {"gather_all": True} if self.statistics.gathers == ALL else {}

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        return self.statistics.low, self.statistics.high


class MovingAverage(Observer):
    """The mean over images of each image's least value, and of its greatest: rare outliers count little.

    Trainers keep an exponential average, low += c (low_of_batch - low) (Jacob et al. 2018, section 3.1;
    torch's MovingAverageMinMaxObserver). Its value depends on the order and on what a batch is, and two of
    them have no exact sum, since each forgets at the pace of its own batches: it cannot be merged. The plain
    mean, over images and not batches, is its order-free form, and is taken exactly: a float32 is an integer
    of 2^-149, and integers add up without rounding.

    >>> import torch
    >>> seen = MovingAverage(); seen.update(torch.tensor([[0.0, 1.0], [-1.0, 3.0]])); seen.range()
    (-0.5, 2.0)
    """

    name = "moving_average"
    needs = gathers = frozenset({EXTREMES, IMAGES})

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        whole = self.statistics.images << 149  # int / int rounds once
        sums = self.statistics.low_sums, self.statistics.high_sums
        low, high = (np.array([total / whole for total in totals]) for totals in sums)
        return low, high
