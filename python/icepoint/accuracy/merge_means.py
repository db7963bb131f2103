"""Means merged into the linear layers behind them, so that no code of few bits stands for a mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..capture import Captured, Reshape, Step
from ..capture.builders.common import shell
from ..layers import WEIGHTED, following_maps
from ..modules.mean_linear import MeanLinear
from ..stages import Stage, in_float
from .evidence import Evidence
from .scaling import refuse_tuned
from .weighted import weights_of

#: So many weights more than the network has, or this share of them, all merged layers may take together.
FEW_WEIGHTS, SHARE = 1 << 16, 0.25
MOST_CELLS = 1 << 12  # of a picture: sums over them stay exact in double (moments.py)
MOST_INPUTS = 1 << 15  # of a layer: 2^15 * 255 * 127 is below 2^30, and accumulators are int32


def merge_means(graph: Captured, evidence: Evidence) -> Captured:
    """The same float function, in which linear layers read a picture and not its mean.

    A mean over hw places has one code where they have hw: its rounding is as large as theirs and averages
    out with nothing. On networks whose outputs have 40 dB it is most of what rounded activations cost. The
    linear layer alone behind a global mean is one of all places, with weights that repeat (QMeanLinear). It
    has hw times the weights, so this is done while all of them together are 65,536 more, or a quarter of
    what the network has. ValueError where a method chose the layer's weights already.

    >>> import icepoint
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    >>> q = icepoint.quantize(net, torch.randn(1, 1, 9, 9), torch.randn(8, 1, 9, 9), recipe=["merge_means"])
    >>> [stage.name for stage in q.stages]
    ['input', '0', '3']
    """
    found = [] if graph.missing else list(_candidates(graph))
    if not found:
        return graph
    shapes = _shapes(graph, evidence)
    weights = sum(weights_of(s.module)[0].numel() for s in graph.steps if isinstance(s.module, WEIGHTED))
    room = max(FEW_WEIGHTS, int(SHARE * weights))
    changed: dict[int, Step | None] = {}
    for mean, view, linear in found:
        channels, height, width = shapes[mean.output]
        cells, outputs = height * width, len(linear.module.weight)
        more = outputs * channels * (cells - 1)
        if more > room or cells > MOST_CELLS or channels * cells > MOST_INPUTS:
            continue
        refuse_tuned(linear)
        room -= more
        merged = replace(linear, module=_merged(linear.module, cells), inputs=mean.inputs)
        changed |= {mean.output: None, view.output: None, linear.output: merged}
    steps = [changed.get(step.output, step) for step in graph.steps]
    return replace(graph, steps=[step for step in steps if step is not None]) if changed else graph


def _candidates(graph: Captured) -> Iterator[tuple[Step, Step, Step]]:
    """A global mean and the view behind it, and the linear layer that alone reads them."""
    reader = graph.only_reader()
    for step in graph.steps:
        if not _is_global_mean(step.module):
            continue
        view = reader(step)
        # Without the view to (c,) a linear layer reads the last axis of (c, 1, 1).
        if view is None or not isinstance(view.module, Reshape) or len(view.module.shape) != 1:
            continue
        linear = reader(view)
        # What folds into the layer follows the batch in training, and its weights are not tied then.
        if linear is not None and type(linear.module) is nn.Linear and not following_maps(linear, reader):
            yield step, view, linear


def _is_global_mean(module: nn.Module) -> bool:
    return isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1), [1, 1])


def _shapes(graph: Captured, evidence: Evidence) -> dict[int, tuple[int, ...]]:
    """By step.output of the first step of each stage the shape of an image of what it reads."""
    plan, found = evidence.plan(evidence.quantized(graph)), {}

    def step(stage: Stage, xs: list[Any]) -> Any:
        if stage.steps and isinstance(xs[0], torch.Tensor):
            found[stage.steps[0].output] = tuple(xs[0].shape[1:])
        return in_float(stage, xs)

    image = [x[:1] for x in evidence.images]
    with torch.no_grad():
        plan.walk(plan.values_of(image), step)
    return found


def _merged(linear: nn.Linear, cells: int) -> MeanLinear:
    """On the same weights."""
    (outputs, inputs), bias = linear.weight.shape, linear.bias
    return shell(
        lambda: MeanLinear(inputs, outputs, bias is not None, cells), weight=linear.weight, bias=bias
    )
