"""Bias correction without data: what BatchNorm says of a layer's inputs tells what rounded weights shift."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from ..capture import Captured, Step
from ..modules.folding import composed
from ..modules.mean_linear import MeanLinear
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .links import bound_of, mean_links
from .retuning import with_tunings
from .scaling import input_channels

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def correct_bias_analytic(graph: Captured, evidence: Evidence) -> Captured:
    """Each layer's bias without the mean error of its rounded weights: b += sum (W - W_q) E[x].

    E[x] of a channel follows from the BatchNorm before it, whose result has mean beta and deviation |gamma|
    and is taken as Gaussian in front of its activation (M. Nagel et al., "Data-Free Quantization Through
    Weight Equalization and Bias Correction", ICCV 2019, section 4.2.1 and appendix C). Only layers whose
    inputs a BatchNorm tells of are corrected; zeros that a convolution pads with count as if they were
    pixels. correct_bias takes the means from data, which is better where data are given.
    """
    layers = {s.steps[0].output: s.layer for s in evidence.quantized(graph).stages if s.steps}
    found: dict[int, Tuning] = {}
    for link in mean_links(graph):
        if not link.maps or not isinstance(link.maps[0].module, _NORMS):
            continue
        mean, deviation = normal_behind([m.module for m in link.maps])
        x = clipped_mean(mean, deviation, *_ends(link.clamps))
        for step, of in link.consumers:
            layer = layers[step.output]
            if isinstance(layer, QWeighted):
                found[step.output] = _corrected(step, layer, x[of])
    return with_tunings(graph, found)


def normal_behind(maps: list[nn.Module]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation, float64 (c,), behind a BatchNorm and the maps that follow it."""
    norm = maps[0]
    weight = torch.ones_like(norm.running_var) if norm.weight is None else norm.weight.detach()
    bias = torch.zeros_like(weight) if norm.bias is None else norm.bias.detach()
    gain, offset = composed(maps[1:], len(weight))
    # A variance next to eps makes what comes out narrower than gamma.
    inner = torch.sqrt(norm.running_var.double() / (norm.running_var.double() + norm.eps))
    return bias.double() * gain + offset, (weight.double() * inner * gain).abs()


def clipped_mean(
    mean: torch.Tensor, deviation: torch.Tensor, low: float | None, high: float | None
) -> torch.Tensor:
    """E[min(max(x, low), high)] of Gaussians, float64; None leaves an end open.

    With phi and Phi of the standard normal distribution, E[max(x, a)] is a + d phi(t) + d t Phi(t) for
    t = (mean - a) / d, and what lies above b is subtracted likewise.

    >>> clipped_mean(torch.zeros(1).double(), torch.ones(1).double(), 0.0, None)  # 1 / sqrt(2 pi)
    tensor([0.3989], dtype=torch.float64)
    """
    found = mean if low is None else low + _above(mean, deviation, low)
    return found if high is None else found - _above(mean, deviation, high)


def _above(mean: torch.Tensor, deviation: torch.Tensor, end: float) -> torch.Tensor:
    """E[max(x - end, 0)]."""
    t = (mean - end) / deviation.clamp(min=1e-30)
    density = torch.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    normal = torch.special.ndtr(t)
    return deviation * density + (mean - end) * normal


def _ends(clamps: list[Step]) -> tuple[float | None, float | None]:
    """Between which ends the activation keeps its values."""
    if not clamps:
        return None, None
    return 0.0, bound_of(clamps[0].module)


def _corrected(step: Step, layer: QWeighted, x: torch.Tensor) -> Tuning:
    lost = layer.float_weights()[0].detach().double() - layer.fake_weights()[0].detach().double()
    # Weights of a sum over a picture meet each of its places.
    x = x * (step.module.cells if isinstance(step.module, MeanLinear) else 1)
    shift = (lost.flatten(2).sum(2) if lost.dim() > 2 else lost) * input_channels(step.module, x)
    bias = shift.sum(1)
    return replace(step.tuning, bias=bias if step.tuning.bias is None else step.tuning.bias + bias)
