"""Weights rounded together: codes and scales with the least squared error of each layer's own result."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import reduce

import torch

from ..capture import Captured
from ..distributed import Share
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .correct_bias import corrected
from .evidence import Evidence
from .least_squares import best_ridge, compensating, descend
from .moments import Moments, moments, step_for
from .retuning import retuned
from .sweep import Visit
from .weight_grid import Grid, grids_of, tuning_of

_PASSES = 8
FEW_INPUTS = 640
#: More inputs a group than in any convolution of 3 x 3 on 512 channels: K^2 moments would not fit.
MOST_INPUTS = 4608


def round_weights(graph: Captured, evidence: Evidence) -> Captured:
    """Each layer's codes and scales such that its result from real integers is nearest to the float one.

    Rounding to nearest is best for one weight, not for their sum (M. Nagel et al., "Up or Down?", 2020;
    E. Frantar et al., "GPTQ", 2022). Layer by layer, in order, on the calibration images: 1. the real
    weights that, behind the integers so far, come nearest to the float result (compensating); 2. codes
    and scales near to them in the metric of the inputs' covariance (descend); 3. what the mean is off
    goes into the bias. Replaces what tunings said. Deterministic, for all schemes and bits. A layer
    of more than 4608 inputs for one result stays as it is.
    """
    return retuned(graph, evidence, _rounded, "rounding weights")


def round_small_weights(graph: Captured, evidence: Evidence) -> Captured:
    """round_weights where a result has few inputs, which costs no more than correct_bias, and that elsewhere.

    K inputs have K^2 moments: a depthwise layer takes milliseconds, 3 x 3 on 512 channels a minute.
    """
    return retuned(graph, evidence, _rounded_if_small, "rounding and correcting")


def _rounded_if_small(visit: Visit, layer: QWeighted, tuning: Tuning, share: Share) -> Tuning | None:
    small = layer.float_weights()[0][0].numel() <= FEW_INPUTS
    return (_rounded if small else corrected)(visit, layer, tuning, share)


def _halves(visit: Visit, layer: QWeighted, share: Share) -> list[Moments]:
    """The moments over even and over odd images of all workers, which judge each other; one of one image."""
    module, (codes, q_in), x = visit.stage.steps[0].module, visit.values[0], visit.floats[0]
    assert q_in is not None
    weight, step = layer.float_weights()[0].detach(), step_for(module, x[:1], share.count)

    def results(parity: int) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        for i, one, z in zip(numbers, x.split(1), codes.split(1), strict=True):
            if i % 2 == parity:
                y = layer.compute(one, weight, None)
                yield i, y.movedim(layer.channel_axis, 0).flatten(1), z

    numbers = share.of(range(share.count))
    mine = [
        (parity, moments(module, results(parity), q_in, layer.q_out.scale, step))
        for parity in sorted({i % 2 for i in numbers})
    ]
    parts: dict[int, list[Moments]] = {}
    for parity, part in share.joined(mine):
        parts.setdefault(parity, []).append(part)
    return [reduce(operator.add, parts[parity]) for parity in sorted(parts)]


def _rounded(visit: Visit, layer: QWeighted, _tuning: Tuning, share: Share) -> Tuning | None:
    if is_too_wide(layer):
        return None
    _, grids, shift = solved(visit, layer, share)
    return tuning_of(layer, grids, shift)


def is_too_wide(layer: QWeighted) -> bool:
    """Whether a layer reads too many inputs for one result."""
    return layer.float_weights()[0][0].numel() > MOST_INPUTS


def solved(visit: Visit, layer: QWeighted, share: Share) -> tuple[torch.Tensor, list[Grid], torch.Tensor]:
    """The real weights that serve best, float64 (groups, oc, K), the grids nearest to them, and what they
    need in the bias, float64 (oc,)."""
    halves = _halves(visit, layer, share)
    both = reduce(operator.add, halves)
    w = layer.float_weights()[0].detach().double().reshape(len(both.z), -1, both.z.shape[1])
    v, h = compensating(w, both, best_ridge(w, *halves) if len(halves) > 1 else 1.0)
    grids = grids_of(layer, len(w))
    for i, grid in enumerate(grids):
        grid.codes = grid.nearest(v[i])
        descend(grid, v[i], h[i], _PASSES)
    made = torch.stack([grid.weight for grid in grids])
    shift = both.result - (made * both.mean[:, None]).sum(2)
    return v, grids, shift.flatten()
