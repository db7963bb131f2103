"""Bias correction by data: what integers shift on average, a channel at a time, is taken back."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from ..capture import Captured
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .sweep import Visit, images_that_fit, sweep

Weights = tuple[torch.Tensor, torch.Tensor | None]


def correct_bias(graph: Captured, evidence: Evidence) -> Captured:
    """Each layer's bias without the mean error that its integers show on the calibration data.

    Rounded weights and inputs shift a channel's mean: E[W x] - E[W_q x_q] is not 0, and what shifts in
    one layer is inherited by all behind it (M. Nagel et al., "Data-Free Quantization Through Weight
    Equalization and Bias Correction", ICCV 2019, section 4.2, with data in place of BatchNorm's
    statistics). Layers are taken in order, each with the integers of those before it corrected. An
    image's mean is one observation; of few or noisy ones only the part is taken that is not noise:
    shrunk by 1 - s^2 / (n m^2), as James and Stein do.
    """
    q = evidence.quantized(graph)
    plan = evidence.plan(q)
    count = min(len(evidence.images[0]), images_that_fit(plan, evidence.images))
    found: dict[int, Tuning] = {}
    for visit in sweep(plan, [x[:count] for x in evidence.images], "correcting biases"):
        if isinstance(visit.stage.layer, QWeighted):
            step = visit.stage.steps[0]
            shift = _shift(visit)
            bias = shift if step.tuning.bias is None else step.tuning.bias + shift
            found[step.output] = replace(step.tuning, bias=bias)
            visit.retune(found[step.output])
    steps = [replace(s, tuning=found.get(s.output, s.tuning)) for s in graph.steps]
    return replace(graph, steps=steps)


def _shift(visit: Visit) -> torch.Tensor:
    """float64 (oc,): the mean of float minus integers before the activation, as far as it is no noise."""
    layer = visit.stage.layer
    assert isinstance(layer, QWeighted)
    exact, fake = layer.float_weights(), layer.fake_weights()
    rows = [
        _means(layer, x[None], exact) - _means(layer, z[None], fake)
        for x, z in zip(visit.floats[0], visit.reals[0], strict=True)
    ]
    means, n = torch.stack(rows), len(rows)  # (n, oc)
    # Sums of multiples of a fixed unit are exact: neither order nor workers show in them.
    unit = math.ldexp(1.0, math.frexp(layer.q_out.scale)[1] - 20)
    units = torch.round(means / unit).to(torch.int64)
    mean = units.sum(0).double() / n
    if n == 1:
        return mean * unit
    variance = ((units.double() - mean) ** 2).sum(0) / (n - 1)
    keep = (1.0 - variance / (n * mean**2)).nan_to_num(0.0, 0.0, 0.0).clamp(min=0.0)
    return mean * keep * unit


def _means(layer: QWeighted, x: torch.Tensor, weights: Weights) -> torch.Tensor:
    """float64 (oc,): the mean of the layer's result on one image, in front of its activation."""
    weight, bias = weights
    y = layer.compute(x, weight, None if bias is None else bias.to(weight.dtype)).double()
    return y.mean((0, *range(2, y.dim()))) if layer.channel_axis == 1 else y.flatten(0, -2).mean(0)
