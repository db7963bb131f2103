"""What the builders share: the types of their arguments, modules around existing tensors, shapes in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..rearrange import Rearrange
from ..steps import Input, Unsupported

Arguments = dict[str, Any]  # by the schema's names; Input stands for a tensor that is computed
Shape = tuple[int, ...]  # of the result, with the batch
Built = list[nn.Module]  # to run one behind the other; empty where the result is the input itself
Builder = Callable[[Arguments, Shape], Built]


def shell(make: Callable[[], nn.Module], **tensors: Any) -> nn.Module:
    """A module around existing tensors: parameters and buffers are shared, nothing is allocated."""
    for name, tensor in tensors.items():
        own(tensor, name)
    with torch.device("meta"):
        module = make()
    for name, tensor in tensors.items():
        kind = module._buffers if name in module._buffers else module._parameters
        # What is computed from parameters alone is no parameter itself.
        bare = kind is module._parameters and tensor is not None and not isinstance(tensor, nn.Parameter)
        kind[name] = nn.Parameter(tensor, requires_grad=False) if bare else tensor
    return module.eval()


def own(tensor: Any, name: str) -> Any:
    if isinstance(tensor, Input):
        raise Unsupported(f"its {name} is computed in forward; only the model's own parameters are followed")
    return tensor


def flat(parameter: torch.Tensor, axis: int) -> torch.Tensor:
    """A parameter with an axis of size 1 more, on the same memory: what trains it trains the model's."""
    view = parameter.detach().unsqueeze(axis)
    return nn.Parameter(view, parameter.requires_grad) if isinstance(parameter, nn.Parameter) else view


def x_of(a: Arguments) -> Input:
    """The tensor that an operator of one computed tensor takes."""
    inputs = [value for value in a.values() if isinstance(value, Input)]
    if len(inputs) != 1:
        raise Unsupported(f"it takes {len(inputs)} computed tensors; one is supported")
    return inputs[0]


def number(value: Any) -> float | None:
    """A Python number, or that of a constant tensor with one element; None for anything else."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    return float(value) if isinstance(value, (int, float)) else None


def view(before: Shape, after: Shape) -> Rearrange:
    """(n, ...) to (n, ...), both with the batch."""
    return Rearrange(before[1:], [("view", after[1:])])


def words(shape: Shape) -> str:
    return f"(n, {', '.join(map(str, shape[1:]))})" if shape else "()"


def pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def flat_pair(value: Any, height: int) -> tuple[int, int]:
    """The pair of an image of height 1 for an argument of a one-dimensional operator."""
    return height, value if isinstance(value, int) else next(iter(value))


def nothing(_a: Arguments, _shape: Shape) -> Built:
    """Dropout in eval mode, and what only copies."""
    return []
