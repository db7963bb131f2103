"""What methods that choose integers share: a walk through the layers in which each gets a tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..capture import Captured
from ..distributed import Share, workers
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .evidence import Evidence
from .sweep import Visit, images_that_fit, sweep

#: A layer's new tuning from its old one and what this worker's share of the images shows; None leaves it.
Tune = Callable[[Visit, QWeighted, Tuning, Share], Tuning | None]


def retuned(graph: Captured, evidence: Evidence, tune: Tune, what: str) -> Captured:
    """The graph with a tuning for each layer with weights, in order: each sees those before it retuned."""
    plan = evidence.plan(evidence.quantized(graph))
    count = min(len(evidence.images[0]), images_that_fit(plan, evidence.images))
    share = workers().share(count, not plan.captured.missing)
    found: dict[int, Tuning] = {}
    for visit in sweep(plan, [share.of(x[:count]) for x in evidence.images], what):
        if isinstance(visit.stage.layer, QWeighted):
            step = visit.stage.steps[0]
            tuning = tune(visit, visit.stage.layer, step.tuning, share)
            if tuning is not None:
                tuning = replace(tuning, dither=step.tuning.dither)
                found[step.output] = tuning
                visit.retune(tuning)
    return with_tunings(graph, found)


def with_tunings(graph: Captured, found: dict[int, Tuning]) -> Captured:
    """The graph with the tunings of the steps whose result has these numbers."""
    if not found:
        return graph
    return replace(graph, steps=[replace(s, tuning=found.get(s.output, s.tuning)) for s in graph.steps])
