"""What a captured graph is made of: steps, the values between them, float modules for what has no class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Input:
    """Stands in an operator's arguments for its `index`-th tensor that is computed; `shape` has the batch."""

    index: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Stands for the number of images, in a shape that an operator is called with."""


@dataclass
class Step:
    """One float module of the graph; it shares the model's own parameters.

    `kind` is the operator's short name, `name` what a user calls the place ("features.0", or
    "layer1.0.add" for an operator in a module's own forward), `line` the user's source line.
    `inputs` are the numbers of the values that `module` takes, in order, `output` that of its result.
    """

    kind: str
    name: str
    line: str
    module: nn.Module
    inputs: list[int]
    output: int


@dataclass(frozen=True)
class Missing:
    """An operator without an integer form: what, where in the model, on which line, why, and what helps."""

    operator: str
    path: str
    line: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = self.path or "the model itself"
        return f"{self.operator} in {where} ({self.line}): {self.reason}; {self.remedy}"


@dataclass
class Captured:
    """A model as steps in an order in which they can run; value 0 is its input, named `input`.

    Only what reaches `outputs` is in it. FloatCall stands for what is `missing`; where even that cannot
    be, because a result is no batch, `broken` is set and the steps are not complete.
    """

    input: str
    steps: list[Step]
    outputs: list[int]
    missing: list[Missing]
    broken: bool


class Unsupported(ValueError):
    """Why an operator has no integer form here."""


class FloatCall(nn.Module):
    """An operator that has no integer form here, called as it was captured; `index` picks a result."""

    def __init__(self, target: Callable[..., Any], arguments: dict[str, Any], index: int | None = None):
        super().__init__()
        self.target, self.arguments, self.index = target, arguments, index

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        y = self.target(**_filled(self.arguments, xs))
        return y if self.index is None else y[self.index]

    def extra_repr(self) -> str:
        return str(self.target)


def _filled(value: Any, xs: Sequence[torch.Tensor]) -> Any:
    """`value` with each Input replaced by its tensor, and Batch by the number of images."""
    if isinstance(value, Input):
        return xs[value.index]
    if isinstance(value, Batch):
        return len(xs[0])
    if isinstance(value, dict):
        return {key: _filled(item, xs) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, xs) for item in value)
    return value
