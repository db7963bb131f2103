"""Channels divided by numbers, and the weights behind them multiplied: other weights, the same function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..capture import Captured, Step
from ..capture.builders.common import shell
from ..capture.operators import Affine
from ..distributed import workers
from ..layers import WEIGHTED, following_maps
from ..modules.folding import fold
from ..stages import Stage, in_float
from .evidence import Evidence
from .links import Link
from .weighted import weights_of, with_weights

#: A channel may become so many times the greatest that was seen of it before a clamp cuts it off.
MARGIN = 1.125


def scaled(graph: Captured, links: Sequence[Link], scales: Mapping[int, torch.Tensor]) -> Captured:
    """Every link's channel c divided by scales[producer.output][c] > 0, float64 (c,); the rest multiplies.

    W1[c] / s[c], b1[c] / s[c] and W2[:, c] s[c]: f(x / s) s = f(x) for what is between (links). The last map
    folded into a producer is divided in its place, so that BatchNorms go on telling the statistics of their
    results. Clamps stay: the scales must come from `within_clamps`. ValueError where a tuning already fixes
    the weights.
    """
    steps = {step.output: step for step in graph.steps}
    for link in links:
        s = scales.get(link.producer.output)
        if s is None:
            continue
        at = (link.maps or [link.producer])[-1].output
        steps[at] = replace(steps[at], module=_divided(steps[at].module, s))
        _divide_bias(steps, link.producer.output, s)
        for consumer, of in link.consumers:
            old = steps[consumer.output]
            refuse_tuned(old)
            steps[old.output] = replace(old, module=_multiplied(old.module, s[of]))
    return replace(graph, steps=list(steps.values()))


def _divide_bias(steps: dict[int, Step], at: int, s: torch.Tensor) -> None:
    step = steps[at]
    refuse_tuned(step)
    if step.tuning.bias is not None:
        steps[at] = replace(step, tuning=replace(step.tuning, bias=step.tuning.bias / s))


def refuse_tuned(step: Step) -> None:
    if step.tuning.weight is not None or step.tuning.weight_scale is not None:
        raise ValueError(
            f"{step.name}: its weights are tuned already; scale channels (equalize, smooth) before methods "
            "that choose integers"
        )


def _divided(module: nn.Module, s: torch.Tensor) -> nn.Module:
    """A producer, or a map, whose channels are divided by s; in double, rounded once."""
    if isinstance(module, Affine):
        gain, offset = (torch.as_tensor(v, dtype=torch.float64) / s for v in (module.gain, module.offset))
        return Affine(gain, offset, module.axis).eval()
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        weight = torch.ones_like(s) if module.weight is None else module.weight.detach().double()
        bias = torch.zeros_like(s) if module.bias is None else module.bias.detach().double()
        tensors: dict[str, Any] = {
            "weight": (weight / s).float(), "bias": (bias / s).float(),
            "running_mean": module.running_mean, "running_var": module.running_var,
            "num_batches_tracked": module.num_batches_tracked,
        }  # fmt: skip
        kind = type(module)
        return shell(lambda: kind(module.num_features, module.eps), **tensors)
    weight, bias = weights_of(module)
    divided = (weight.double() / s.view(-1, *[1] * (weight.dim() - 1))).float()
    return with_weights(module, divided, None if bias is None else (bias.double() / s).float())


def _multiplied(module: nn.Module, s: torch.Tensor) -> nn.Module:
    """A consumer whose input channel c has weights s[c] times as large."""
    weight, bias = weights_of(module)
    columns = input_channels(module, s)
    return with_weights(
        module, (weight.double() * columns.view(*columns.shape, *[1] * (weight.dim() - 2))).float(), bias
    )


def input_channels(module: nn.Module, numbers: torch.Tensor) -> torch.Tensor:
    """Numbers of a layer's input channels (ic,) as those of its weights (oc, ic / groups)."""
    weight, groups = weights_of(module)[0], getattr(module, "groups", 1)
    return numbers.view(groups, 1, -1).expand(-1, len(weight) // groups, -1).reshape(len(weight), -1)


def column_ranges(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """(ic,): the greatest |weight| of (oc, ic / groups, ...) that reads each input channel."""
    groups = getattr(module, "groups", 1)
    return (
        weight.abs()
        .reshape(*weight.shape[:2], -1)
        .amax(2)
        .view(groups, -1, weight.shape[1])
        .amax(1)
        .flatten()
    )


def folded(graph: Captured) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """By step.output a layer's weight (oc, ic / groups, ...) and bias (oc,), float64, with folded maps."""
    reader, found = graph.only_reader(), {}
    for step in graph.steps:
        if isinstance(step.module, WEIGHTED):
            weight, bias = fold(*weights_of(step.module), [m.module for m in following_maps(step, reader)])
            bias = weight.new_zeros(len(weight)) if bias is None else bias.detach()
            found[step.output] = weight.detach().double(), bias.double()
    return found


def peaks(graph: Captured, evidence: Evidence, links: Sequence[Link]) -> dict[int, torch.Tensor]:
    """By producer.output: the greatest |x| of each of its channels in float, float64 (c,), on the images.

    Behind the maps and the activation, where the producer's integers are.
    """
    plan = evidence.plan(evidence.quantized(graph))
    share = workers().share(len(evidence.images[0]), not plan.captured.missing)
    wanted = {link.producer.output: link.count for link in links}
    found: dict[int, torch.Tensor] = {}

    def step(stage: Stage, xs: list[Any]) -> Any:
        y = in_float(stage, xs)
        at = stage.steps[0].output if stage.steps else -1
        if at in wanted:
            axis = y.dim() - 1 if isinstance(stage.steps[0].module, nn.Linear) else 1
            top = y.abs().movedim(axis, 0).flatten(1).amax(1).double()
            found[at] = torch.maximum(found.get(at, top), top)
        return y

    images = [share.of(x) for x in evidence.images]
    with torch.no_grad():
        for i in range(len(images[0])):
            one = [x[i : i + 1] for x in images]
            plan.walk(plan.values_of(one), step)
    return {at: share.joined(top[None]).amax(0) for at, top in sorted(found.items())}


def within_clamps(link: Link, s: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    """Scales (c,) as near to s as the link's clamp allows, which cuts all channels off at the same b.

    min(x, b) / s = min(x / s, b / s): a channel that reaches b must have s = 1. One whose greatest value,
    with a margin, is p b < b needs only s >= p: b is then never reached on the calibration images, and
    beyond what was seen it is cut off at b s / p instead of b. Without a clamp s stays as it is.
    """
    if link.high is None:
        return s
    p = (peak * (MARGIN / link.high)).clamp(max=1.0)
    reaches = p == 1.0
    like = s[reaches].log().mean().exp() if reaches.any() else s.max()
    return torch.where(reaches, torch.ones_like(s), torch.maximum(s / like, p))
