"""The measurement: short bursts of every engine in turn, many rounds, a calibration between any two."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .calibration import Calibration, Calibrator
from .process import Worker, WorkerError
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
    """All bursts by engine, the calibrations that they refer to, and why an engine ended on the way."""

    bursts: dict[str, list[Burst]] = field(default_factory=dict)
    calibrations: list[Calibration] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def speed(self, isa: str | None) -> list[float]:
        """Of each calibration; 1 is usual."""
        return speeds([c.clock_ghz for c in self.calibrations], [c.tops(isa) for c in self.calibrations])

    def undisturbed(self, isa: str | None) -> int:
        """The bursts that count, of the engine that has the fewest."""
        speed = self.speed(isa)
        return min((sum(b.counts(speed) for b in bursts) for bursts in self.bursts.values()), default=0)

    def drop(self, name: str, error: Exception) -> None:
        """The engine's process ended: it has no times."""
        self.failures[name] = str(error)
        self.bursts.pop(name, None)


def interleave(
    workers: Mapping[str, Worker],
    calibrator: Calibrator,
    threads: int,
    isa: str | None,
    effort: Effort,
    progress: Callable[[int, int], None] = lambda done, enough: None,
) -> Interleaved:
    """Rounds of a burst an engine; each round begins with another one, so that none is always the first."""
    found, counts = Interleaved(), {}
    for name, worker in workers.items():
        try:
            counts[name] = _warm_up(worker, effort.burst)
            found.bursts[name] = []
        except WorkerError as error:
            found.drop(name, error)
    found.calibrations.append(calibrator.measure(threads))
    done, begin = 0, time.monotonic()
    while found.bursts:
        good, late = found.undisturbed(isa), time.monotonic() - begin > effort.seconds
        progress(done, good)
        if done >= effort.fewest and (late or good >= effort.enough):
            break
        names = list(found.bursts)
        first = done % len(names)
        for name in names[first:] + names[:first]:
            try:
                seconds, waited = workers[name].burst(counts[name])
            except WorkerError as error:
                found.drop(name, error)
                continue
            if threads > 1:
                time.sleep(_SETTLE)
            found.calibrations.append(calibrator.measure(threads))
            after = len(found.calibrations) - 1
            found.bursts[name].append(Burst(seconds, after - 1, after, waited))
        done += 1
    return found


def _warm_up(worker: Worker, seconds: float) -> int:
    """Runs what compiles or allocates on first use; returns the calls of a burst of so many seconds."""
    once = min(worker.burst(3)[0])
    count = min(max(round(seconds / once) + 1, _MIN_CALLS), _MAX_CALLS)
    worker.burst(count)
    return count
