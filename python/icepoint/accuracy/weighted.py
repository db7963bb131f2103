"""The weights of a float layer, output channels first, and the same layer around other ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..capture.builders.common import shell
from ..modules.conv_transpose import swapped
from ..modules.mean_linear import MeanLinear


def weights_of(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor | None]:
    """float32 weight (oc, ic / groups, ...) and bias (oc,) of a convolution, its transpose or a linear layer.

    >>> weights_of(nn.ConvTranspose2d(6, 4, 3, groups=2))[0].shape
    torch.Size([4, 3, 3, 3])
    """
    weight = module.weight.detach()
    if isinstance(module, nn.ConvTranspose2d):
        weight = swapped(weight, module.groups)
    return weight, None if module.bias is None else module.bias.detach()


def reads_pictures(module: nn.Module) -> bool:
    """Whether a layer with weights reads channels on axis 1 of (n, c, h, w), and not the last axis."""
    return not isinstance(module, nn.Linear) or isinstance(module, MeanLinear)


def with_weights(
    module: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None, groups: int | None = None
) -> nn.Module:
    """A new layer that does what `module` does with another weight (oc, ic / groups, ...) and bias.

    Channels are the weight's; `groups` those of `module` where None.
    """
    groups = groups or getattr(module, "groups", 1)
    tensors: dict[str, Any] = {"bias": bias}
    turned = swapped(weight, groups) if isinstance(module, nn.ConvTranspose2d) else weight
    tensors["weight"] = turned.contiguous()
    return shell(
        lambda: _like(module, len(weight), weight.shape[1] * groups, groups, bias is not None), **tensors
    )


def _like(m: nn.Module, outputs: int, inputs: int, groups: int, bias: bool) -> nn.Module:
    if isinstance(m, MeanLinear):
        return MeanLinear(inputs, outputs, bias, m.cells)
    if isinstance(m, nn.Linear):
        return nn.Linear(inputs, outputs, bias)
    if isinstance(m, nn.ConvTranspose2d):
        return nn.ConvTranspose2d(
            inputs, outputs, m.kernel_size, m.stride, m.padding, m.output_padding, groups, bias, m.dilation
        )
    return nn.Conv2d(
        inputs, outputs, m.kernel_size, m.stride, m.padding, m.dilation, groups, bias, m.padding_mode
    )
