"""What each layer alone does to the outputs: the float network with one layer's own error put in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from ..plans import Plan
from ..progress import progress_bar
from ..stages import in_float
from .causes import alone, has_own_error
from .outputs import Outputs
from .sums import LayerSums

_BUDGET = 30e9  # multiply-accumulates, a second on one core
_A_NUMBER, _A_LAYER = 20, 2e6  # what moving a number and calling a layer cost in them, roughly
_MOST_VALUES = 1 << 26  # floats held at once: 256 MB
_MOST_IMAGES = 8


def effects(
    plan: Plan, sample: Sequence[torch.Tensor], layers: Sequence[LayerSums], macs: Sequence[int]
) -> list[Outputs | None]:
    """For each stage the outputs with its own error alone, against float; None where it makes none.

    On the first images of the sample: 8, or fewer of a large network. Nothing is linearized: each time all
    layers behind the one in question run in float. Where that is too much even for one image, it is done for
    the layers with the worst SQNR alone, and the others have None too.
    """
    costs = _costs(layers, macs)
    images = min(_affordable(layers, costs), len(sample[0]))
    chosen = _chosen(layers, [images * cost for cost in costs])
    found: list[Outputs | None] = [None] * len(layers)
    with torch.no_grad(), progress_bar("effect of each layer", len(chosen)) as advance:
        floats = _float_values(plan, [x[:images] for x in sample])
        expected = [floats[v] for v in plan.captured.outputs]
        for i in chosen:
            stage = plan.stages[i]
            changed = {stage.output: alone(stage, [floats[v] for v in stage.inputs])}
            for later in plan.stages[i + 1 :]:
                if any(v in changed for v in later.inputs):
                    xs = [changed.get(v, floats[v]) for v in later.inputs]
                    changed[later.output] = in_float(later, xs)
            outputs = Outputs()
            outputs.add(expected, [changed.get(v, floats[v]) for v in plan.captured.outputs])
            found[i] = outputs
            advance(1, stage.name)
    return found


def _costs(layers: Sequence[LayerSums], macs: Sequence[int]) -> list[float]:
    """What runs behind each layer, for one image."""
    own = [m + _A_NUMBER * _values(sums) + _A_LAYER for sums, m in zip(layers, macs, strict=True)]
    return [total - cost for total, cost in zip(reversed([*accumulate(reversed(own))]), own, strict=True)]


def _values(sums: LayerSums) -> int:
    return sums.count // max(len(sums.image_signal), 1)


def _affordable(layers: Sequence[LayerSums], costs: Sequence[float]) -> int:
    values = sum(_values(sums) for sums in layers)
    return max(1, int(min(_MOST_IMAGES, _BUDGET / max(sum(costs), 1.0), _MOST_VALUES / max(values, 1))))


def _chosen(layers: Sequence[LayerSums], costs: Sequence[float]) -> list[int]:
    """Numbers of the layers that make an error of their own, the worst first while there is budget."""
    own = [i for i, sums in enumerate(layers) if has_own_error(sums.stage) and sums.shape]
    own.sort(key=lambda i: math.inf if layers[i].alone_db is None else layers[i].alone_db)
    spent = accumulate(costs[i] for i in own)
    return [i for k, (i, total) in enumerate(zip(own, spent, strict=True)) if k == 0 or total <= _BUDGET]


def _float_values(plan: Plan, images: Sequence[torch.Tensor]) -> dict[int, Any]:
    floats = plan.values_of(images)
    for stage in plan.stages:
        floats[stage.output] = in_float(stage, [floats[v] for v in stage.inputs])
    return floats
