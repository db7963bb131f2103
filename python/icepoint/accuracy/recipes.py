"""Recipes: which methods are tried on a model, in which order, and that only what helps is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..capture import Captured
from ..options import Options
from ..quantized import QuantizedModel
from .adaround import adaround
from .clip_weights import clip_weights
from .correct_bias import correct_bias
from .correct_bias_analytic import correct_bias_analytic
from .equalize import equalize
from .evidence import Evidence
from .fold_batchnorm import fold_batchnorm
from .judge import Judgement
from .merge_means import merge_means
from .reestimate_batchnorm import reestimate_batchnorm
from .round_weights import round_small_weights, round_weights
from .smooth import smooth
from .split_channels import split_channels, split_more_channels

GraphStep = Callable[[Captured, Evidence], Captured]

#: Every method by the name that `recipe=[...]` and `--recipe` take.
STEPS: dict[str, GraphStep] = {
    "fold_batchnorm": fold_batchnorm,
    "merge_means": merge_means,
    "equalize": equalize,
    "smooth": smooth,
    "split_channels": split_channels,
    "split_more_channels": split_more_channels,
    "reestimate_batchnorm": reestimate_batchnorm,
    "clip_weights": clip_weights,
    "correct_bias_analytic": correct_bias_analytic,
    "correct_bias": correct_bias,
    "round_weights": round_weights,
    "round_small_weights": round_small_weights,
    "adaround": adaround,
}


@dataclass(frozen=True)
class Trial:
    """What one method did: the integers against float before and after it, and whether it stayed."""

    method: str
    before: Judgement
    after: Judgement
    kept: bool

    def __str__(self) -> str:
        return f"{self.method}: {self.before} -> {self.after}, {'kept' if self.kept else 'not kept'}"


@dataclass(frozen=True)
class Method:
    """Methods in order; those of a tuple are judged as one. Where the caller names no observer ranges are by
    min-max, or by `few_bits_observer` where they have fewer than 8 bits, and by `input_observer` where
    floats become 8 bits of any scale.

    `measured`: each stays only where the outputs' SQNR on the held images rises.
    """

    name: str
    steps: tuple[GraphStep | tuple[GraphStep, ...], ...]
    few_bits_observer: str | None = None
    input_observer: str | None = None
    measured: bool = True

    @classmethod
    def of(cls, given: Any) -> Method:
        """Of "fast", "accurate", "max", a name of STEPS, a callable, or a sequence of these two.

        What is named one by one is applied without asking. ValueError for anything else.
        """
        if isinstance(given, Method):
            return given
        if isinstance(given, str) and given in RECIPES:
            return RECIPES[given]
        parts = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        steps = tuple(STEPS.get(part, part) if isinstance(part, str) else part for part in parts)
        for part, step in zip(parts, steps, strict=True):
            if not callable(step):
                raise ValueError(
                    f"quantize.recipe: expected one of {', '.join(RECIPES)}, or a list of {', '.join(STEPS)} "
                    f"and functions (graph, evidence) -> graph, found {part!r}"
                )
        return cls(", ".join(_name(step) for step in steps), steps, measured=False)

    @torch.autocast("cpu", enabled=False)  # integers stand for float32, wherever quantize is called
    @torch.inference_mode(False)  # and calibrate: methods may ask for gradients
    def apply(self, evidence: Evidence) -> QuantizedModel:
        """The model of integers after all methods; `trials` tells what each did."""
        asked = evidence
        evidence = asked.with_options(**self._observers(asked.options))
        graph = evidence.original
        q, trials = evidence.quantized(graph), []
        judgement = evidence.judge(q) if self.steps else None
        for step in self.steps:
            assert judgement is not None
            tried, names = graph, []
            for method in step if isinstance(step, tuple) else (step,):
                made = method(tried, evidence)
                if made is not tried:
                    tried, names = made, [*names, _name(method)]
            if not names:
                continue
            model = evidence.quantized(tried)
            after = evidence.judge(model)
            kept = not self.measured or after.sqnr_db > judgement.sqnr_db
            trials.append(Trial(", ".join(names), judgement, after, kept))
            if kept:
                graph, q, judgement = tried, model, after
        evidence.forget()
        q.made_by(asked, self, trials)
        return q

    def _observers(self, asked: Options) -> dict[str, str | None]:
        mine = asked.observer is None
        return {
            "few_bits_observer": self.few_bits_observer if mine else None,
            "input_observer": self.input_observer if mine and not asked.power_of_two else None,
        }


def _name(step: GraphStep) -> str:
    return getattr(step, "__name__", type(step).__name__)


#: "fast" is the plain arithmetic of docs/numerics.md over the observed ranges. Clipping them wins nothing
#: at 8 bits and may cost where new data goes beyond the calibration images; with fewer bits it wins much.
RECIPES = {
    "fast": Method("fast", ()),
    "accurate": Method("accurate", (merge_means, (split_channels, round_small_weights)), "mse", "pixels"),
    "max": Method("max", (merge_means, correct_bias, (split_more_channels, round_weights)), "mse", "pixels"),
}
