"""Multiply-accumulates of a float layer: what a convolution or a linear layer costs on any machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from .modules.mean_linear import MeanLinear


def macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image with an output of `shape` (c, h, w): outputs times the taps of each,
    those of the picture for which it was captured where a layer reads the mean of one.

    >>> macs(nn.Conv2d(3, 8, 3), (8, 10, 10))
    21600
    """
    weight: torch.Tensor | None = getattr(module, "weight", None)
    if isinstance(module, nn.ConvTranspose2d):  # each weight meets every pixel of the input once
        m = zip(shape[1:], module.padding, module.dilation, module.kernel_size, module.output_padding,
                module.stride, strict=True)  # fmt: skip
        return weight.numel() * math.prod(
            (y + 2 * p - d * (k - 1) - o - 1) // s + 1 for y, p, d, k, o, s in m
        )
    if not isinstance(module, (nn.Conv2d, nn.Linear)):
        return 0
    return math.prod(shape) * weight[0].numel() * (module.cells if isinstance(module, MeanLinear) else 1)
