"""Weights rounded together: codes and scales with the least squared error of each layer's own result."""

from __future__ import annotations

import operator
from dataclasses import replace
from functools import reduce

import torch

from ..capture import Captured
from ..distributed import Share, workers
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from ..weight_scales import best_weight_scales
from ..weights import choose_weight_qparams
from .evidence import Evidence
from .least_squares import Grid, best_ridge, compensating, descend
from .moments import Moments, moments, step_for
from .sweep import Visit, images_that_fit, sweep

_PASSES = 8
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
    q = evidence.quantized(graph)
    plan = evidence.plan(q)
    count = min(len(evidence.images[0]), images_that_fit(plan, evidence.images))
    share = workers().share(count, not plan.captured.missing)
    found: dict[int, Tuning] = {}
    for visit in sweep(plan, [share.of(x[:count]) for x in evidence.images], "rounding weights"):
        layer = visit.stage.layer
        if isinstance(layer, QWeighted) and layer.float_weights()[0][0].numel() <= MOST_INPUTS:
            found[visit.stage.steps[0].output] = tuning = _rounded(visit, layer, share)
            visit.retune(tuning)
    steps = [replace(s, tuning=found.get(s.output, s.tuning)) for s in graph.steps]
    return replace(graph, steps=steps)


def _halves(visit: Visit, share: Share) -> list[Moments]:
    """The moments over even and over odd images of all workers, which judge each other; one of one image."""
    module, (codes, q_in), x = visit.stage.steps[0].module, visit.values[0], visit.floats[0]
    assert q_in is not None
    step = step_for(module, x[:1], share.count)
    images = list(zip(share.of(range(share.count)), x.split(1), codes.split(1), strict=True))
    parts: dict[int, list[Moments]] = {}
    parities = sorted({i % 2 for i, _, _ in images})
    mine = [(p, moments(module, [one for one in images if one[0] % 2 == p], q_in, step)) for p in parities]
    for parity, part in share.joined(mine):
        parts.setdefault(parity, []).append(part)
    return [reduce(operator.add, parts[parity]) for parity in sorted(parts)]


def _rounded(visit: Visit, layer: QWeighted, share: Share) -> Tuning:
    halves = _halves(visit, share)
    both = reduce(operator.add, halves)
    weight, bias = layer.float_weights()
    weight = weight.detach()
    w = weight.double().reshape(len(both.z), -1, both.z.shape[1])
    ridge = 1.0 if len(halves) == 1 else best_ridge(w, halves[0], halves[1])
    v, h = compensating(w, both, ridge)
    grids, zero_point = _grids(layer, weight, bias, both.scale, len(w))
    for i, grid in enumerate(grids):
        grid.codes = grid.nearest(v[i])
        descend(grid, v[i], h[i], _PASSES)
    made = torch.stack([grid.weight for grid in grids])
    scale = torch.cat([grid.scale for grid in grids]).float()
    shift = (w * both.float_mean[:, None]).sum(2) - (made * both.mean[:, None]).sum(2)
    return Tuning(
        weight=made.view_as(weight).float(),
        weight_scale=scale[: len(zero_point)],
        weight_zero_point=None if layer.q_weight.scheme == "per_channel" else zero_point,
        bias=shift.flatten(),
    )


def _grids(
    layer: QWeighted, weight: torch.Tensor, bias: torch.Tensor | None, scale_in: float, groups: int
) -> tuple[list[Grid], torch.Tensor]:
    """A grid a group, and the zero points; the bias may double before a scale becomes too small for it."""
    q = layer.q_weight
    room = None if bias is None else 2 * bias.detach()
    least, _ = choose_weight_qparams(torch.zeros_like(weight), q.num_bits, q.scheme, room, scale_in)
    if q.power_of_two:
        scale, zero_point = choose_weight_qparams(weight, q.num_bits, q.scheme, room, scale_in, True)
    else:
        scale, zero_point = best_weight_scales(weight, q.num_bits, q.scheme, room, scale_in)
    low, high = q.qmin - zero_point, q.qmax - zero_point
    rows = [t.double().expand(len(weight)).view(groups, -1) for t in (scale, least, low, high)]
    free = q.axis is not None and not q.power_of_two
    return [Grid(rows[0][i], *(r[i] for r in rows), free) for i in range(groups)], zero_point
