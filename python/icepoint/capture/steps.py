"""ATen operators as float modules: each supported operator of a captured graph becomes one Step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Arguments = dict[str, Any]


@dataclass
class Step:
    """One layer of a chain: a float module that shares the model's own parameters.

    `kind` is the operator's short name, `path` the module that called it ("features.0", "" for the
    model itself), `line` the user's source line.
    """

    kind: str
    module: nn.Module
    path: str
    line: str


class Reshape(nn.Module):
    """(n, ...) to (n, *shape), in the logical order."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class FloatCall(nn.Module):
    """An operator that has no integer form here, called as it was captured."""

    def __init__(self, target: Callable[..., torch.Tensor], arguments: Arguments, x_name: str):
        super().__init__()
        self.target, self.arguments, self.x_name = target, arguments, x_name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.target(**{**self.arguments, self.x_name: x})

    def extra_repr(self) -> str:
        return str(self.target)


class Unsupported(ValueError):
    """Why an operator has no integer form here."""


def _shell(make: Callable[[], nn.Module], **tensors: torch.Tensor | None) -> nn.Module:
    """A module around existing tensors: parameters and buffers are shared, nothing is allocated."""
    with torch.device("meta"):
        module = make()
    for name, tensor in tensors.items():
        if tensor is not None and not isinstance(tensor, torch.Tensor):
            raise Unsupported(
                f"its {name} is computed in forward; only the model's own parameters are followed"
            )
        if name in module._buffers:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = tensor
    return module.eval()


def conv2d(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    weight, bias = a["weight"], a["bias"]
    if not isinstance(weight, torch.Tensor):
        raise Unsupported("its weight is computed in forward; only the model's own parameters are followed")
    out_channels, in_channels = weight.shape[0], weight.shape[1] * a["groups"]
    return _shell(
        lambda: nn.Conv2d(
            in_channels, out_channels, tuple(weight.shape[2:]), _pair(a["stride"]),
            a["padding"] if isinstance(a["padding"], str) else _pair(a["padding"]),
            _pair(a["dilation"]), a["groups"], bias is not None,
        ),
        weight=weight, bias=bias,
    )  # fmt: skip


def linear(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    weight, bias = a["weight"], a["bias"]
    if not isinstance(weight, torch.Tensor):
        raise Unsupported("its weight is computed in forward; only the model's own parameters are followed")
    return _shell(
        lambda: nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight=weight, bias=bias
    )


def batch_norm(a: Arguments, shape: tuple[int, ...]) -> nn.Module:
    if a["training"]:
        raise Unsupported("it normalizes by the batch's own statistics; call eval() on the model first")
    if len(shape) != 4:
        raise Unsupported(f"it normalizes a tensor of rank {len(shape)}; integers have (n, c, h, w) only")
    affine = a["weight"] is not None
    return _shell(
        lambda: nn.BatchNorm2d(shape[1], a["eps"], affine=affine),
        weight=a["weight"], bias=a["bias"], running_mean=a["running_mean"], running_var=a["running_var"],
    )  # fmt: skip


def relu(_a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    return nn.ReLU()


def relu6(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    if (a.get("min_val", 0.0), a.get("max_val", 6.0)) != (0.0, 6.0):
        raise Unsupported(f"it clamps to {a['min_val']}..{a['max_val']}; ReLU and ReLU6 are supported")
    return nn.ReLU6()


def sigmoid(_a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    return nn.Sigmoid()


def max_pool2d(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    stride = a["stride"] or a["kernel_size"]
    return nn.MaxPool2d(
        _pair(a["kernel_size"]),
        _pair(stride),
        _pair(a["padding"]),
        _pair(a["dilation"]),
        ceil_mode=a["ceil_mode"],
    )


def avg_pool2d(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    return nn.AvgPool2d(
        _pair(a["kernel_size"]), _pair(a["stride"] or a["kernel_size"]), _pair(a["padding"]),
        a["ceil_mode"], a["count_include_pad"], a["divisor_override"],
    )  # fmt: skip


def adaptive_avg_pool2d(a: Arguments, _shape: tuple[int, ...]) -> nn.Module:
    return nn.AdaptiveAvgPool2d(_pair(a["output_size"]))


def reshape(_a: Arguments, shape: tuple[int, ...]) -> nn.Module:
    if not 2 <= len(shape) <= 4:
        raise Unsupported(f"it makes the shape {shape}; integers have 1 to 3 dimensions behind n")
    return Reshape(shape[1:])


def nothing(_a: Arguments, _shape: tuple[int, ...]) -> None:
    """Dropout in eval mode, and what only copies."""
    return None


def _pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


#: The short name and the builder of every supported operator: builder(arguments, result's shape).
BUILDERS: dict[str, Callable[[Arguments, tuple[int, ...]], nn.Module | None]] = {
    "conv2d": conv2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "relu": relu,
    "relu6": relu6,
    "hardtanh": relu6,
    "sigmoid": sigmoid,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "flatten": reshape,
    "view": reshape,
    "reshape": reshape,
    "_unsafe_view": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
    "dropout": nothing,
    "feature_dropout": nothing,
    "contiguous": nothing,
    "clone": nothing,
    "detach": nothing,
    "alias": nothing,
}
