"""Maps gain x + offset a channel: of BatchNorm and of constants, in double, and folded into weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def check_batchnorm(bn: nn.Module, who: str) -> None:
    """ValueError unless `bn` is an nn.BatchNorm2d (or 1d) with running statistics."""
    if not isinstance(bn, _NORMS):
        raise ValueError(f"{who}: expected an nn.BatchNorm2d, found {type(bn).__name__}")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{who}: expected running statistics, found track_running_stats=False")


def check_settled(maps: Iterable[nn.Module]) -> None:
    """ValueError for a BatchNorm in train() mode: the statistics that freezing fixes would still move."""
    if any(isinstance(m, _NORMS) and m.training for m in maps):
        raise ValueError(
            "its BatchNorm is in train() mode: call eval() before freeze, its statistics still move"
        )


def apply_map(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The map in float; a BatchNorm by its running statistics, which are never moved."""
    if not isinstance(m, _NORMS):
        return m(x)
    # Copies: training moves the statistics before the gradients are computed, which need these.
    mean, variance = m.running_mean.clone(), m.running_var.clone()
    return F.batch_norm(x, mean, variance, m.weight, m.bias, training=False, eps=m.eps)


def gain_and_offset(m: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """g, o float64, (c,) or (): m(x) = g x + o. Of a BatchNorm in eval mode g = gamma / sqrt(var + eps),
    o = beta - mean g; any other module tells its `gain` and `offset`."""
    if not isinstance(m, _NORMS):
        gain, offset = (torch.as_tensor(v, dtype=torch.float64) for v in (m.gain, m.offset))
        return gain, offset
    deviation = torch.sqrt(m.running_var.double() + m.eps)
    g = (torch.ones_like(deviation) if m.weight is None else m.weight.double()) / deviation
    offset = -m.running_mean.double() * g
    return g, offset if m.bias is None else m.bias.double() + offset


def composed(maps: Sequence[nn.Module], channels: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """gain and offset of the maps one behind the other, (c,) float64; `channels` where none has its own."""
    gain, offset = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for m in maps:
        g, o = gain_and_offset(m)
        gain, offset = gain * g, offset * g + o
    size = torch.broadcast_shapes(gain.shape, offset.shape, (channels or 1,))
    return gain.expand(size), offset.expand(size)


def fold(weight: torch.Tensor, bias: Any, maps: Sequence[nn.Module]) -> tuple[torch.Tensor, Any]:
    """weight (oc, ...) float32 and bias with the maps behind them: w' = w g, b' = b g + o, in double.

    The weight is rounded once to float32, the bias stays double. Without maps both come back as they are.
    """
    if not maps:
        return weight, bias
    gain, offset = composed(maps, len(weight))
    folded = (weight.double() * gain.view(-1, *[1] * (weight.dim() - 1))).float()
    return folded, offset if bias is None else offset + bias.double() * gain
