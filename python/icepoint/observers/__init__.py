"""Observers: six ways of choosing the range of a tensor from exact, mergeable statistics.

docs/observers.md compares them. A method is named by its string, or by an example of it with parameters of
its own: `Percentile(99.9)`.
"""

from __future__ import annotations

from typing import Any

from .base import Observer
from .entropy import Entropy
from .extremes import MinMax, MovingAverage
from .files import load, save
from .mse import Mse
from .percentile import Percentile
from .pixels import Pixels
from .statistics import Statistics

METHODS: dict[str, type[Observer]] = {
    method.name: method for method in (MinMax, MovingAverage, Percentile, Mse, Entropy, Pixels)
}


def make(method: str | Observer = "min_max", axis: int | None = None) -> Observer:
    """A new observer that has seen nothing, of a method's name or of an example of it.

    `axis` is that of channels, None per tensor. ValueError for another name.

    >>> make("mse"), make(Percentile(99.9))
    (Mse(), Percentile(percentile=99.9))
    """
    if isinstance(method, Observer):
        return type(method)(**{"axis": axis, **method.parameters})
    if method not in METHODS:
        raise ValueError(f"observer: expected one of {', '.join(METHODS)}, found {method!r}")
    return METHODS[method](axis=axis)


def of_state(state: dict[str, Any]) -> Observer:
    """The observer that gave a state()."""
    return METHODS[state["method"]](**state["parameters"]).load(state)


__all__ = [
    "METHODS",
    "Entropy",
    "MinMax",
    "MovingAverage",
    "Mse",
    "Observer",
    "Percentile",
    "Pixels",
    "Statistics",
    "load",
    "make",
    "of_state",
    "save",
]
