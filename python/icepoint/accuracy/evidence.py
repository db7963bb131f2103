"""Evidence: the calibration data as accuracy methods may use it, and the models that are observed on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ..calibration_data import BATCH, Batches, bounded
from ..capture import Captured, Source
from ..distributed import workers
from ..options import Options
from ..plans import Plan, Plans
from ..quantized import QuantizedModel
from ..recipe import Recipe
from .judge import Judgement, float_outputs, integer_outputs, judge


class Evidence:
    """What `icepoint.quantize` was given, held so that a method can look at it more than once.

    `images`: float32 (n, ...), one for each input: the first of the calibration images, as many as
    calibration_data.Batches holds. Ranges are observed on all the data: where a method asks again, on
    what is held if that is all, else on the data once more, if it can be iterated again.
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
        self.images: list[torch.Tensor] = []
        self._data = [data]
        self._made: list[tuple[Captured, QuantizedModel]] = []
        self._expected: list[torch.Tensor] | None = None

    def with_options(self, options: Options) -> Evidence:
        """The same data for integers of other bits or another scheme."""
        found = Evidence(self.source, self.original, options, self.examples, self.recipe, None)
        found._data, found.images, found._expected = self._data, self.images, self._expected
        return found

    def with_more(self, batches: Batches, data: Any) -> Evidence:
        """This evidence and another pass over `data`, which `batches` saw."""
        found = self.with_options(self.options)
        found.images, found._expected = bounded([tuple(self.images), *batches.held]), None
        found._data = [*self._data, _to_see_again(batches, data)]
        return found

    def forget(self) -> None:
        """Drops what was made on the way: models, and float outputs of a part of the images."""
        self._made = []
        if workers().size > 1:
            self._expected = None

    @property
    def batches(self) -> list[tuple[torch.Tensor, ...]]:
        """The images in batches (n, ...)."""
        return list(zip(*(x.split(BATCH) for x in self.images), strict=True))

    def quantized(self, graph: Captured) -> QuantizedModel:
        """The model of integers of a graph: observed on the data, its integers fixed."""
        for known, q in self._made:
            if known is graph:
                return q
        plans = Plans(self.source, self.original, graph, self.options.stages)
        q = QuantizedModel(plans, self.examples, self.recipe).eval()
        for i, data in enumerate(self._data):
            batches = q._observe(data)
            if not self.images:
                self.images = bounded(batches.held)
                self._data[i] = _to_see_again(batches, data)
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
        if self._expected is None:
            self._expected = float_outputs(self.plan(self.quantized(self.original)), mine)
        return judge(self._expected, integer_outputs(plan, mine), share)


def _to_see_again(batches: Batches, data: Any) -> Any:
    """What stands for data when its ranges are observed anew: all that is held of it, or itself."""
    gone = isinstance(data, Iterator)  # a generator
    return batches.held if gone or batches.all_held else data
