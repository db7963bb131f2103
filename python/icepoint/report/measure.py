"""Walks a network in float and in integers side by side, and gathers what the report says of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..plans import Plan
from ..progress import progress_bar
from ..stages import in_float, real
from .outputs import Outputs
from .sums import LayerSums

IMAGES_AT_ONCE = 8  # of the sample: a layer of VGG16 has 12 MB of floats an image


@dataclass(frozen=True)
class Visit:
    """One stage on one group of images, in float and behind the integers."""

    xs: list[Any]
    y: Any
    reals: list[Any]
    result: Any


def measured(plan: Plan, sample: Sequence[torch.Tensor]) -> tuple[list[LayerSums], Outputs]:
    """Sums for each stage, and the outputs of float and integers compared, over the whole sample."""
    found, outputs = [LayerSums(stage) for stage in plan.stages], Outputs()
    parts = list(zip(*(x.split(IMAGES_AT_ONCE) for x in sample), strict=True))
    with torch.no_grad(), progress_bar("measuring layers", len(parts) * len(found)) as advance:
        for part in parts:
            walk = SideBySide(plan, part)
            for sums, visit in zip(found, walk.visits(), strict=True):
                sums.add(visit.xs, visit.y, visit.reals, visit.result)
                advance(1, sums.stage.name)
            outputs.add(*walk.outputs())
    return found, outputs


class SideBySide:
    """A group of images on its way through the plan; values live as long as someone reads them."""

    def __init__(self, plan: Plan, images: Sequence[torch.Tensor]):
        self._plan = plan
        self._floats = plan.values_of(images)
        self._values: dict[int, Any] = {v: (x, None) for v, x in self._floats.items()}

    def visits(self) -> Iterator[Visit]:
        """The stages in order; once they are through, `outputs` has the networks' results."""
        floats, values = self._floats, self._values
        for stage in self._plan.stages:
            xs, given = [floats[v] for v in stage.inputs], [values[v] for v in stage.inputs]
            floats[stage.output] = in_float(stage, xs)
            values[stage.output] = stage.run(given)
            yield Visit(xs, floats[stage.output], [real(*v) for v in given], real(*values[stage.output]))
            for value in stage.frees:
                values.pop(value)
                floats.pop(value)

    def outputs(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Of float and of integers, flat, in front of what ends the network."""
        numbers = self._plan.captured.outputs
        return [self._floats[v] for v in numbers], [real(*self._values[v]) for v in numbers]
