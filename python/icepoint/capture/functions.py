"""Functions of one number, as modules: each runs on float32 tensors, and in double for its table."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..modules.function import Slopes
from .operators import Add, Affine, Clamp, Div, Mul
from .steps import Step


class Function(nn.Module):
    """f(x) element by element; `name` is for people. `f` takes any shape, in float32 and float64."""

    def __init__(self, name: str, f: nn.Module):
        super().__init__()
        self.name, self.f = name, f

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.f(x)


class Aten(nn.Module):
    """torch.ops.aten.<name>(x, **arguments): the operator as it was captured."""

    def __init__(self, name: str, arguments: dict[str, Any]):
        super().__init__()
        self.name, self.arguments = name, arguments

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(torch.ops.aten, self.name)(x, **self.arguments)

    def extra_repr(self) -> str:
        return f"{self.name}, {self.arguments}"


class PowerOf(nn.Module):
    """base ** x."""

    def __init__(self, base: float):
        super().__init__()
        self.base = base

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.pow(self.base, x)


class Joined(nn.Module):
    """operation(f(x), g(x)): x * sigmoid(x), written by hand."""

    def __init__(self, operation: nn.Module, f: nn.Module, g: nn.Module):
        super().__init__()
        self.operation, self.f, self.g = operation, f, g

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.operation(self.f(x), self.g(x))


def channels_of(f: nn.Module) -> int | None:
    """The number of channels, where they have functions of their own; else None."""
    counts = [m.slope.numel() for m in f.modules() if isinstance(m, Slopes) and m.slope.numel() > 1]
    return counts[0] if counts else None


def is_function(module: nn.Module) -> bool:
    """Whether a module maps every element by itself."""
    if isinstance(module, Affine):
        return not module.per_channel
    return isinstance(module, (Function, nn.ReLU, nn.ReLU6, Clamp))


def join_functions(steps: list[Step]) -> list[Step]:
    """Steps in which a sum, product or quotient of two functions of one value is one function of it.

    Hand-written activations, as x * relu6(x + 3) / 6 or x / (1 + abs(x)), become a single table.
    """
    made: dict[int, Step] = {}
    found = []
    for step in steps:
        if isinstance(step.module, (Add, Mul, Div)):
            step = _joined(step, made) or step
        made[step.output] = step
        found.append(step)
    return found


def _joined(step: Step, made: dict[int, Step]) -> Step | None:
    paths = [_path(value, made) for value in step.inputs]
    common = [value for value in paths[0] if value in paths[1]]
    if not common:
        return None
    f, g = (_composed(path[: path.index(common[0])], made) for path in paths)
    function = Function(step.kind, Joined(step.module, f, g))
    return Step(step.kind, step.name, step.line, function, [common[0]], step.output)


def _path(value: int, made: dict[int, Step]) -> list[int]:
    """The value, what it is a function of, what that is a function of, and so on."""
    path = [value]
    while path[-1] in made and is_function(made[path[-1]].module):
        path.append(made[path[-1]].inputs[0])
    return path


def _composed(values: list[int], made: dict[int, Step]) -> nn.Module:
    """The function that leads to values[0], which the last one of them begins."""
    modules = [made[value].module for value in reversed(values)]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)
