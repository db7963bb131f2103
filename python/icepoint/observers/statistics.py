"""What observers gather of the tensors that they see: integers, which merge exactly in any order."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .. import _C
from .histogram import Histogram

#: Bins on each side of zero: the greatest value lies in the upper half of its side, so the width is between
#: 1/2048 and 1/4096 of it, an eighth to a sixteenth of a step of 8 bits. Channels have fewer: there are many.
SIDE, SIDE_OF_CHANNELS = 4096, 512

EXTREMES, IMAGES, COUNTS = "extremes", "images", "counts"
ALL = frozenset((EXTREMES, IMAGES, COUNTS))


@dataclass(frozen=True)
class Seen:
    """A tensor at the door: values (images, channels, size), and (images, channels) extremes of each."""

    values: np.ndarray | None
    low: np.ndarray
    high: np.ndarray


class Statistics:
    """Exact statistics of float32 tensors, one row for each index of `axis`, or one row where it is None.

    `low`, `high` (rows,) are the least and greatest value, as float64, None before the first. With "images"
    in `gathers` there are the sums over images (indices of axis 0; one image where axis is 0) of each
    image's least and greatest, as integers of 2^-149, of which every float32 is a multiple; with "counts"
    a Histogram. All of them are functions of the multiset of images alone.
    """

    def __init__(self, axis: int | None = None, gathers: frozenset[str] = ALL):
        self.axis, self.gathers = axis, frozenset(gathers)
        self.low: np.ndarray | None = None
        self.high: np.ndarray | None = None
        self.images = 0
        self.low_sums: list[int] = []
        self.high_sums: list[int] = []
        self.histogram: Histogram | None = None

    def look(self, x: torch.Tensor) -> Seen:
        """Checks a tensor and takes its extremes; changes nothing. ValueError for another dtype than float32,
        no data, NaN or infinity, and another number of channels than before."""
        check_values(x)
        x = x.detach()
        values = None
        with _C.FloatEnv():  # denormals as zeros would not be the values that are counted
            if self.axis is None and self.gathers == {EXTREMES}:
                low, high = (v.cpu().double().numpy().reshape(1, 1) for v in torch.aminmax(x))
            else:
                values = laid_out(x, self.axis)
                low, high = (v.astype(np.float64) + 0.0 for v in _C.extremes(values))  # + 0.0: no -0
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            bad = int((~torch.isfinite(x)).sum())
            raise ValueError(f"expected finite values, found NaN or infinity in {bad} of {x.numel()}")
        if self.low is not None and len(self.low) != low.shape[1]:
            raise ValueError(
                f"expected {len(self.low)} channels along axis {self.axis}, as before, "
                f"found shape {tuple(x.shape)}"
            )
        return Seen(values, low, high)

    def add(self, seen: Seen) -> None:
        """Takes in what look() found."""
        self._widen(seen.low.min(0), seen.high.max(0))
        if IMAGES in self.gathers:
            self._add_images(len(seen.low), _integers(seen.low), _integers(seen.high))
        if COUNTS in self.gathers:
            if self.histogram is None:
                rows = seen.low.shape[1]
                self.histogram = Histogram(rows, SIDE if self.axis is None else SIDE_OF_CHANNELS)
            self.histogram.add(seen.values, seen.low.min(0), seen.high.max(0))

    def merge(self, other: Statistics) -> None:
        """Adds what `other`, which saw other tensors, has gathered; it stays as it is."""
        for field in ("axis", "gathers"):
            mine, its = getattr(self, field), getattr(other, field)
            if mine != its:
                raise ValueError(f"merge: expected statistics with {field} {mine}, found {its}")
        if other.low is None or other.high is None:
            return
        if self.low is None:
            vars(self).update(copy.deepcopy(vars(other)))
            return
        if len(self.low) != len(other.low):
            raise ValueError(f"merge: expected {len(self.low)} channels, found {len(other.low)}")
        self._widen(other.low, other.high)
        self._add_images(other.images, other.low_sums, other.high_sums)
        if self.histogram is not None and other.histogram is not None:
            self.histogram.merge(other.histogram)

    def _widen(self, low: np.ndarray, high: np.ndarray) -> None:
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)

    def _add_images(self, count: int, low: list[int], high: list[int]) -> None:
        self.images += count
        self.low_sums = [a + b for a, b in zip(self.low_sums or [0] * len(low), low, strict=True)]
        self.high_sums = [a + b for a, b in zip(self.high_sums or [0] * len(high), high, strict=True)]

    def state(self) -> dict[str, Any]:
        """Numbers, lists and tensors; load() of it gives equal statistics."""
        return {
            "axis": self.axis,
            "gathers": sorted(self.gathers),
            "low": None if self.low is None else self.low.tolist(),
            "high": None if self.high is None else self.high.tolist(),
            "images": self.images,
            "low_sums": list(self.low_sums),
            "high_sums": list(self.high_sums),
            "histogram": None if self.histogram is None else self.histogram.state(),
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Statistics:
        """The statistics of a state()."""
        made = cls(state["axis"], frozenset(state["gathers"]))
        made.low, made.high = (None if state[k] is None else np.array(state[k]) for k in ("low", "high"))
        made.images = state["images"]
        made.low_sums, made.high_sums = list(state["low_sums"]), list(state["high_sums"])
        made.histogram = None if state["histogram"] is None else Histogram.of(state["histogram"])
        return made


def check_values(x: Any) -> None:
    """ValueError unless x is a dense float32 tensor with elements."""
    if not isinstance(x, torch.Tensor) or x.dtype != torch.float32:
        found = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(f"expected a float32 tensor, found {found}")
    if x.layout != torch.strided or x.is_meta:
        raise ValueError(f"expected a dense tensor with data, found {x.layout} on {x.device}")
    if x.numel() == 0:
        raise ValueError(f"expected data, found an empty tensor of shape {tuple(x.shape)}")


def laid_out(x: torch.Tensor, axis: int | None) -> np.ndarray:
    """x as (images, channels, size); without an axis of channels its elements stay as they lie in memory."""
    x = x.cpu()
    if x.dim() == 0:
        x = x.reshape(1)
    if axis is None:
        inner = sorted(range(1, x.dim()), key=x.stride, reverse=True)  # channels_last needs no copy
        return x.permute(0, *inner).reshape(len(x), 1, -1).numpy()
    if not -x.dim() <= axis < x.dim():
        raise ValueError(f"expected a tensor with axis {axis}, found shape {tuple(x.shape)}")
    axis %= x.dim()
    if axis == 0:
        return x.reshape(1, len(x), -1).numpy()
    return x.movedim(axis, 1).reshape(len(x), x.shape[axis], -1).numpy()


def _integers(values: np.ndarray) -> list[int]:
    """For each column of (images, rows) the sum in units of 2^-149: exact, as doubles reach 2^1023."""
    return [sum(map(int, column)) for column in np.ldexp(values, 149).T.tolist()]
