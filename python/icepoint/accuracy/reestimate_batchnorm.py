"""BatchNorm re-estimated: its statistics follow what the integers before it really compute."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from ..capture import Captured
from ..distributed import Share
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .correct_bias import rows_of
from .evidence import Evidence
from .retuning import retuned
from .sweep import Visit

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_WIDEST = 2.0  # a gain stays in 1/2 .. 2: what changes more is no longer the same channel
_LEAST = 2.0**-8  # of the output's scale: a deviation below is that of a dead channel


def reestimate_batchnorm(graph: Captured, evidence: Evidence) -> Captured:
    """A gain and an offset a channel that give each BatchNorm's result its float mean and deviation again.

    Integers shift and widen what a BatchNorm normalizes, so its statistics no longer fit (re-tuned in X. Sun
    et al., "Hybrid 8-bit Floating Point (HFP8) Training and Inference for Deep Neural Networks", NeurIPS
    2019). With mean m and deviation d of the result in float, and m', d' behind the integers, both over the
    calibration images, y' = (y - m') d / d' + m. Running statistics of training are kept out of it: of few
    images the difference is better known than either. The gain goes into the scales of the folded weights,
    their codes stay; the offset into the bias. Layers without a BatchNorm stay as they are.
    """
    return retuned(graph, evidence, _reestimated, "re-estimating BatchNorms")


def _reestimated(visit: Visit, layer: QWeighted, tuning: Tuning, share: Share) -> Tuning | None:
    if not any(isinstance(step.module, _NORMS) for step in visit.stage.steps[1:]):
        return None
    unit = math.ldexp(1.0, math.frexp(layer.q_out.scale)[1] - 8)
    mean, deviation = _statistics(rows_of(layer, visit.floats[0], layer.float_weights()), unit, share)
    found, width = _statistics(rows_of(layer, visit.reals[0], layer.fake_weights()), unit, share)
    alive = torch.minimum(deviation, width) > layer.q_out.scale * _LEAST
    gain = torch.where(alive, deviation / width, 1.0).clamp(1 / _WIDEST, _WIDEST)
    scale, zero_point = layer.q_weight.known()
    if layer.q_weight.axis is None or layer.q_weight.power_of_two:  # such scales have no gain a channel
        gain = torch.ones_like(gain)
    # Of the tuned bias b, which is the float layer's and tuning.bias, becomes gain (b - m') + m.
    own, tuned = (_double(b, len(gain)) for b in (layer.float_weights()[1], layer.tuned_weights()[1]))
    changed = replace(tuning, bias=gain * (tuned - found) + mean - own)
    if bool((gain == 1.0).all()):
        return changed
    widened = (scale.double() * gain).float()
    codes = layer.integers["codes"].double()
    shape = (-1, *[1] * (codes.dim() - 1))
    return replace(
        changed,
        weight=((codes - zero_point.view(shape)) * widened.double().view(shape)).float(),
        weight_scale=widened,
        weight_zero_point=None if layer.q_weight.scheme == "per_channel" else zero_point,
    )


def _double(bias: torch.Tensor | None, channels: int) -> torch.Tensor:
    return torch.zeros(channels, dtype=torch.float64) if bias is None else bias.detach().double()


def _statistics(y: torch.Tensor, unit: float, share: Share) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (oc,) of results (n, oc, positions), float64.

    Results are rounded to units of 1/256 code and cut off at 2^20 of them; sums of integers add up
    exactly over images and workers.
    """
    units = torch.round(y.double() / unit).clamp(-(2.0**20), 2.0**20)
    sums = torch.stack([units.sum(2), torch.round(units.square().sum(2))], 2).to(torch.int64)
    total = share.joined(sums).sum(0).double()
    count = share.count * y.shape[2]
    mean = total[:, 0] / count
    variance = (total[:, 1] / count - mean**2).clamp(min=0.0)
    return mean * unit, variance.sqrt() * unit
