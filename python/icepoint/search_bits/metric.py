"""What is to be kept: right answers, answers equal to float's, or any number that a function gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .samples import Samples

Predict = Callable[..., Any]
Function = Callable[[Predict, list[tuple[torch.Tensor, ...]]], float]

METRICS = ("top1", "agreement")
_ROUNDING = 1e-9  # 0.005 of 800 images are four, whatever the last bits of the difference say


class Metric:
    """A number of a model on the images that judge, greater is better; `float_value` is the float model's.

    `given`: "top1" (the greatest output is the label, which may be a map of labels), "agreement" (it is
    the float model's) or a function of predict and the batches. ValueError where they do not fit the data.
    """

    def __init__(self, given: str | Function, samples: Samples, model: torch.nn.Module):
        self.samples = samples
        if isinstance(given, str):
            if given not in METRICS:
                raise ValueError(
                    f"search.metric: expected {' or '.join(METRICS)} or a function, found {given!r}"
                )
            if given == "top1" and samples.labels is None:
                raise ValueError('search.metric: "top1" needs labels, found none; "agreement" needs none')
            self.name = given
        else:
            if not callable(given):
                raise ValueError(f"search.metric: expected a name or a function, found {given!r}")
            self.name = f"{given.__module__}.{getattr(given, '__qualname__', type(given).__qualname__)}"
        self._given, self._truth = given, samples.labels
        if given == "agreement":
            self._truth = self._answers(model)
        #: Whether it counts images: one answer each.
        self.counts = isinstance(given, str) and self._truth is not None and self._truth.dim() == 1
        self.float_value = self.of(model)

    def of(self, predict: Predict) -> float:
        """The metric of a model, called as the float model is. ValueError for what is no finite number."""
        with torch.no_grad():
            if callable(self._given):
                found = float(self._given(predict, self.samples.batches()))
                if not math.isfinite(found):
                    raise ValueError(f"search.metric: {self.name} gave {found}, expected a finite number")
                return found
            answers = self._answers(predict)
        truth = self._truth
        assert truth is not None
        if answers.shape != truth.shape:
            raise ValueError(
                f"search.metric: the model answers {tuple(answers.shape)}, the labels are "
                f"{tuple(truth.shape)}; give a function as metric"
            )
        return float((answers == truth).double().mean())

    def _answers(self, predict: Predict) -> torch.Tensor:
        """int64 (n, ...): the place of the greatest output, or the output where it is an integer already."""
        found = []
        with torch.no_grad():
            for batch in self.samples.batches():
                y = predict(*batch[: len(self.samples.images)])
                if not isinstance(y, torch.Tensor) or y.dim() < 1 or (y.is_floating_point() and y.dim() < 2):
                    raise ValueError(
                        f'search.metric: "{self._given}" needs one output (n, classes, ...); give a function'
                    )
                found.append(y.argmax(1) if y.is_floating_point() else y)
        return torch.cat(found)


class Budget:
    """How far the metric may fall below float's, told in images too."""

    def __init__(self, max_drop: float, metric: Metric):
        if not (isinstance(max_drop, (int, float)) and math.isfinite(max_drop) and max_drop >= 0):
            raise ValueError(f"search.max_drop: expected a number >= 0, found {max_drop!r}")
        self.max_drop, self.float_value = float(max_drop), metric.float_value
        self.images = len(metric.samples)
        self.counts = metric.counts

    def met(self, value: float) -> bool:
        return self.float_value - value <= self.max_drop + _ROUNDING

    def __str__(self) -> str:
        told = f"at most {self.max_drop:g} below float's {self.float_value:.4f} on {self.images:,} images"
        if not self.counts:
            return told
        allowed = math.floor(self.max_drop * self.images + 1e-6)
        return f"{told}: {allowed:,} image{'' if allowed == 1 else 's'}, one is {1 / self.images:.2g}"
