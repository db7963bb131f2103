"""The plan of a search: what will be tried and how long it may take, told before it runs; and its clock."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


class OutOfTime(Exception):
    """The minutes, or the evaluations, that a search may take are used up."""


@dataclass(frozen=True)
class SearchPlan:
    """What a search is about to do. str() tells it in a few lines.

    `options` are the pairs (layer, fewer bits) that cost less and of which the noise is measured;
    `seconds_each` is what one evaluation took, quantizing, judging and timing together.
    """

    cost: str
    metric: str
    budget: str
    calibrating: str
    layers: int
    items: dict[str, int]
    options: int
    evaluations: int
    seconds_noise: float
    seconds_each: float
    minutes: float | None
    known: int

    @property
    def seconds(self) -> float:
        """The estimate for all of it; facts that a state file holds are not taken off."""
        return self.seconds_noise + self.evaluations * self.seconds_each

    def __str__(self) -> str:
        searched = " and ".join(f"{count} {kind}" for kind, count in self.items.items() if count) or "nothing"
        idle = [kind for kind, count in self.items.items() if not count]
        lines = [
            f"search     the least {self.cost.replace('_', ' ')}, with {self.metric} {self.budget}",
            f"data       {self.calibrating}",
            f"layers     {self.layers} with weights; searched: {searched} in {self.options} options",
        ]
        if idle:
            lines.append(
                f"           fewer bits of {' and '.join(idle)} save no {self.cost.replace('_', ' ')} here"
            )
        limit = "" if self.minutes is None else f", stopped after {self.minutes:g} min"
        lines.append(
            f"time       noise of the options {duration(self.seconds_noise)}, then up to {self.evaluations} "
            f"evaluations of {self.seconds_each:.1f} s: {duration(self.seconds)} at most{limit}"
        )
        if self.known:
            lines.append(f"state      {self.known} results are known already and not measured again")
        return "\n".join(lines)


def duration(seconds: float) -> str:
    """In words: seconds below two minutes, else minutes.

    >>> duration(42.3), duration(400)
    ('42 s', '7 min')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{math.ceil(seconds / 60)} min"


class Clock:
    """How long a search has run, and whether there is time for more."""

    def __init__(self, minutes: float | None):
        if minutes is not None and not (isinstance(minutes, (int, float)) and minutes > 0):
            raise ValueError(f"search.minutes: expected a number above 0, found {minutes!r}")
        self._start = time.monotonic()
        self._seconds = math.inf if minutes is None else 60.0 * minutes

    @property
    def spent(self) -> float:
        return time.monotonic() - self._start

    def check(self, needed: float = 0.0) -> None:
        """OutOfTime where `needed` seconds more would be too long."""
        if self.spent + needed > self._seconds:
            raise OutOfTime("out of time")
