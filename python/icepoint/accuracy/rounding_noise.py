"""What the rounding of each channel's codes does to the outputs, for all channels by one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..capture import Captured
from ..distributed import workers
from ..macs import macs
from ..plans import Plan
from ..stages import Stage, in_float, own_qparam
from .evidence import Evidence

_IMAGES = 32


@dataclass
class RoundingNoise:
    """Energies over some images: `signal` of the float outputs, and the noise in them that comes from the
    rounding of activations: `total`, and by a layer's step.output that of its channels, float64 (c,).
    `macs`: multiply-accumulates of an image, by step.output."""

    signal: float
    total: float
    channels: dict[int, torch.Tensor]
    macs: dict[int, int]


def rounding_noise(graph: Captured, evidence: Evidence) -> RoundingNoise:
    """To first order: an error e of one number moves the outputs y by (dy/de) e, and errors are independent.

    E |J^T r|^2 over random signs r is the sum over all outputs of squared derivatives, so one backward pass
    serves every number of the network (M. F. Hutchinson, 1989); e is the real error of its code. Codes
    that are exact, as the zeros of a ReLU, weigh nothing. The outputs' own rounding is left out. Images are
    taken, and signs drawn, by what the images hold, so that their order does not show.
    """
    plan = evidence.plan(evidence.quantized(graph))
    images = _spread(evidence.images)
    share = workers().share(len(images[0]))
    shapes: dict[int, tuple[int, ...]] = {}
    mine = [
        _of_one(plan, [x[i : i + 1] for x in images], torch.Generator().manual_seed(i), shapes)
        for i in share.of(range(share.count))
    ]
    signals, energies = zip(*share.joined(mine), strict=True)
    total = sum(float(e.sum()) for one in energies for e in one.values())
    layers = {s.steps[0].output: (s.output, s.steps[0].module) for s in plan.stages if s.steps}
    channels = {
        at: torch.stack([one[output] for one in energies]).sum(0)
        for at, (output, _) in layers.items()
        if output in energies[0]
    }
    costs = {at: macs(module, shapes[output]) for at, (output, module) in layers.items() if output in shapes}
    return RoundingNoise(sum(signals), total, channels, costs)


def _spread(images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Up to 32 of the images, evenly from dark to bright."""
    sums = [tuple(float(x.double().sum()) for x in one) for one in zip(*images, strict=True)]
    order, count = sorted(range(len(sums)), key=sums.__getitem__), min(len(sums), _IMAGES)
    taken = [order[i * len(order) // count] for i in range(count)]
    return [x[taken].clone() for x in images]


def _of_one(
    plan: Plan, image: list[torch.Tensor], random: torch.Generator, shapes: dict[int, tuple[int, ...]]
) -> tuple[float, dict[int, torch.Tensor]]:
    """Energy of the outputs, and by stage.output that of each channel's rounding in them; notes shapes."""
    errors: dict[int, torch.Tensor] = {}
    rounded: dict[int, torch.Tensor] = {}

    def step(stage: Stage, xs: list[Any]) -> Any:
        y = in_float(stage, xs)
        name = own_qparam(stage.layer)
        if isinstance(y, torch.Tensor):
            shapes[stage.output] = tuple(y.shape[1:])
        if name is not None and stage.output not in plan.captured.outputs:
            y = y if y.requires_grad else y.detach().requires_grad_()
            rounded[stage.output] = y
            errors[stage.output] = getattr(stage.layer, name).fake_quantize(y.detach()) - y.detach()
        return y

    with torch.enable_grad():
        outputs = plan.walk(plan.values_of(image), step)
        signal = sum(float(y.detach().double().square().sum()) for y in outputs)
        signs = [torch.randint(2, y.shape, generator=random) * 2.0 - 1.0 for y in outputs]
        slopes = torch.autograd.grad(outputs, list(rounded.values()), signs, allow_unused=True)
    axes = {s.output: -1 if s.steps and isinstance(s.steps[0].module, nn.Linear) else 1 for s in plan.stages}
    found = {}
    for (at, error), slope in zip(errors.items(), slopes, strict=True):
        moved = torch.zeros_like(error) if slope is None else slope * error
        found[at] = moved[0].movedim(0 if axes[at] == 1 else -1, 0).flatten(1 if moved.dim() > 2 else 0)
        found[at] = found[at].double().square().reshape(moved.shape[axes[at]], -1).sum(1)
    return signal, found
