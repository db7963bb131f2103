"""Ranges that several workers observe, each on its own batches: merged exactly, the same on all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from .distributed import Workers
from .observers import of_state
from .qparams import QParam


@contextlib.contextmanager
def merged(qparams: Sequence[QParam], workers: Workers) -> Iterator[None]:
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
