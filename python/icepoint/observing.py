"""One pass of calibration data over a network's observers, shared by the workers that there are."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator, Sequence

import torch

from .calibrate import check_some, observe
from .calibration_data import Batches
from .distributed import Workers, digest, workers
from .modules import QModule
from .observers import of_state
from .qparams import QParam
from .stages import Stage


def observe_data(model: torch.nn.Module, stages: Sequence[Stage], batches: Batches) -> None:
    """Shows each worker's `batches` to the layers of `stages`, of which `model` is made.

    All workers end with the ranges of all batches. ValueError as calibrate; where there is none in any.
    """
    own = [getattr(m, name) for m in _layers(stages) for name, sees in m.observes.items() if sees]
    with _merged(own, workers()):
        total = operator.length_hint(batches, 0) or None
        observe(model, batches.numbered(), total, inputs=len(batches.examples))
    check_some(batches.count)


def check_same(stages: Sequence[Stage]) -> None:
    """ValueError, on every worker, unless all have made the same integers."""
    if workers().size == 1:
        return
    layers = _layers(stages)
    numbers = [t for layer in layers for t in layer.integers.values()]
    known = [(q.num_bits, q.scale, q.zero_point) for layer in layers for q in [layer.q_result]]
    workers().same(digest(numbers, known), "it has made other integers of the same model and data")


def _layers(stages: Sequence[Stage]) -> list[QModule]:
    return [stage.layer for stage in stages if isinstance(stage.layer, QModule)]


@contextlib.contextmanager
def _merged(qparams: Sequence[QParam], workers: Workers) -> Iterator[None]:
    """What `qparams` observe inside becomes what they have observed on all workers, beside what they knew.

    Where it raises they are as before. Statistics are integers and extremes: their merge is exact.
    """
    if workers.size == 1:
        yield
        return
    known = [q.observer for q in qparams]
    for q in qparams:
        q.observer = q.observer.fresh()
    try:
        yield
        seen = workers.gather([q.observer.state() for q in qparams])
    finally:
        for q, observer in zip(qparams, known, strict=True):
            q.observer = observer
    for states in seen:
        for q, state in zip(qparams, states, strict=True):
            other = QParam(q.num_bits, of_state(state))
            if not other.observer.is_empty:  # of a worker without a batch
                q.merge(other)
