"""BatchNorm, and constants a channel, folded into the weights before them: the same function, fewer steps."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from ..capture import Captured, Step
from ..layers import WEIGHTED, following_maps
from ..modules.folding import fold
from .evidence import Evidence
from .weighted import weights_of, with_weights


def fold_batchnorm(graph: Captured, evidence: Evidence | None = None) -> Captured:
    """Every map gain x + offset that alone reads a layer with weights becomes part of that layer.

    W' = g W and b' = g b + o in double; W' is rounded once to float32. What float32 cannot hold of b'
    goes into the tuning, so the integers have the same bytes as without this step. Other methods
    (equalize) need weights that nothing scales any more.
    """
    reader = graph.only_reader()
    gone: dict[int, int] = {}  # the result of a folded map -> that of the layer
    made: dict[int, Step] = {}
    for step in graph.steps:
        maps = following_maps(step, reader) if isinstance(step.module, WEIGHTED) else []
        if maps:
            made[step.output] = _folded(step, [m.module for m in maps])
            gone |= {m.output: step.output for m in maps}
    if not made:
        return graph
    steps = [made.get(step.output, step) for step in graph.steps if step.output not in gone]
    steps = [replace(step, inputs=[gone.get(v, v) for v in step.inputs]) for step in steps]
    return replace(graph, steps=steps, outputs=[gone.get(v, v) for v in graph.outputs])


def _folded(step: Step, maps: list[nn.Module]) -> Step:
    weight, exact = fold(*weights_of(step.module), maps)
    exact = exact.detach()
    bias = exact.float()
    rest = exact - bias.double()  # b' is double; the layer's own is float32
    tuned = step.tuning.bias  # is added behind the fold, with BatchNorm in the layer or before it
    tuning = replace(step.tuning, bias=rest if tuned is None else rest + tuned)
    return replace(step, module=with_weights(step.module, weight.detach(), bias), tuning=tuning)
