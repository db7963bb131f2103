"""Float modules with copies of their channels: rows of what makes or carries them, columns of what reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..capture.builders.common import shell
from ..capture.operators import Affine
from .weighted import weights_of, with_weights


def with_rows(module: nn.Module, of: torch.Tensor) -> nn.Module:
    """A layer, or a map gain x + offset, whose channel i does what channel of[i] (int64) of `module` does.

    A depthwise layer, one group a channel, reads as many copies as it makes.
    """
    if isinstance(module, Affine):
        return Affine(*(v[of] if isinstance(v, torch.Tensor) else v for v in (module.gain, module.offset)),
                      module.axis).eval()  # fmt: skip
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        names = ("weight", "bias", "running_mean", "running_var")
        tensors: dict[str, Any] = {name: _rows(getattr(module, name), of) for name in names}
        tensors["num_batches_tracked"] = module.num_batches_tracked
        kind, eps, affine = type(module), module.eps, module.weight is not None
        return shell(lambda: kind(len(of), eps, affine=affine), **tensors)
    weight, bias = weights_of(module)
    groups = 1 if getattr(module, "groups", 1) == 1 else len(of)
    return with_weights(module, weight[of], _rows(bias, of), groups)


def with_columns(module: nn.Module, of: torch.Tensor, times: torch.Tensor) -> nn.Module:
    """A layer of one group whose input i is a copy of channel of[i]: its weights there, divided by times[i].

    The copies' sum is the channel's weight; division by a power of two is exact.
    """
    weight, bias = weights_of(module)
    columns = weight[:, of] / times.view(1, -1, *[1] * (weight.dim() - 2))
    return with_weights(module, columns, bias)


def _rows(tensor: torch.Tensor | None, of: torch.Tensor) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach()[of]
