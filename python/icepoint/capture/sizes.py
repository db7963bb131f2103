"""Sizes that follow the model's inputs: how to compute them, and which lines or layers fix them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
import torch


class Size(int):
    """A size that follows the inputs: the number that it has now.

    `index` is the place of the value that holds it among those that the operator takes.
    """

    index: int = -1


@dataclass(frozen=True)
class Rule:
    """What must hold of the inputs' sizes, and the line or layer that says so."""

    holds: Any  # a relation of sympy's
    where: str


@dataclass
class Sizes:
    """The sizes of a graph as expressions of the inputs' symbols.

    `symbols`: a symbol -> the input and the dimension that it stands for. `expressions`: the number of
    a value -> what it is. A height or width without a symbol that is not `fixed` is read by nobody:
    whether it may be another one, the layers tell.
    """

    examples: list[tuple[int, ...]]
    symbols: dict[Any, tuple[int, int]] = field(default_factory=dict)
    expressions: dict[int, Any] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    #: Input and dimension -> why it has the example's size and no other.
    fixed: dict[tuple[int, int], str] = field(default_factory=dict)

    def at(self, expression: Any, shapes: Sequence[Sequence[int]]) -> int:
        """An expression's number for inputs of these shapes."""
        return int(expression.subs({s: shapes[i][d] for s, (i, d) in self.symbols.items()}))

    def fix(self, reason: str, but: Iterable[tuple[int, int]] = ()) -> None:
        """No height and width but the example's, except of the dimensions in `but`, which have symbols."""
        free = set(but)
        for i, example in enumerate(self.examples):
            self.fixed.update({(i, d): reason for d in range(2, len(example)) if (i, d) not in free})

    def check(self, shapes: Sequence[Sequence[int]]) -> None:
        """ValueError where the graph was not captured for inputs of these shapes, saying why."""
        for i, (shape, example) in enumerate(zip(shapes, self.examples, strict=True)):
            expected = f"expected shape {_words(example)}, found {tuple(shape)}"
            if tuple(shape) == tuple(example[1:]):
                expected += "; this is one image without a batch: a DataLoader makes batches of a data set"
            if len(shape) != len(example) or shape[1] != example[1]:
                raise ValueError(expected)
            for d, size in enumerate(example):
                if (i, d) in self.fixed and shape[d] != size:
                    raise ValueError(f"{expected}: {self.fixed[i, d]}")
        numbers = {symbol: shapes[i][d] for symbol, (i, d) in self.symbols.items()}
        for rule in self.rules:
            if rule.holds.subs(numbers) == sympy.false:
                raise ValueError(
                    f"expected shape {', '.join(map(_words, self.examples))}, found "
                    f"{', '.join(str(tuple(s)) for s in shapes)}: the network was captured for "
                    f"{self._rule(rule)} ({rule.where}); quantize it with an example of this size"
                )

    def values(self, inputs: Sequence[torch.Tensor]) -> dict[int, int]:
        """Every size that the steps read, for these inputs."""
        shapes = [x.shape for x in inputs]
        return {value: self.at(expression, shapes) for value, expression in self.expressions.items()}

    def _rule(self, rule: Rule) -> str:
        names = {s: sympy.Symbol(_dimension(i, d, len(self.examples))) for s, (i, d) in self.symbols.items()}
        return str(rule.holds.subs(names, simultaneous=True))


def symbols_of(inputs: Sequence[torch.Tensor]) -> dict[Any, tuple[int, int]]:
    """The symbols of fake inputs whose sizes are free; a symbol of several dimensions names the first."""
    found: dict[Any, tuple[int, int]] = {}
    for i, x in enumerate(inputs):
        for d, size in enumerate(x.shape):
            expression = expression_of(size)
            if isinstance(expression, sympy.Symbol):
                found.setdefault(expression, (i, d))
    return found


def expression_of(size: Any) -> Any | None:
    """The expression of a symbolic size; None of an int and of what is no size."""
    if not isinstance(size, torch.SymInt):
        return None
    expression = size.node.expr
    return expression if expression.free_symbols else None


def known(expression: Any, symbols: Mapping[Any, Any]) -> bool:
    """Whether the inputs' sizes determine the expression: a size of nonzero(x) is not."""
    return all(symbol in symbols for symbol in expression.free_symbols)


def _words(example: Sequence[int]) -> str:
    return f"(n, {', '.join(map(str, example[1:]))})"


def _dimension(i: int, d: int, count: int) -> str:
    of = f"{i}" if count > 1 else ""
    return f"n{of}" if d == 0 else f"x{of}.shape[{d}]"
