"""Convolutions, their transposes, linear layers and BatchNorm, around the model's own parameters."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..images import on_image
from ..steps import Unsupported
from .common import Arguments, Built, Shape, flat, flat_pair, own, pair, shell, view, words, x_of


class _Settled(nn.Module):
    """Stays in eval mode, in which the graph was captured, whatever train() its owner calls: its running
    statistics are the float model's own tensors, and a forward in train mode would move them."""

    def train(self, _mode: bool = True) -> nn.Module:
        return super().train(False)


class SettledBatchNorm1d(_Settled, nn.BatchNorm1d):
    """Of (n, c)."""


class SettledBatchNorm2d(_Settled, nn.BatchNorm2d):
    """Of (n, c, h, w)."""


def conv2d(a: Arguments, _shape: Shape) -> Built:
    weight, bias, padding = own(a["weight"], "weight"), a["bias"], a["padding"]
    return [shell(
        lambda: nn.Conv2d(
            weight.shape[1] * a["groups"], weight.shape[0], tuple(weight.shape[2:]), pair(a["stride"]),
            padding if isinstance(padding, str) else pair(padding),
            pair(a["dilation"]), a["groups"], bias is not None,
        ),
        weight=weight, bias=bias,
    )]  # fmt: skip


def conv1d(a: Arguments, shape: Shape) -> Built:
    return on_image(*conv2d(_on_height_1(a), shape))


def conv_transpose2d(a: Arguments, _shape: Shape) -> Built:
    weight, bias = own(a["weight"], "weight"), a["bias"]
    return [shell(
        lambda: nn.ConvTranspose2d(
            weight.shape[0], weight.shape[1] * a["groups"], tuple(weight.shape[2:]), pair(a["stride"]),
            pair(a["padding"]), pair(a["output_padding"]), a["groups"], bias is not None, pair(a["dilation"]),
        ),
        weight=weight, bias=bias,
    )]  # fmt: skip


def conv_transpose1d(a: Arguments, shape: Shape) -> Built:
    return on_image(*conv_transpose2d(_on_height_1(a), shape))


def _on_height_1(a: Arguments) -> Arguments:
    """The arguments of a one-dimensional convolution for images of height 1."""
    flattened: dict[str, Any] = {"weight": flat(own(a["weight"], "weight"), 2)}
    for name, height in (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0)):
        if name in a:
            flattened[name] = a[name] if isinstance(a[name], str) else flat_pair(a[name], height)
    return {**a, **flattened}


def linear(a: Arguments, shape: Shape) -> Built:
    weight, bias = own(a["weight"], "weight"), a["bias"]
    return _linear(x_of(a).shape, shape, weight, bias)


def matmul(a: Arguments, shape: Shape) -> Built:
    """A product with a constant matrix (in, out) from the right."""
    weight = own(a["other"], "second matrix")
    if weight.dim() != 2:
        raise Unsupported(f"it multiplies by a constant of rank {weight.dim()}; a matrix is supported")
    return _linear(x_of(a).shape, shape, weight.detach().t().contiguous(), None)


def _linear(before: Shape, after: Shape, weight: Any, bias: Any) -> Built:
    layer = shell(
        lambda: nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight=weight, bias=bias
    )
    if len(before) == 4:  # a file's linear layer takes (features) or (rows, features)
        rows = before[1] * before[2]
        narrow, wide = (len(before), rows, before[3]), (len(before), rows, after[3])
        return [view(before, narrow), layer, view(wide, after)]
    if len(before) not in (2, 3):
        raise Unsupported(f"it takes {words(before)}; 1 to 3 dimensions behind n are supported")
    return [layer]


def batch_norm(a: Arguments, shape: Shape) -> Built:
    if a["training"]:
        raise Unsupported(
            "it normalizes by the batch's own statistics; keep running ones (track_running_stats=True) "
            "and call eval() on the model"
        )
    if len(shape) not in (2, 3, 4):
        raise Unsupported(f"it normalizes {words(shape)}; 1 to 3 dimensions behind n are supported")
    kind = SettledBatchNorm1d if len(shape) == 2 else SettledBatchNorm2d
    norm = shell(
        lambda: kind(shape[1], a["eps"], a["momentum"], affine=a["weight"] is not None),
        weight=a["weight"], bias=a["bias"], running_mean=a["running_mean"], running_var=a["running_var"],
    )  # fmt: skip
    return on_image(norm) if len(shape) == 3 else [norm]
