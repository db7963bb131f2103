"""Observer: what every method of choosing a range shares - it sees tensors, merges, and is saved."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import torch

from ..codes import check_num_bits
from .statistics import ALL, Seen, Statistics

Range = tuple[float, float] | tuple[np.ndarray, np.ndarray]


class Observer:
    """Gathers exact statistics of the float32 tensors that it sees and chooses a range from them.

    Per tensor, or, with `axis`, for each index of that axis. The statistics are integers (and exact
    extremes), so that the range is the same for any order of the tensors, any split of their images, and any
    tree of merges of observers that saw parts of them. One subclass a method; `name` is its name. Methods
    that count gather everything, so that `as_` gives any other method's observer without a second pass.

    >>> from icepoint.observers import Percentile
    >>> seen = Percentile(90.0)
    >>> seen.update(torch.arange(-50.0, 51.0)); seen.range()
    (-45.0, 45.015625)
    >>> seen.as_("min_max").range()
    (-50.0, 50.0)
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = ALL  # what of the statistics range() reads
    gathers: ClassVar[frozenset[str]] = ALL

    def __init__(self, axis: int | None = None):
        self.statistics = Statistics(axis, self.gathers)
        self._ranges: dict[int, Range] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The method's own numbers, by the names that its constructor takes."""
        return {}

    @property
    def axis(self) -> int | None:
        return self.statistics.axis

    def update(self, x: torch.Tensor) -> None:
        """Takes in a float32 tensor, whose axis 0 are images. ValueError for another dtype, no data, NaN or
        infinity, or another number of channels than before; the observer is then as it was."""
        self.add(self.look(x))

    def look(self, x: torch.Tensor) -> Seen:
        """update's first half, that checks `x` and changes nothing; its result goes to add()."""
        return self.statistics.look(x)

    def add(self, seen: Seen) -> None:
        """update's second half, that does not fail."""
        self._ranges.clear()
        self.statistics.add(seen)

    def extremes_with(self, seen: Seen) -> tuple[float, float]:
        """The least and the greatest value of all channels, once add(seen) has been called."""
        parts = [
            (seen.low, seen.high),
            *([] if self.is_empty else [(self.statistics.low, self.statistics.high)]),
        ]
        return float(min(low.min() for low, _ in parts)), float(max(high.max() for _, high in parts))

    @property
    def is_empty(self) -> bool:
        """Whether it has seen nothing, and has no range."""
        return self.statistics.low is None

    def merge(self, other: Observer) -> None:
        """Takes in all that `other` has seen, which stays as it is. ValueError for another method, other
        parameters or another axis."""
        mine, its = (self.name, self.parameters), (other.name, other.parameters)
        if mine != its:
            raise ValueError(f"merge: expected an observer {mine}, found {its}")
        self._ranges.clear()
        self.statistics.merge(other.statistics)

    def range(self, num_bits: int = 8) -> Range:
        """(low, high), low <= 0 <= high, for codes of num_bits (2..8): floats; with an axis float64 (rows,).

        ValueError before the first tensor.
        """
        bits = check_num_bits(num_bits, "range.num_bits")
        if self.is_empty:
            raise ValueError("calibrate first: this observer has seen no data")
        if bits not in self._ranges:
            low, high = self._choose(bits)
            low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
            self._ranges[bits] = (low, high) if self.axis is not None else (float(low[0]), float(high[0]))
        return self._ranges[bits]

    def _choose(self, num_bits: int) -> tuple[np.ndarray, np.ndarray]:
        """low, high (rows,), which range() widens to hold 0."""
        raise NotImplementedError

    def fresh(self) -> Observer:
        """One of the same method, parameters and axis that has seen nothing."""
        return type(self)(axis=self.axis, **self.parameters)

    def for_outputs(self) -> Observer:
        """What observes a network's outputs where this method observes the rest: it has seen nothing.

        Their extremes, since the greatest logit is the answer, and logits that are clipped are equal.
        """
        from .extremes import MinMax

        return MinMax(self.axis, gather_all=self.gathers == ALL)

    def as_(self, method: str | Observer) -> Observer:
        """Another method's observer, by its name or an example of it, of the same statistics (a copy).

        ValueError where they do not hold what the method needs: those of min_max are extremes alone.
        """
        from . import make

        made = make(method, self.axis)
        if not made.needs <= self.statistics.gathers:
            raise ValueError(
                f"as_: {made.name} needs {', '.join(sorted(made.needs))}, and a {self.name} observer gathers "
                f"{', '.join(sorted(self.statistics.gathers))}: observe with {made.name}"
            )
        made.statistics = copy.deepcopy(self.statistics)
        return made

    def state(self) -> dict[str, Any]:
        """Plain numbers, lists and tensors that load() takes back."""
        return {
            "method": self.name,
            "parameters": dict(self.parameters),
            "statistics": self.statistics.state(),
        }

    def load(self, state: dict[str, Any]) -> Observer:
        """Takes over state(); ValueError where it is of another method or has other parameters."""
        found, mine = (state["method"], state["parameters"]), (self.name, self.parameters)
        if found != mine:
            raise ValueError(f"expected the state of an observer {mine}, found {found}")
        self.statistics, self._ranges = Statistics.of(state["statistics"]), {}
        return self

    def __repr__(self) -> str:
        named = self.parameters | ({} if self.axis is None else {"axis": self.axis})
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in named.items())})"
