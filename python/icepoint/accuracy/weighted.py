"""The weights of a float layer, output channels first, and the same layer around other ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..capture.builders.common import shell
from ..modules.conv_transpose import swapped


def weights_of(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor | None]:
    """float32 weight (oc, ic / groups, ...) and bias (oc,) of a convolution, its transpose or a linear layer.

    >>> weights_of(nn.ConvTranspose2d(6, 4, 3, groups=2))[0].shape
    torch.Size([4, 3, 3, 3])
    """
    weight = module.weight.detach()
    if isinstance(module, nn.ConvTranspose2d):
        weight = swapped(weight, module.groups)
    return weight, None if module.bias is None else module.bias.detach()


def with_weights(module: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Module:
    """A new layer that does what `module` does with another weight (oc, ic / groups, ...) and bias."""
    if isinstance(module, nn.ConvTranspose2d):
        weight = swapped(weight, module.groups)
    tensors: dict[str, Any] = {"weight": weight.contiguous(), "bias": bias}
    return shell(lambda: _like(module, bias is not None), **tensors)


def _like(m: nn.Module, bias: bool) -> nn.Module:
    if isinstance(m, nn.Linear):
        return nn.Linear(m.in_features, m.out_features, bias)
    if isinstance(m, nn.ConvTranspose2d):
        return nn.ConvTranspose2d(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.output_padding, m.groups,
            bias, m.dilation,
        )  # fmt: skip
    return nn.Conv2d(
        m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation, m.groups, bias,
        m.padding_mode,
    )  # fmt: skip
