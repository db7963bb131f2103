"""From bursts of times to numbers: which bursts count, median, minimum, ratios. Pure, without any clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Below this part of the usual calibration a moment is slow, and what ran beside it does not count.
SLOW = 0.75
#: Other processes disturbed a burst whose threads waited for a CPU for more than this part of its time.
DISTURBED = 0.05
#: dB below the worst 8-bit peer from which icepoint's answer is no longer a matter of rounding.
FAR_OFF = 3.0


@dataclass(frozen=True)
class Burst:
    """Seconds of calls one after the other, the first one warming up; the calibrations around, as indices."""

    seconds: Sequence[float]
    before: int
    after: int
    waited: float = 0.0  # seconds in which a thread was ready and another process had the CPU

    def counts(self, speed: Sequence[float]) -> bool:
        """Whether nothing slowed it down, as far as the calibrations around it and the kernel tell."""
        return self.share_waited <= DISTURBED and min(speed[self.before], speed[self.after]) >= SLOW

    @property
    def share_waited(self) -> float:
        return self.waited / sum(self.seconds)


def speeds(clocks: Sequence[float], rates: Sequence[float]) -> list[float]:
    """Each calibration's speed, 1 being usual: the lower of clock and multiplication rate.

    Usual is the upper quartile: the maximum would be one lucky moment of a clock that swings, and the median
    would call a machine that is disturbed half of the time usual.
    """
    return [
        min(clock / _usual(clocks), rate / _usual(rates) if _usual(rates) else 1.0)
        for clock, rate in zip(clocks, rates, strict=True)
    ]


def summarize(bursts: Sequence[Burst], speed: Sequence[float]) -> dict[str, Any]:
    """median_ms, min_ms, calls, bursts, discarded.

    noisy where every burst was disturbed: then the quarter that waited least counts.
    """
    kept = [burst for burst in bursts if burst.counts(speed)]
    calmest = sorted(bursts, key=lambda burst: burst.share_waited)[: -(-len(bursts) // 4)]
    times = [seconds for burst in kept or calmest for seconds in burst.seconds[1:]]
    return {
        "median_ms": statistics.median(times) * 1e3,
        "min_ms": min(times) * 1e3,
        "calls": len(times),
        "bursts": len(bursts),
        "discarded": len(bursts) - len(kept),
        "noisy": not kept,
    }


def best(engines: Mapping[str, Mapping[str, Any]], names: Sequence[str], key: str) -> str | None:
    """The fastest of `names` by `key` ("median_ms" or "min_ms"), None where none of them ran."""
    ran = [name for name in names if key in engines.get(name, {})]
    return min(ran, key=lambda name: engines[name][key], default=None)


def ratio(
    engines: Mapping[str, Mapping[str, Any]], ours: str, theirs: Sequence[str], key: str
) -> float | None:
    """How many times faster `ours` is than the best of `theirs`; None where one of the two did not run."""
    fastest = best(engines, theirs, key)
    if fastest is None or key not in engines.get(ours, {}):
        return None
    return engines[fastest][key] / engines[ours][key]


def tops(macs: int, batch: int, milliseconds: float) -> float:
    """1e12 operations a second; a multiplication and its addition are two."""
    return 2 * macs * batch / milliseconds * 1e-9


def sqnr(expected: np.ndarray, found: np.ndarray) -> float | None:
    """Signal to quantization noise of `found` in dB; None where nothing differs."""
    signal, noise = (float(np.square(x, dtype=np.float64).sum()) for x in (expected, expected - found))
    return 10 * math.log10(signal / noise) if noise and signal else None


def warnings(engines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence where icepoint's answer is further from the float network's than 8 bits explain."""
    ours = engines.get("icepoint", {}).get("sqnr_db")
    theirs = [row["sqnr_db"] for name, row in engines.items() if "int8" in name and row.get("sqnr_db")]
    if ours is None or not theirs or ours >= min(theirs) - FAR_OFF:
        return []
    return [
        f"icepoint's answer has {ours:.1f} dB, the 8-bit peers' {min(theirs):.1f} or more: "
        "look at that before its time"
    ]


def _usual(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.75))
