"""What each layer alone does to the outputs: the float network with one layer's own error put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..plans import Plan
from ..progress import progress_bar
from ..stages import in_float
from .causes import alone, own_range
from .outputs import Outputs
from .sums import LayerSums

_BUDGET_MACS = 60e9  # a second or two on one core
_MOST_VALUES = 1 << 26  # floats held at once: 256 MB
_MOST_IMAGES = 8


def effects(
    plan: Plan, sample: Sequence[torch.Tensor], layers: Sequence[LayerSums], macs: Sequence[int]
) -> list[Outputs | None]:
    """For each stage the outputs with its own error alone, against float; None where it makes none.

    On the first images of the sample: 8, or fewer of a large network. Nothing is linearized: each time all
    layers behind the one in question run in float.
    """
    images = min(_affordable(layers, macs), len(sample[0]))
    found: list[Outputs | None] = []
    with torch.no_grad(), progress_bar("effect of each layer", len(plan.stages)) as advance:
        floats = _float_values(plan, [x[:images] for x in sample])
        expected = [floats[v] for v in plan.captured.outputs]
        for i, (stage, sums) in enumerate(zip(plan.stages, layers, strict=True)):
            advance(1, stage.name)
            if own_range(stage) is None or not sums.shape:
                found.append(None)
                continue
            changed = {stage.output: alone(stage, [floats[v] for v in stage.inputs])}
            for later in plan.stages[i + 1 :]:
                if any(v in changed for v in later.inputs):
                    xs = [changed.get(v, floats[v]) for v in later.inputs]
                    changed[later.output] = in_float(later, xs)
            outputs = Outputs()
            outputs.add(expected, [changed.get(v, floats[v]) for v in plan.captured.outputs])
            found.append(outputs)
    return found


def _affordable(layers: Sequence[LayerSums], macs: Sequence[int]) -> int:
    behind = sum(i * m for i, m in enumerate(macs, 1))  # the i-th layer runs again for each one before it
    values = sum(sums.count // max(len(sums.image_signal), 1) for sums in layers)
    most = min(_MOST_IMAGES, _BUDGET_MACS / max(behind, 1), _MOST_VALUES / max(values, 1))
    return max(1, int(most))


def _float_values(plan: Plan, images: Sequence[torch.Tensor]) -> dict[int, Any]:
    floats: dict[int, Any] = {**dict(enumerate(images)), **plan.captured.sizes.values(images)}
    for stage in plan.stages:
        floats[stage.output] = in_float(stage, [floats[v] for v in stage.inputs])
    return floats
