"""What flows through a network in training: a float tensor with gradients, and the codes that it equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..capture import Ending, Reshape
from ..modules import QFunction, QModule
from ..modules.affine import QAffine
from ..modules.weighted import QWeighted
from ..stages import Stage, Value, ended, real
from .batch_norm import NORMS, BatchCorrection


@dataclass
class Flow:
    """A value: `simulated`, float32 with gradients, None where nobody asks for them; `exact`, its codes and
    what they mean (of a network's input the floats themselves), None in a pure simulation."""

    simulated: torch.Tensor | None
    exact: Value | None

    def output(self, function: Ending | None) -> torch.Tensor:
        """What leaves the network, behind the function that ends it there."""
        in_float = self.simulated
        if in_float is not None and function is not None:
            in_float = function.in_float(in_float)
        if self.exact is None:
            return in_float
        found = ended(*self.exact, function)
        if in_float is None or not found.is_floating_point():
            return found
        return _StraightThrough.apply(in_float, found)


def run_stage(stage: Stage, given: Sequence[Flow], by_batch: bool) -> Flow:
    """One stage: makes its integers of what was learned, simulates it, and computes with the integers.

    `by_batch`: a BatchNorm in it takes the statistics of this batch, and moves its running ones.
    """
    layer, exact = stage.layer, given[0].exact is not None
    if by_batch and normalizes(layer):
        simulated = _by_batch(layer, given[0].simulated, exact)
    else:
        if isinstance(layer, QFunction if not exact else QModule):  # a simulated function reads its table
            layer.freeze()
        floats = [flow.simulated for flow in given]
        simulated = None if floats[0] is None else layer(*floats)
    if not exact:
        return Flow(simulated, None)
    y, q = stage.run([flow.exact for flow in given])
    result = (y if q is None else y.to(torch.uint8)), q  # four times less memory than the notebook's int32
    if simulated is not None and not isinstance(layer, Reshape):  # which moves exact values
        simulated = _StraightThrough.apply(simulated, real(*result))
    return Flow(simulated, result)


def normalizes(layer: torch.nn.Module) -> bool:
    """Whether a layer has a BatchNorm in it."""
    return isinstance(layer, (QWeighted, QAffine)) and any(isinstance(m, NORMS) for m in layer.maps_behind())


def _by_batch(layer: QWeighted | QAffine, x: torch.Tensor, exact: bool) -> torch.Tensor:
    y = layer.begin(x)
    correction = BatchCorrection(layer.maps_behind(), y)
    if exact:
        layer.restate(correction.gain, correction.offset)
    simulated = layer.finish(correction.corrected())
    correction.update_running()
    return simulated


class _StraightThrough(torch.autograd.Function):
    """The value of `exact`, bit for bit, with the gradient of `simulated` (Bengio et al., 2013).

    simulated + (exact - simulated).detach() rounds twice and misses the exact value.
    """

    @staticmethod
    def forward(ctx: Any, simulated: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor):
        return grad, None
