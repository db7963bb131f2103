"""Sums of real numbers that do not depend on their order: int64 multiples of a power of two.

Floating-point addition is not associative, so a sum over data would show how the data was split. Here every
addend is rounded once, alone, and integers add up exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

_GREATEST = 2**63 - 1


class FixedPoint:
    """A sum, for each element of `shape`, of addends that are rounded to multiples of `unit`, ties to even.

    `total` is int64 of `shape` and `count` the number of addends of each element. Each addend is off by at
    most unit / 2, so a mean is too. ValueError where `unit` is no power of two from 2^-1000 to 2^1000.

    >>> sums = FixedPoint(2.0**-10)
    >>> sums.add(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)); sums.total
    tensor(614)
    >>> sums.value, sums.mean
    (tensor(0.5996, dtype=torch.float64), tensor(0.1999, dtype=torch.float64))
    """

    def __init__(self, unit: float, shape: Sequence[int] = ()):
        if not 2.0**-1000 <= unit <= 2.0**1000 or math.frexp(unit)[0] != 0.5:
            raise ValueError(
                f"FixedPoint.unit: expected a power of two from 2^-1000 to 2^1000, found {unit!r}"
            )
        self.unit = float(unit)
        self.total = torch.zeros(tuple(shape), dtype=torch.int64)
        self.count = 0

    @staticmethod
    def unit_for(largest: float, count: int) -> float:
        """The least unit with which `count` addends of at most +-`largest` fit: their sum stays below 2^62.

        It has to come from what all workers know before they see data: a scale, a number of images.

        >>> FixedPoint.unit_for(1.0, 2**22) == 2.0**-40
        True
        """
        if not (0 < largest < math.inf and count > 0):
            raise ValueError(
                f"unit_for: expected a positive number and count, found {largest!r} and {count!r}"
            )
        mantissa, exponent = math.frexp(largest)
        exponent += (count - 1).bit_length() - (mantissa == 0.5)
        return math.ldexp(1.0, max(exponent - 62, -1000))

    def add(self, values: torch.Tensor) -> None:
        """Adds float64 (or float32) `values` (*, *shape): every index of the leading axes is one addend.

        ValueError for another shape, NaN or infinity, and where a sum could leave int64: give a larger unit.
        The sums are then as before.
        """
        shape = tuple(self.total.shape)
        leading = values.dim() - len(shape)
        if leading < 0 or tuple(values.shape[leading:]) != shape or not values.is_floating_point():
            raise ValueError(
                f"FixedPoint.add: expected floats of shape (*, {', '.join(map(str, shape))}), "
                f"found {values.dtype} {tuple(values.shape)}"
            )
        if values.numel() == 0:
            return
        codes = (values.detach().double() / self.unit).round()
        if not torch.isfinite(codes).all():
            raise ValueError(
                f"FixedPoint.add: found NaN, infinity or a number beyond 2^1023 units of {self.unit}"
            )
        count = math.prod(values.shape[:leading])
        self._check(int(codes.abs().max()) * count)
        self.total += codes.to(torch.int64).reshape(count, *shape).sum(0)
        self.count += count

    def merge(self, other: FixedPoint) -> None:
        """Adds another sum of the same unit and shape. ValueError for another, and for overflow of int64."""
        mine, its = (self.unit, tuple(self.total.shape)), (other.unit, tuple(other.total.shape))
        if mine != its:
            raise ValueError(f"FixedPoint.merge: expected unit and shape {mine}, found {its}")
        self._check(_largest(other.total))
        self.total += other.total
        self.count += other.count

    def _check(self, more: int) -> None:
        if _largest(self.total) + more > _GREATEST:
            raise ValueError(
                f"FixedPoint: sums could reach {_largest(self.total) + more} units of {self.unit}, beyond "
                "int64; give a larger unit"
            )

    @property
    def value(self) -> torch.Tensor:
        """The sums, float64: total * unit, rounded once."""
        return self.total.double() * self.unit

    @property
    def mean(self) -> torch.Tensor:
        """value / count, float64. ValueError where nothing was added."""
        if self.count == 0:
            raise ValueError("FixedPoint.mean: nothing was added")
        return self.value / self.count

    def state(self) -> dict[str, Any]:
        """Plain values that load() takes back."""
        return {"unit": self.unit, "total": self.total.clone(), "count": self.count}

    def load(self, state: dict[str, Any]) -> FixedPoint:
        """Takes over state(); ValueError where it has another unit or shape."""
        made = FixedPoint(state["unit"], state["total"].shape)
        made.total, made.count = state["total"].clone(), state["count"]
        empty = FixedPoint(self.unit, self.total.shape)
        empty.merge(made)
        self.total, self.count = empty.total, empty.count
        return self


def _largest(total: torch.Tensor) -> int:
    """The greatest magnitude, as a Python integer: that of -2^63 has no int64."""
    if total.numel() == 0:
        return 0
    low, high = torch.aminmax(total)
    return max(-int(low), int(high))
