"""Weight scales by least squared error: a few large weights are clipped where that serves the others."""

from __future__ import annotations

from dataclasses import replace

from ..capture import Captured
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .retuning import with_tunings
from .weight_grid import best_scales


def clip_weights(graph: Captured, evidence: Evidence) -> Captured:
    """Each layer's weights with the scales of least squared error instead of those that just hold them all.

    best_scales, per channel or per tensor as the weights are; it sees no data. At 8 bits next to nothing
    changes, at 4 and below much, and at all bits a channel whose huge weights nothing ever meets. Scales
    that are powers of two, and those of weights that were rounded already, stay as they are.
    """
    found: dict[int, Tuning] = {}
    for stage in evidence.quantized(graph).stages:
        layer = stage.layer
        if not isinstance(layer, QWeighted) or layer.q_weight.power_of_two or layer.tuning.weight is not None:
            continue
        q = layer.q_weight
        scale, zero_point, _ = best_scales(layer)
        zero = zero_point if q.scheme != "per_channel" else None
        step = stage.steps[0]
        found[step.output] = replace(step.tuning, weight_scale=scale, weight_zero_point=zero)
    return with_tunings(graph, found)
