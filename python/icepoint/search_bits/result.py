"""SearchResult: the bits that were found, the model made with them, and every model that was tried."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..frozen import FrozenModel
from ..quantized import QuantizedModel
from .evaluate import Point
from .metric import Budget
from .plan import SearchPlan, duration

_WIDTH = 110


@dataclass
class SearchResult:
    """What icepoint.search found. str() is a table; to_dict() has the numbers for JSON.

    `q` is the model of the found bits; `best` its point and `front` all points that were evaluated, by
    size. `met` tells whether the budget is kept: where even the most bits miss it, the best metric is
    returned. `stopped` says in words why the search ended early, "" where it ended by itself. `failed` says
    of each choice of bits that no integers can express why not: a layer's multiplier of 2^29 or more.
    """

    q: QuantizedModel
    best: Point
    front: list[Point]
    float_metric: float
    met: bool
    cost: str
    budget: Budget
    plan: SearchPlan
    seconds: float
    stopped: str = ""
    note: str = ""
    failed: list[str] = field(default_factory=list)

    @property
    def metric(self) -> float:
        """The metric of the integers on the images that judge."""
        return self.best.metric

    @property
    def drop(self) -> float:
        """How far it lies below float's; negative where it lies above."""
        return self.float_metric - self.metric

    @property
    def weight_bits(self) -> dict[str, int]:
        """Bits of each layer's weights, as icepoint.quantize takes them."""
        return dict(self.best.weight_bits)

    @property
    def activation_bits(self) -> dict[str, int]:
        """Bits of the input and of each layer's results, as icepoint.quantize takes them."""
        return dict(self.best.activation_bits)

    @property
    def bytes(self) -> int:
        """Of the file."""
        return self.best.bytes

    @property
    def milliseconds(self) -> float:
        """Of one image; see Point."""
        return self.best.milliseconds

    @property
    def most(self) -> Point:
        """The model with the most bits everywhere: what the others are compared with."""
        return next(p for p in self.front if p.found == MOST)

    def freeze(self, **options: Any) -> FrozenModel:
        """The frozen model of the found bits; `options` as q.freeze takes them."""
        return self.q.freeze(**options)

    def is_best_of(self, point: Point, by: str) -> bool:
        """Whether no other point has a better metric for less `by`, "bytes" or "milliseconds"."""
        mine = getattr(point, by)
        return not any(
            getattr(p, by) <= mine
            and p.metric >= point.metric
            and (getattr(p, by), p.metric) != (mine, point.metric)
            for p in self.front
        )

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draws accuracy against size and against time, as PNG, SVG or what matplotlib knows the ending of.

        Returns the path. ImportError, in words, without matplotlib.
        """
        from .plot import draw

        return draw(self, path)

    def summary(self) -> list[str]:
        """What was found, in a few sentences."""
        most = self.most
        found = []
        if not self.met:
            found.append(
                f"The budget is not met: {max([most.metric, self.metric]):.4f} is the best that was found; "
                'try recipe="max", more calibration data, or a greater max_drop'
            )
        found.append(
            f"{self.metric:.4f} of float's {self.float_metric:.4f}, a drop of {self.drop:+.4f}"
            f"{self._images(self.drop)}; asked for {self.budget}"
        )
        found.append(
            f"{self.bytes:,} bytes, {100 * self.bytes / most.bytes:.0f} % of the {most.bytes:,} with most "
            f"bits; {self.milliseconds:.3f} ms an image, {100 * self.milliseconds / most.milliseconds:.0f} %"
        )
        if self.cost == "bit_operations":
            found.append(
                f"{self.best.cost:,.0f} bit operations, {100 * self.best.cost / most.cost:.0f} % of the "
                f"{most.cost:,.0f} with most bits"
            )
        if self.note:
            found.append(self.note)
        found.append(f"{len(self.front)} models evaluated in {duration(self.seconds)}")
        if self.failed:
            found.append(f"{len(self.failed)} more could not be made, the first because {self.failed[0]}")
        if self.stopped:
            found.append(f"Stopped early: {self.stopped}; this is the best so far")
        return [f"{sentence}." for sentence in found]

    def _images(self, drop: float) -> str:
        if not self.budget.counts:
            return ""
        lost = round(drop * self.budget.images)
        return f" or {lost} image{'' if abs(lost) == 1 else 's'}"

    def __str__(self) -> str:
        out = Console(file=io.StringIO(), width=_WIDTH)
        out.print(_layers_table(self.best))
        out.print(_points_table(self))
        for sentence in self.summary():
            out.print(sentence, markup=False, highlight=False)
        return out.file.getvalue().rstrip()

    def __repr__(self) -> str:
        return f"<SearchResult: metric {self.metric:.4f}, {self.bytes:,} bytes, budget met: {self.met}>"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the found bits and numbers, and every point."""
        return {
            "met": self.met,
            "metric": self.metric,
            "float_metric": self.float_metric,
            "drop": self.drop,
            "max_drop": self.budget.max_drop,
            "images": self.budget.images,
            "cost": self.cost,
            "bytes": self.bytes,
            "milliseconds": self.milliseconds,
            "weight_bits": self.weight_bits,
            "activation_bits": self.activation_bits,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "failed": self.failed,
            "summary": self.summary(),
            "front": [p.to_dict() for p in self.front],
        }


MOST = "most bits"


def told_bits(bits: Sequence[int]) -> str:
    """One number for equal bits, else the range of them; "none" of a network without weights.

    >>> told_bits([8, 8]), told_bits([4, 8, 5]), told_bits([])
    ('8', '4..8', 'none')
    """
    if not bits:
        return "none"
    low, high = min(bits), max(bits)
    return f"{low}" if low == high else f"{low}..{high}"


def _layers_table(best: Point) -> Table:
    """Bits of each layer; results of layers without weights of their own stand in lines of their own."""
    table = Table(box=SIMPLE_HEAD)
    for title in ("layer", "bits of weights", "bits of results"):
        table.add_column(title, justify="left" if title == "layer" else "right", no_wrap=True)
    for name in dict.fromkeys([*best.activation_bits, *best.weight_bits]):
        cells = (str(bits.get(name, "")) for bits in (best.weight_bits, best.activation_bits))
        table.add_row(name, *cells)
    return table


def _points_table(result: SearchResult) -> Table:
    """The points that are best of their size, the uniform ones, and the found one."""
    table = Table(box=SIMPLE_HEAD)
    for i, title in enumerate(("model", "weights", "results", "metric", "drop", "bytes", "ms", "")):
        table.add_column(title, justify="right" if 2 < i < 7 else "left", no_wrap=True)
    for p in result.front:
        plain = p.found == MOST or p.found.startswith("uniform")
        if not (plain or p is result.best or result.is_best_of(p, "bytes")):
            continue
        mark = "found" if p is result.best else ("" if result.budget.met(p.metric) else "over the budget")
        table.add_row(
            p.found, told_bits([*p.weight_bits.values()]), told_bits([*p.activation_bits.values()]),
            f"{p.metric:.4f}", f"{result.float_metric - p.metric:+.4f}", f"{p.bytes:,}",
            f"{p.milliseconds:.3f}", mark,
        )  # fmt: skip
    return table
