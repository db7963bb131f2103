"""What the CPU can do at this moment: asks peak.cpp, built on first use, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).with_name("peak.cpp")


@dataclass(frozen=True)
class Calibration:
    """Clock in GHz, int8 rate of each instruction set in 1e12 operations a second (fastest first), GB/s."""

    clock_ghz: float
    int8_tops: dict[str, float]
    read_gbs: float | None = None

    def tops(self, isa: str | None) -> float:
        """The int8 rate of `isa`, of the fastest one where that is None; 0 where there is none."""
        return self.int8_tops.get(isa, 0.0) if isa else next(iter(self.int8_tops.values()), 0.0)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Calibrator:
    """Answers `measure`; one process for the whole run, so that a question costs its milliseconds only."""

    def __init__(self, folder: Path):
        binary = folder / "peak"
        if not binary.exists() or binary.stat().st_mtime < _SOURCE.stat().st_mtime:
            compiler = os.environ.get("CXX", "c++")
            command = [compiler, "-std=c++20", "-O3", "-pthread", str(_SOURCE), "-o", str(binary)]
            subprocess.run(command, check=True)
        self._process = subprocess.Popen(
            [str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, threads: int, milliseconds: float = 0.5, memory_mb: int = 0) -> Calibration:
        """Rates of so many threads together, each probe for so long; reads memory_mb once, if any."""
        self._process.stdin.write(f"{threads} {milliseconds} {memory_mb}\n")
        self._process.stdin.flush()
        return Calibration(**json.loads(self._process.stdout.readline()))

    def thorough(self, threads: int) -> Calibration:
        """The best of several longer looks, and the memory's rate over more than any cache holds."""
        looks = [self.measure(threads, 2.0, 1024 if i == 0 else 0) for i in range(5)]
        return Calibration(
            max(look.clock_ghz for look in looks),
            {isa: max(look.int8_tops[isa] for look in looks) for isa in looks[0].int8_tops},
            looks[0].read_gbs,
        )

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
