"""Bias correction by data: what integers shift on average, a channel at a time, is taken back."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from ..capture import Captured
from ..distributed import Share
from ..modules.clamps import Activation, activated
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .retuning import retuned
from .sweep import Visit

_STEPS = 4  # of Newton's method; behind a ReLU the third one moves less than a code
_LEAST_SLOPE = 1.0 / 16  # a channel that is hardly ever active is moved in small steps


def correct_bias(graph: Captured, evidence: Evidence) -> Captured:
    """Each layer's bias without the mean error that its integers show on the calibration data.

    Rounded weights and inputs shift a channel's mean: E[W x] - E[W_q x_q] is not 0, and what shifts in
    one layer is inherited by all behind it (M. Nagel et al., "Data-Free Quantization Through Weight
    Equalization and Bias Correction", ICCV 2019, section 4.2, with data in place of BatchNorm's
    statistics). The next layer reads what is behind the activation, so the shift d solves
    E[f(W_q x_q + d)] = E[f(W x)] by Newton's method, whose slope is the share of active positions.
    Layers are taken in order, each with the integers of those before it corrected. An image's mean is
    one observation; of few or noisy ones only the part is taken that is not noise: shrunk by
    1 - s^2 / (n m^2), after James and Stein.
    """
    return retuned(graph, evidence, corrected, "correcting biases")


def corrected(visit: Visit, layer: QWeighted, tuning: Tuning, share: Share) -> Tuning:
    """The tuning with the bias that takes back what the layer's integers shift."""
    shift = _shift(visit, layer, share)
    return replace(tuning, bias=shift if tuning.bias is None else tuning.bias + shift)


def _shift(visit: Visit, layer: QWeighted, share: Share) -> torch.Tensor:
    """float64 (oc,): what added to the integers' results makes their mean that of float."""
    f, n = layer.activation, share.count
    real = rows_of(layer, visit.floats[0], layer.float_weights())
    ints = rows_of(layer, visit.reals[0], layer.fake_weights())
    # Sums of multiples of a fixed unit are exact: neither order nor workers show in them.
    unit = math.ldexp(1.0, math.frexp(layer.q_out.scale)[1] - 20)
    goal = _units(real, f, unit)
    shift = torch.zeros(real.shape[1], dtype=torch.float64)
    for _ in range(1 if f is None else _STEPS):
        moved = ints + shift.float()[:, None]
        error = share.joined(goal - _units(moved, f, unit)).sum(0).double() * (unit / n)
        active = share.joined((activated(moved, f) == moved).sum(2)).sum(0).double() / (n * real.shape[2])
        shift += error / active.clamp(min=_LEAST_SLOPE)
    return shift * _certain(share.joined(goal - _units(ints, f, unit)))


def rows_of(
    layer: QWeighted, x: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor | None]
) -> torch.Tensor:
    """float32 (n, oc, positions): the layer's results in front of its activation, one image at a time."""
    weight, bias = weights
    bias = None if bias is None else bias.to(weight.dtype)
    y = torch.cat([layer.compute(one, weight, bias) for one in x.split(1)])
    return y.movedim(layer.channel_axis, 1).reshape(len(y), len(weight), -1)


def _units(y: torch.Tensor, f: Activation, unit: float) -> torch.Tensor:
    """int64 (n, oc): the mean of f(y) over an image's positions, in units."""
    return torch.round(activated(y, f).sum(2, dtype=torch.float64) / (y.shape[2] * unit)).to(torch.int64)


def _certain(errors: torch.Tensor) -> torch.Tensor:
    """float64 (oc,), 0..1: how much of the mean of the images' errors (n, oc) is not noise."""
    n = len(errors)
    if n == 1:
        return torch.ones(errors.shape[1], dtype=torch.float64)
    # 2^-12 codes are enough to tell noise, and squares of up to 2^20 of them add up exactly.
    coarse = errors >> 8
    total, squares = coarse.sum(0).double(), (coarse * coarse).sum(0).double()
    noise = (squares - total**2 / n) / (n - 1)
    return (1.0 - n * noise / total**2).nan_to_num(0.0, 0.0, 0.0).clamp(min=0.0)
