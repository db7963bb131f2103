"""The measurement: short bursts of every engine in turn, many rounds, a calibration between any two."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .calibration import Calibration, Calibrator
from .process import Worker
from .summary import Burst, speeds

_MIN_CALLS, _MAX_CALLS = 2, 5000  # of a burst; the first one warms up
_SETTLE = 0.02  # seconds: threads of a library that spin for more work go to sleep


@dataclass(frozen=True)
class Effort:
    """Rounds until every engine has `enough` undisturbed bursts, or for so many seconds; at least `fewest`.

    `burst`: seconds of one.
    """

    enough: int = 12
    fewest: int = 5
    seconds: float = 90.0
    burst: float = 0.1


@dataclass
class Interleaved:
    """All bursts by engine, and the calibrations that they refer to."""

    bursts: dict[str, list[Burst]] = field(default_factory=dict)
    calibrations: list[Calibration] = field(default_factory=list)

    def speed(self, isa: str | None) -> list[float]:
        """Of each calibration; 1 is usual."""
        return speeds([c.clock_ghz for c in self.calibrations], [c.tops(isa) for c in self.calibrations])

    def undisturbed(self, isa: str | None) -> int:
        """The bursts that count, of the engine that has the fewest."""
        speed = self.speed(isa)
        return min(sum(burst.counts(speed) for burst in bursts) for bursts in self.bursts.values())


def interleave(
    workers: Mapping[str, Worker],
    calibrator: Calibrator,
    threads: int,
    isa: str | None,
    effort: Effort,
    progress: Callable[[int, int], None] = lambda done, enough: None,
) -> Interleaved:
    """Rounds of a burst an engine; each round begins with another one, so that none is always the first."""
    if not workers:
        return Interleaved()
    counts = {name: _warm_up(worker, effort.burst) for name, worker in workers.items()}
    found = Interleaved({name: [] for name in workers}, [calibrator.measure(threads)])
    names, begin = list(workers), time.monotonic()
    done = 0
    while True:
        late = time.monotonic() - begin > effort.seconds
        progress(done, found.undisturbed(isa))
        if done >= effort.fewest and (late or found.undisturbed(isa) >= effort.enough):
            return found
        first = done % len(names)
        for name in names[first:] + names[:first]:
            seconds, waited = workers[name].burst(counts[name])
            if threads > 1:
                time.sleep(_SETTLE)
            found.calibrations.append(calibrator.measure(threads))
            after = len(found.calibrations) - 1
            found.bursts[name].append(Burst(seconds, after - 1, after, waited))
        done += 1


def _warm_up(worker: Worker, seconds: float) -> int:
    """Runs what compiles or allocates on first use; returns the calls of a burst of so many seconds."""
    once = min(worker.burst(3)[0])
    count = min(max(round(seconds / once) + 1, _MIN_CALLS), _MAX_CALLS)
    worker.burst(count)
    return count
