"""The stages of a network for inputs of one size, and for every other one that it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .capture import Captured, Reshape, Source, alike, carried
from .capture.carried import differs, first_difference
from .modules import QInput, QModule
from .modules.weighted import QWeighted
from .qparams import QParam
from .stages import Stage, own_qparam
from .tuning import Tuning

Shapes = tuple[tuple[int, ...], ...]

_NOT_PICKLED = ("_source", "_original", "_stages_of")


@dataclass
class Plan:
    """Stages in an order in which they can run; their values are those of `captured`."""

    captured: Captured
    stages: list[Stage]

    def values_of(self, images: Sequence[torch.Tensor]) -> dict[int, Any]:
        """What a walk begins with: the images (n, ...) of each input, and the sizes that follow them."""
        return {**dict(enumerate(images)), **self.captured.sizes.values(images)}

    def walk(self, values: dict[int, Any], step: Callable[[Stage, list[Any]], Any]) -> list[Any]:
        """Carries the inputs and sizes in `values` through the stages by `step`; gives the outputs.

        Each value is kept only as long as someone reads it.
        """
        for stage in self.stages:
            values[stage.output] = step(stage, [values[v] for v in stage.inputs])
            for value in stage.frees:
                del values[value]
        return [values[v] for v in self.captured.outputs]

    def qparams(self, fix: bool) -> dict[int, QParam | None]:
        """What the codes of every value mean, None for a float; with `fix` layers freeze on the way."""
        found: dict[int, QParam | None] = dict.fromkeys(range(len(self.captured.inputs)))
        found |= dict.fromkeys(self.captured.sizes.expressions)
        for stage in self.stages:
            found[stage.output] = _qparam(stage, [found[v] for v in stage.inputs], fix)
        return found


class Plans:
    """Plans by the inputs' shapes. What observes or has weights is one layer for all of them.

    `original` is what `source` reads for the example's size and `graph` what a recipe made of it; what
    changed is carried over to other sizes. `stages_of` makes the stages of a graph. A copy from a pickle
    knows the sizes that were used before: torch's graphs, which tell of others, cannot travel.
    """

    def __init__(
        self,
        source: Source,
        original: Captured,
        graph: Captured,
        stages_of: Callable[[Captured], list[Stage]],
    ):
        self._source: Source | None = source
        self._original: Captured | None = original
        self._stages_of: Callable[[Captured], list[Stage]] | None = stages_of
        self.first = Plan(graph, stages_of(graph))
        self._others: dict[Shapes, Plan] = {}

    def of(self, inputs: Sequence[torch.Tensor]) -> Plan:
        """The plan for these inputs. ValueError, naming the layer, where the network does not take them."""
        sizes = self.first.captured.sizes
        if len(inputs) != len(sizes.examples):
            raise ValueError(f"expected {len(sizes.examples)} inputs, found {len(inputs)}")
        shapes = tuple(tuple(x.shape[1:]) for x in inputs)
        if shapes == tuple(example[1:] for example in sizes.examples):
            return self.first
        if shapes not in self._others:
            self._others[shapes] = self._for([tuple(x.shape) for x in inputs])
        return self._others[shapes]

    def forget(self) -> None:
        """Drops what was made for other sizes; the layers' ranges change."""
        self._others.clear()

    def _for(self, shapes: Sequence[tuple[int, ...]]) -> Plan:
        if self._source is None or self._stages_of is None or self._original is None:
            raise ValueError(
                f"found inputs of shape {', '.join(map(str, shapes))}: a QuantizedModel from a pickle takes "
                "the sizes that it had seen before; quantize again for others"
            )
        read = self._source.read(shapes)
        name = None if self.first.captured is self._original else differs(read, self._original)
        if name is None:
            captured = carried(self.first.captured, self._original, read)
            plan = Plan(captured, self._stages_of(captured))
            name = first_difference(_described(plan), _described(self.first))
        if name is not None:
            raise ValueError(
                f"found inputs of shape {', '.join(map(str, shapes))}: there the network is another one than "
                f"for the example, from {name} on; quantize it with an example of this size"
            )
        for stage, calibrated in zip(plan.stages, self.first.stages, strict=True):
            _share(stage, calibrated)
        if any(isinstance(s.layer, QModule) and s.layer.frozen for s in self.first.stages):
            plan.qparams(fix=True)
        return plan

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | dict.fromkeys(_NOT_PICKLED)

    def __deepcopy__(self, memo: dict[int, Any]) -> Plans:
        made = object.__new__(Plans)
        memo[id(self)] = made
        shared = {name: getattr(self, name) for name in _NOT_PICKLED}
        made.__dict__.update(
            {k: copy.deepcopy(v, memo) for k, v in self.__dict__.items() if k not in shared} | shared
        )
        return made


def _described(plan: Plan) -> list[tuple[str, Any]]:
    return [(stage.name, type(stage.layer)) for stage in plan.stages]


def _share(stage: Stage, calibrated: Stage) -> None:
    """Gives a stage for another size the calibrated layer, or one with other constants its ranges.

    A constant may follow the size, as in x * x.shape[2]; so do the windows of a pool to (1, None). What a
    method tuned for weights with another constant in them is not for these.
    """
    if own_qparam(stage.layer) is None:  # it only moves, or is a float operator on the model's parameters
        return
    steps, known = stage.steps, calibrated.steps
    if len(steps) == len(known) and all(alike(a.module, b.module) for a, b in zip(steps, known, strict=True)):
        stage.layer = calibrated.layer
        return
    stage.layer.train(calibrated.layer.training)
    stage.layer.q_out = calibrated.layer.q_out
    if isinstance(stage.layer, QWeighted):
        stage.layer.tuning = Tuning(dither=stage.layer.tuning.dither)


def _qparam(stage: Stage, given: list[QParam | None], fix: bool) -> QParam | None:
    """The QParam of a stage's output."""
    layer = stage.layer
    if not isinstance(layer, QModule):
        return given[0] if isinstance(layer, Reshape) else None
    if fix and isinstance(layer, QInput):
        layer.freeze()
    elif fix:
        layer.freeze(given[0] if len(given) == 1 else given)
    return layer.q_result
