"""A model that is captured: traced once, and read as steps for inputs of one size or another."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from .graph import Reader
from .roads import Trace, trace
from .shapes import shapes_at, shapes_at_example
from .steps import Captured
from .structure import Structure


class Source:
    """A traced model, which can be read for inputs of other heights and widths too.

    Copies share it, and a pickle does not hold it: torch's graphs cannot travel.
    """

    def __init__(self, model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any]):
        given = (tuple(args), dict(kwargs))
        self.takes = Structure.of(given)
        self.names = _input_names(model, self.takes)
        self._model, self._examples = model, self.takes.leaves(given)
        self.trace = trace(model, self.takes, self._examples)
        self._of_any_size: Trace | None = None if self.trace.sizes.fixed else self.trace

    def read(self, shapes: Sequence[tuple[int, ...]] | None = None) -> Captured:
        """The steps for inputs of these shapes (n, ...), n of no matter; by default the example's.

        ValueError where the network does not take them, or was captured for other ones only.
        """
        if shapes is None:
            return Reader(self.trace, shapes_at_example(self.trace), self.takes, self.names).read()
        if self._of_any_size is None:
            self._of_any_size = trace(self._model, self.takes, self._examples, any_size=True)
        found = self._of_any_size
        found.sizes.check(shapes)
        images = found.sizes.examples[0][0]
        propagated = shapes_at(found, [(images, *shape[1:]) for shape in shapes])
        return Reader(found, propagated, self.takes, self.names).read()

    def __deepcopy__(self, memo: dict[int, Any]) -> Source:
        return self


def capture(model: nn.Module, *args: Any, **kwargs: Any) -> Captured:
    """What `model(*args, **kwargs)` computes in eval mode; the model is only read.

    The tensors in `args` and `kwargs` are float32 batches (n, ...) of one n. ValueError, with the reason
    and the line, where no road leads to a graph (capture/roads.py).
    """
    return Source(model, args, kwargs).read()


def _input_names(model: nn.Module, takes: Structure) -> list[str]:
    """x, or x and mask: the parameters of the model's forward, with the keys inside them."""
    args, kwargs = takes.children
    names = list(inspect.signature(model.forward).parameters)[: len(args.children)]
    names += [f"x{i}" for i in range(len(names), len(args.children))] + list(kwargs.keys)
    parts = zip(names, (*args.children, *kwargs.children), strict=True)
    return [inner for name, child in parts for inner in child.names(name)]
