"""Walks a network layer by layer over many images, in float and in integers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..modules.weighted import QWeighted
from ..plans import Plan
from ..progress import progress_bar
from ..stages import Stage, Value, in_float, real
from ..tuning import Tuning

#: What all live tensors of a sweep may take together, float and codes.
BUDGET_BYTES = 1 << 30
_CHUNK = 16  # images that the integers take at a time


@dataclass
class Visit:
    """One stage: `floats` are its inputs (n, ...) in float, `values` the same behind the integers before it,
    `target` its result in float. Numbers that follow the inputs' sizes stand for themselves."""

    stage: Stage
    floats: list[Any]
    values: list[Value]
    target: Any
    retuned: list[tuple[QWeighted, Tuning]]

    @property
    def reals(self) -> list[torch.Tensor]:
        """What the integers give it, as float32 (n, ...)."""
        return [real(*value) for value in self.values]

    def retune(self, tuning: Tuning) -> None:
        """Gives a layer with weights other integers, before the walk goes on with them."""
        layer = self.stage.layer
        assert isinstance(layer, QWeighted)
        self.retuned.append((layer, layer.tuning))
        _tune(layer, tuning)

    def result(self, whole: bool) -> Value:
        """What the stage's integers give, codes in one byte each; in parts unless `whole`."""
        if whole:
            y, q = self.stage.run(self.values)
        else:
            count = len(self.values[0][0])
            cut = [[(_part(x, i), q) for x, q in self.values] for i in range(0, count, _CHUNK)]
            parts = [self.stage.run(values) for values in cut]
            y, q = torch.cat([y for y, _ in parts]), parts[0][1]
        return (y if q is None else y.to(torch.uint8)), q


def sweep(plan: Plan, images: Sequence[torch.Tensor], what: str = "walking the layers") -> Iterator[Visit]:
    """Visits every stage of a frozen plan in order; what the visitor retunes counts until the walk ends.

    images: float32 (n, ...), one for each input of the network. The float results are computed one
    image at a time: torch's own sums would change their last bits with the batch size, and what is
    gathered here must not depend on how the data was split. Where operators stay float, which may look
    at the batch as a whole, all images go together.
    """
    whole = bool(plan.captured.missing)
    floats = plan.values_of(images)
    values: dict[int, Any] = {v: (x, None) for v, x in floats.items()}
    retuned: list[tuple[QWeighted, Tuning]] = []
    try:
        with torch.no_grad(), progress_bar(what, len(plan.stages)) as advance:
            for stage in plan.stages:
                xs = [floats[v] for v in stage.inputs]
                target = in_float(stage, xs) if whole else _one_by_one(stage, xs)
                visit = Visit(stage, xs, [values[v] for v in stage.inputs], target, retuned)
                yield visit
                floats[stage.output], values[stage.output] = visit.target, visit.result(whole)
                for value in stage.frees:
                    del floats[value], values[value]
                advance(1, stage.name)
    finally:
        for layer, tuning in reversed(retuned):
            _tune(layer, tuning)


def _tune(layer: QWeighted, tuning: Tuning) -> None:
    layer.tuning = tuning
    layer.freeze(None if layer.has_qin else layer.q_in)


def _one_by_one(stage: Stage, xs: Sequence[Any]) -> Any:
    return torch.cat([in_float(stage, [_part(x, i, 1) for x in xs]) for i in range(len(xs[0]))])


def _part(x: Any, first: int, count: int = _CHUNK) -> Any:
    return x[first : first + count] if isinstance(x, torch.Tensor) else x


def images_that_fit(plan: Plan, images: Sequence[torch.Tensor], budget: int = BUDGET_BYTES) -> int:
    """How many images a sweep can hold at once in `budget` bytes, at least 1."""
    floats = plan.values_of([x[:1] for x in images])
    peak = 0
    with torch.no_grad():
        for stage in plan.stages:
            xs = [floats[v] for v in stage.inputs]
            floats[stage.output] = in_float(stage, xs)
            # A float and a code for each number, and the stage's own inputs as reals.
            peak = max(peak, 5 * _numbers(floats.values()) + 8 * _numbers([*xs, floats[stage.output]]))
            for value in stage.frees:
                del floats[value]
    return max(1, budget // max(peak, 1))


def _numbers(tensors: Any) -> int:
    return sum(x.numel() for x in tensors if isinstance(x, torch.Tensor))
