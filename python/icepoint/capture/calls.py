"""ATen operators that stay float: called as they were captured, and able to travel in a pickle."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from .sizes import Size
from .steps import Batch, Input


class Operator:
    """An operator of torch's, or operator.getitem; torch's own objects cannot be pickled or copied."""

    def __init__(self, target: Callable[..., Any]):
        self.target = target

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        return self.target(*args, **named)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.target is operator.getitem:
            return Operator, (operator.getitem,)
        return _of_name, (self.target._schema.name, self.target._overloadname)

    def __deepcopy__(self, memo: dict[int, Any]) -> Operator:
        return self

    def __str__(self) -> str:
        return str(getattr(self.target, "__name__", self.target))


def _of_name(name: str, overload: str) -> Operator:
    namespace, short = name.split("::")
    return Operator(getattr(getattr(getattr(torch.ops, namespace), short), overload))


class Constant:
    """Stands for a tensor of the module's own: a parameter of the model's, or a constant."""

    def __init__(self, name: str):
        self.name = name


class FloatCall(nn.Module):
    """An operator that has no integer form here, called with the arguments that it was captured with.

    Its tensors are parameters and buffers of this module, shared with the model's.
    """

    def __init__(self, target: Callable[..., Any], arguments: dict[str, Any] | list[Any]):
        super().__init__()
        self.operator = Operator(target)
        self.arguments = self._kept(arguments)

    def _kept(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            name = f"constant_{len(self._parameters) + len(self._buffers)}"
            if isinstance(value, nn.Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)
            return Constant(name)
        return _mapped(value, self._kept)

    def forward(self, *xs: Any) -> Any:
        def filled(value: Any) -> Any:
            if isinstance(value, (Input, Size)):
                return xs[value.index]
            if isinstance(value, Batch):
                return len(xs[0])
            if isinstance(value, Constant):
                return getattr(self, value.name)
            return _mapped(value, filled)

        arguments = filled(self.arguments)
        if isinstance(arguments, list):
            return self.operator(*arguments)
        return self.operator(**arguments)

    def extra_repr(self) -> str:
        return str(self.operator)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(change(item) for item in value)
    return value


def out_of_place(target: Any) -> Any:
    """silu of silu_: a value that others read is not written."""
    name = target._schema.name.split("::")[1]
    packet = getattr(torch.ops.aten, name.rstrip("_"), None) if name.endswith("_") else None
    return getattr(packet, target._overloadname, target) if packet is not None else target


def fold(target: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The result of an operator on constants alone, which stay as they are."""
    with torch.no_grad():
        return target(*_copied(list(args)), **_copied(dict(kwargs)))


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else _mapped(value, _copied)
