"""Evidence: the calibration data as accuracy methods may use it, and the models that are observed on it."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ..calibration_data import BATCH, Batches, bounded
from ..capture import Captured, Source
from ..distributed import workers
from ..options import Options
from ..plans import Plan, Plans
from ..quantized import QuantizedModel
from ..recipe import Recipe
from .judge import Judgement, float_outputs, integer_outputs, judge


@dataclass
class _Seen:
    """What all evidence of one call of quantize shares: the data, what is held of it, its float outputs."""

    data: list[Any]
    images: list[torch.Tensor] = field(default_factory=list)
    expected: list[torch.Tensor] | None = None


class Evidence:
    """What `icepoint.quantize` was given, held so that a method can look at it more than once.

    `images`: float32 (n, ...), one for each input: the first of the calibration images, as many as
    calibration_data.Batches holds. Ranges are observed on all the data: where a method asks again, on
    what is held if that is all, else on the data once more, or on what is held where nothing comes any more.
    """

    def __init__(
        self,
        source: Source,
        graph: Captured,
        options: Options,
        examples: Sequence[torch.Tensor],
        recipe: Recipe | None,
        data: Any,
    ):
        self.source, self.original, self.options = source, graph, options
        self.examples, self.recipe = list(examples), recipe
        self._seen = _Seen([data])
        self._made: list[tuple[Captured, QuantizedModel]] = []

    @property
    def images(self) -> list[torch.Tensor]:
        return self._seen.images

    def with_options(self, **options: Any) -> Evidence:
        """The same data for integers of other bits, another scheme or other ranges."""
        found = Evidence(
            self.source, self.original, replace(self.options, **options), self.examples, self.recipe, None
        )
        found._seen = self._seen
        return found

    def with_more(self, batches: Batches, data: Any) -> Evidence:
        """This evidence and another pass over `data`, which `batches` saw."""
        found = self.with_options()
        images = bounded([tuple(self.images), *batches.held])
        again = _to_see_again(batches, data, bounded(batches.held))
        found._seen = _Seen([*self._seen.data, again], images)
        return found

    def forget(self) -> None:
        """Drops what was made on the way: models, and float outputs of a part of the images."""
        self._made = []
        if workers().size > 1:
            self._seen.expected = None

    @property
    def batches(self) -> list[tuple[torch.Tensor, ...]]:
        """The images in batches (n, ...)."""
        return _batches(self.images)

    def quantized(self, graph: Captured) -> QuantizedModel:
        """The model of integers of a graph: observed on the data, its integers fixed."""
        for known, q in self._made:
            if known is graph:
                return q
        plans = Plans(self.source, self.original, graph, self.options.stages)
        q = QuantizedModel(plans, self.examples, self.recipe).eval()
        for i, data in enumerate(self._seen.data):
            batches = q._observe(data)
            if not self.images:
                self._seen.images = bounded(batches.held)
                self._seen.data[i] = _to_see_again(batches, data, self.images)
        q.fix()
        self._made = [*self._made[-2:], (graph, q)]
        return q

    def plan(self, q: QuantizedModel) -> Plan:
        """The plan of a model for the images' size."""
        return q._plans.of(self.images)

    def __deepcopy__(self, memo: dict[int, Any]) -> Evidence:
        return self

    def judge(self, q: QuantizedModel) -> Judgement:
        """The integers of `q` against the float network as it was given, on the held images."""
        plan = self.plan(q)
        share = workers().share(len(self.images[0]), not plan.captured.missing)
        mine = [share.of(x) for x in self.images]
        if self._seen.expected is None:
            self._seen.expected = float_outputs(self.plan(self.quantized(self.original)), mine)
        return judge(self._seen.expected, integer_outputs(plan, mine), share)


def _to_see_again(batches: Batches, data: Any, images: Sequence[torch.Tensor]) -> Any:
    """What stands for data when its ranges are observed anew: all that is held of it, or itself."""
    if batches.all_held:
        return batches.held  # cut as it came: torch's last bits depend on it
    known = isinstance(data, (str, os.PathLike, torch.Tensor, np.ndarray))
    return data if known or not isinstance(data, Iterable) else _Again(data, images)


class _Again:
    """Batches once more, or, where they came only once (from a generator), the images held of them."""

    def __init__(self, data: Iterable[Any], images: Sequence[torch.Tensor]):
        self._data, self._images = data, images

    def __length_hint__(self) -> int:
        return operator.length_hint(self._data, 0)

    def __iter__(self) -> Iterator[Any]:
        gone = True
        for batch in self._data:
            gone = False
            yield batch
        if gone:
            yield from _batches(self._images)


def _batches(images: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
    return list(zip(*(x.split(BATCH) for x in images), strict=True))
