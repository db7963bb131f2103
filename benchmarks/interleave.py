"""The measurement: short bursts of every engine in turn, many rounds, a calibration between any two."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .calibration import Calibration, Calibrator
from .process import Worker
from .summary import Burst

_MIN_CALLS, _MAX_CALLS = 2, 5000  # of a burst; the first one warms up
_SETTLE = 0.02  # seconds: threads of a library that spin for more work go to sleep


@dataclass(frozen=True)
class Effort:
    """At most so many rounds and, after the fewest, so many seconds for one configuration."""

    rounds: int = 25
    fewest: int = 5
    seconds: float = 90.0
    burst: float = 0.1


@dataclass
class Interleaved:
    """All bursts by engine, and the calibrations that they refer to."""

    bursts: dict[str, list[Burst]] = field(default_factory=dict)
    calibrations: list[Calibration] = field(default_factory=list)


def interleave(
    workers: Mapping[str, Worker],
    calibrator: Calibrator,
    threads: int,
    effort: Effort,
    progress: Callable[[int, int], None] = lambda done, rounds: None,
) -> Interleaved:
    """Rounds of a burst an engine; each round begins with another one, so that none is always the first."""
    counts = {name: _warm_up(worker, effort.burst) for name, worker in workers.items()}
    found = Interleaved({name: [] for name in workers})
    names, begin = list(workers), time.monotonic()
    found.calibrations.append(calibrator.measure(threads))
    for done in range(effort.rounds):
        if done >= effort.fewest and time.monotonic() - begin > effort.seconds:
            break
        first = done % len(names) if names else 0
        for name in names[first:] + names[:first]:
            seconds, waited = workers[name].burst(counts[name])
            if threads > 1:
                time.sleep(_SETTLE)
            found.calibrations.append(calibrator.measure(threads))
            after = len(found.calibrations) - 1
            found.bursts[name].append(Burst(seconds, after - 1, after, waited))
        progress(done + 1, effort.rounds)
    return found


def _warm_up(worker: Worker, seconds: float) -> int:
    """Runs what compiles or allocates on first use; returns the calls of a burst of so many seconds."""
    once = min(worker.burst(3)[0])
    count = min(max(round(seconds / once) + 1, _MIN_CALLS), _MAX_CALLS)
    worker.burst(count)
    return count
