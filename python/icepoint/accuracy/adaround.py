"""AdaRound: for each weight, rounding up or down is learned by gradient descent on the layer's result."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ..capture import Captured
from ..distributed import Share
from ..modules.clamps import activated
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .patches import patches, places
from .retuning import retuned
from .round_weights import is_too_wide, solved
from .sweep import Visit
from .weight_grid import tuning_of

STEPS = 400
_BATCH, _PLACES = 256, 1 << 13  # places of the result in a step, and of which they are drawn
_RATE, _DECIDE = 0.03, 0.1
_WARM = 0.2  # of the steps go without the term that asks for decisions
_LOW, _HIGH = -0.1, 1.1  # the rectified sigmoid reaches 0 and 1


def adaround(graph: Captured, evidence: Evidence, steps: int = STEPS) -> Captured:
    """Each layer's weights rounded up or down so that behind its activation it comes nearest to float.

    h = clamp(1.2 sigmoid(v) - 0.1, 0, 1) is learned for each weight s (floor(w / s) + h) with Adam on the
    squared error, and pushed to 0 or 1 by 1 - |2h - 1|^b, b from 20 to 2 (M. Nagel et al., "Up or Down?
    Adaptive Rounding for Post-Training Quantization", ICML 2020). Inputs are those behind the integers,
    targets the float network's. It starts from the weights and scales of round_weights, whose codes a layer
    keeps where learning does not lower its error on the images. With 100 images that is all it gains:
    docs/corrections.md. Seeded: the same codes each time.
    """
    return retuned(graph, evidence, lambda *given: _tuned(*given, steps), "learning to round")


def _tuned(visit: Visit, layer: QWeighted, _tuning: Tuning, share: Share, steps: int) -> Tuning | None:
    if is_too_wide(layer):
        return None
    v, grids, shift = solved(visit, layer, share)
    x, y = _samples(visit, layer, share)
    own = layer.float_weights()[1]
    bias = (shift if own is None else shift + own.detach().double()).float().view(len(v), -1, 1)
    scale, low, high, codes = (
        torch.stack([getattr(grid, name).view(len(grid.scale), -1) for grid in grids]).float()
        for name in ("scale", "low", "high", "codes")
    )

    def error(q: torch.Tensor, at: torch.Tensor | slice) -> torch.Tensor:
        found = (q.clamp(low, high) * scale) @ x[..., at] + bias
        return (activated(found, layer.activation) - y[..., at]).square().sum(1).mean()

    before = float(error(codes, slice(None)))
    learned = _learned(v.float() / scale, lambda q, at: error(q, at) / max(before, 1e-30), x.shape[2], steps)
    if float(error(learned, slice(None))) < before:
        for grid, found in zip(grids, learned.clamp(low, high), strict=True):
            grid.codes = found.double()
    return tuning_of(layer, grids, shift)


def _learned(
    w: torch.Tensor, error: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], places: int, steps: int
) -> torch.Tensor:
    """floor(w) or floor(w) + 1, of the shape of w, with the least error(codes, places)."""
    generator = torch.Generator().manual_seed(0)
    floor = torch.floor(w)
    v = -torch.log((_HIGH - _LOW) / (w - floor - _LOW) - 1)
    with torch.enable_grad():
        v.requires_grad_()
        adam = torch.optim.Adam([v], _RATE)
        for step in range(steps):
            at = torch.randint(places, (_BATCH,), generator=generator)
            h = (torch.sigmoid(v) * (_HIGH - _LOW) + _LOW).clamp(0.0, 1.0)
            loss = error(floor + h, at)
            late = (step / steps - _WARM) / (1 - _WARM)
            if late >= 0:
                power = 2 + 9 * (1 + math.cos(math.pi * late))
                loss = loss + _DECIDE * (1 - (2 * h - 1).abs().pow(power)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return floor + (v.detach() >= 0)


def _samples(visit: Visit, layer: QWeighted, share: Share) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (groups, K, places) and float targets (groups, oc, places) of places spread over the images."""
    module = visit.stage.steps[0].module
    step = -(-share.count * places(module, visit.floats[0][:1]) // _PLACES)
    images = zip(share.of(range(share.count)), visit.reals[0].split(1), visit.target.split(1), strict=True)
    taken = []
    for i, z, y in images:
        y = y.movedim(layer.channel_axis, 0).flatten(1)
        taken.append((patches(module, z)[..., i % step :: step], y[:, i % step :: step]))
    xs, ys = zip(*share.joined(taken), strict=True)
    x, y = torch.cat(xs, 2), torch.cat(ys, 1)
    return x, y.view(len(x), -1, y.shape[1])
