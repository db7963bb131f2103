"""One search, from the model with the most bits to the result: plan, noise, strategy, and what stops it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..accuracy.judge import integer_outputs
from .costs import cheaper_bits
from .evaluate import Evaluator, Point, frozen_of, in_words, interleaved
from .items import ACTIVATIONS, WEIGHTS, Network
from .metric import Budget
from .order import Options
from .plan import OutOfTime, SearchPlan
from .result import MOST, SearchResult
from .sensitivity import chosen_images, measure_noise
from .strategy import Strategy

_FASTER = 0.98  # of a time: less is no gain that another measurement would show
_FINALISTS, _FINAL_ROUNDS = 3, 20


class Run:
    """Called once; returns the best that it knows also where time, evaluations or patience end."""

    def __init__(
        self,
        evaluator: Evaluator,
        network: Network,
        candidates: Mapping[str, Sequence[int]],
        cost: str,
        budget: Budget,
    ):
        self.evaluator, self.network, self.candidates = evaluator, network, candidates
        self.cost, self.budget = cost, budget
        base = evaluator.base
        assert base._evidence is not None and base._method is not None
        self._plan = base._evidence.plan(base)
        self._corrected = bool(base._method.steps)
        self._images = chosen_images(self._plan, base._evidence.images)

    def __call__(
        self, minutes: float | None, parted: bool, planned: Callable[[SearchPlan], Any] | None
    ) -> SearchResult:
        evaluator, top = self.evaluator, self.evaluator.top
        first = evaluator.point(top, MOST)
        options = cheaper_bits(evaluator.prices, top, self.candidates)
        plan = self._planned(options, minutes, parted)
        strategy = Strategy(evaluator, self.budget)
        strategy.try_(top, MOST)
        note = stopped = ""
        try:
            if (planned or _show)(plan) is False:
                raise OutOfTime("the plan was declined")
            if not self.budget.met(first.metric):
                note = "Even the most bits miss the budget, so fewer were not searched"
            elif not options:
                note = f"No fewer bits save {self.cost.replace('_', ' ')} here"
            else:
                strategy.uniform(options)
                noise = measure_noise(
                    self._plan,
                    self._images,
                    options,
                    self._corrected,
                    evaluator.clock,
                    evaluator.state.recall,
                )
                strategy.along({i: [b for b in bits if b in noise[i]] for i, bits in options.items()}, noise)
        except (OutOfTime, KeyboardInterrupt) as why:
            stopped = str(why) or "interrupted"
        best = strategy.best or first
        if self.cost == "milliseconds" and best is not first:
            best = self._fastest(best, first, timed_again=not stopped)
            if best.bits == top:
                note = "No bits within the budget were measurably faster, so the most are kept"
        return SearchResult(
            evaluator.model(best.bits), best, sorted(evaluator.points.values(), key=_by_size),
            self.budget.float_value, self.budget.met(best.metric), self.cost, self.budget, plan,
            evaluator.clock.spent, stopped, note, list(evaluator.failed.values()),
        )  # fmt: skip

    def _planned(self, options: Options, minutes: float | None, parted: bool) -> SearchPlan:
        start = time.monotonic()
        with torch.no_grad():
            integer_outputs(self._plan, self._images)
        seconds = time.monotonic() - start
        images = len(self.evaluator.metric.samples)
        count = sum(map(len, options.values()))
        return SearchPlan(
            cost=self.cost,
            metric=self.evaluator.metric.name,
            budget=str(self.budget),
            calibrating=f"every fifth image calibrates, the other {images:,} judge; no image does both"
            if parted
            else f"{images:,} images judge; the calibration data calibrate",
            layers=len(self.network.layers),
            items={kind: sum(item.kind == kind for item in options) for kind in (WEIGHTS, ACTIVATIONS)},
            options=count,
            evaluations=self.evaluator.left,
            seconds_noise=0.5 * count * seconds,
            seconds_each=self.evaluator.seconds_each,
            minutes=minutes,
            known=self.evaluator.state.known,
        )

    def _fastest(self, best: Point, first: Point, timed_again: bool) -> Point:
        """Of the points within the budget the fastest: a few finalists are timed once more, all in turn.

        Of sixty noisy times the least is luck. What is not clearly slower counts as equal, and then the
        most bits win, or the better metric.
        """
        evaluator = self.evaluator
        met = sorted(
            (p for p in evaluator.points.values() if self.budget.met(p.metric)), key=lambda p: p.milliseconds
        )
        finalists = list({in_words(p.bits): p for p in (first, best, *met[:_FINALISTS])}.values())
        times = [p.milliseconds for p in finalists]
        if timed_again and len(finalists) > 1:
            times = evaluator.state.recall(
                f"finals {[in_words(p.bits) for p in finalists]}",
                lambda: interleaved([frozen_of(evaluator.model(p.bits)) for p in finalists], _FINAL_ROUNDS),
            )
        equal = [p for p, t in zip(finalists, times, strict=True) if _FASTER * t <= min(times)]
        found = first if first in equal else max(equal, key=lambda p: (p.metric, -p.bytes))
        drift = first.milliseconds / times[0]
        for p, t in zip(finalists, times, strict=True):
            evaluator.retimed(p, t * drift)
        return evaluator.point(found.bits, found.found)


def _by_size(point: Point) -> tuple[int, float]:
    return (-point.bytes, -point.metric)


def _show(plan: SearchPlan) -> None:
    """The plan is part of the progress: only where a person looks on."""
    if sys.stderr.isatty():
        print(plan, file=sys.stderr)
