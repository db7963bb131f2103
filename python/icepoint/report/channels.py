"""Facts about the channels of a layer that verdicts need: outliers, and channels that are dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from ..capture import Captured
from ..modules.weighted import QWeighted
from .sums import LayerSums, sqnr_db

OUTLIER = 10.0  # a channel is an outlier whose range is so many times the median one
_TINY_VARIANCE = 1e-8  # far below any eps: such a channel was constant in training
_LISTED = 16  # channels that are named

Tensor = torch.Tensor


@dataclass(frozen=True)
class Outliers:
    """Channels whose range is at least 10 times the median one; `ratio`: the greatest range over the median.

    `median_db`: the median over the channels of the SQNR by rounding alone, None where none lose anything.
    """

    channels: list[int]
    count: int
    ratio: float
    median_db: float | None


@dataclass(frozen=True)
class Loudest:
    """The few channels that hold most of a layer's own error, and their part of it, 0..1."""

    channels: list[int]
    share: float


@dataclass(frozen=True)
class Channels:
    """Of one layer: how many channels there are, the outliers, the loudest, the dead by what killed them."""

    count: int
    weights: Outliers | None = None
    activations: Outliers | None = None
    loudest: Loudest | None = None
    dead: dict[str, list[int]] = field(default_factory=dict)


def channels_of(sums: LayerSums, batchnorm: nn.BatchNorm2d | None = None) -> Channels | None:
    """The facts, None for a layer whose result has no channels; `batchnorm` stands behind it originally."""
    count = len(sums.least)
    if not sums.shape or not count:
        return None
    layer = sums.stage.layer
    ranges = torch.maximum(sums.greatest, -sums.least).double()
    activations = None
    rounding = sums.causes["activation_rounding"]
    if len(rounding) == count:
        activations = _outliers(ranges, sums.signal, rounding)
    loudest = _loudest(sums.alone) if len(sums.alone) == count else None
    if not isinstance(layer, QWeighted):
        return Channels(count, None, activations, loudest)
    return Channels(count, _weight_outliers(layer), activations, loudest, _dead(sums, layer, batchnorm))


def _loudest(noise: Tensor) -> Loudest | None:
    """Up to three channels that hold half of the error, and at least five times their fair part."""
    total, count = float(noise.sum()), len(noise)
    parts, order = torch.sort(noise, descending=True)
    for k in range(1, min(3, count) + 1):
        share = float(parts[:k].sum()) / total if total else 0.0
        if share >= 0.5 and share >= 5 * k / count:
            return Loudest(order[:k].tolist(), share)
    return None


def _weight_outliers(layer: QWeighted) -> Outliers | None:
    weight = layer.tuned_weights()[0].detach()
    error = layer.q_weight.dequantize_tensor(layer.q_weight.codes(weight)) - weight
    rows, errors = weight.flatten(1), error.flatten(1)
    return _outliers(
        rows.abs().amax(1).double(), rows.double().square().sum(1), errors.double().square().sum(1)
    )


def _outliers(ranges: Tensor, signal: Tensor, noise: Tensor) -> Outliers | None:
    live = ranges > 0
    if int(live.sum()) < 2:
        return None
    median = float(ranges[live].median())
    found = torch.nonzero(ranges >= OUTLIER * median).flatten().tolist()
    found.sort(key=lambda c: -float(ranges[c]))
    values = [sqnr_db(float(s), float(n)) for s, n in zip(signal[live], noise[live], strict=True)]
    known = sorted(v for v in values if v is not None)
    middle = known[len(known) // 2] if len(known) == len(values) else None
    return Outliers(found[:_LISTED], len(found), float(ranges.max()) / median, middle)


def batchnorms_of(original: Captured) -> dict[str, nn.BatchNorm2d]:
    """The BatchNorms that read a step's result, by the step's name."""
    makers = {step.output: step.name for step in original.steps}
    norms = (s for s in original.steps if isinstance(s.module, (nn.BatchNorm1d, nn.BatchNorm2d)))
    return {makers[s.inputs[0]]: s.module for s in norms if s.inputs[0] in makers}


def _dead(sums: LayerSums, layer: QWeighted, batchnorm: nn.BatchNorm2d | None) -> dict[str, list[int]]:
    """Channels by why they are dead; a channel is told once, by the first reason that holds."""
    weight = layer.float_weights()[0].detach()
    reasons: list[tuple[str, Tensor]] = []
    if batchnorm is not None and len(batchnorm.running_var) == len(weight):
        if batchnorm.weight is not None:
            reasons.append(("gamma", batchnorm.weight.detach() == 0))
        reasons.append(("variance", batchnorm.running_var <= _TINY_VARIANCE))
    reasons.append(("weights", (weight.flatten(1) == 0).all(1)))
    never = (sums.greatest <= 0) & (sums.least >= 0)
    if layer.activation is not None and len(never) == len(weight):
        reasons.append(("never_active", never))
    told: set[int] = set()
    found: dict[str, list[int]] = {}
    for reason, mask in reasons:
        mine = [c for c in torch.nonzero(mask).flatten().tolist() if c not in told]
        told.update(mine)
        if mine:
            found[reason] = found.get(reason, []) + mine
    return found


def named(channels: Sequence[int], limit: int = 6) -> str:
    """For people; of many the first ones.

    >>> named([3]), named([3, 4, 7])
    ('channel 3', 'channels 3, 4 and 7')
    """
    shown = [str(c) for c in channels[:limit]]
    rest = len(channels) - len(shown)
    last = f"{rest} more" if rest else shown.pop()
    return f"channels {', '.join(shown)} and {last}" if shown else f"channel {last}"
