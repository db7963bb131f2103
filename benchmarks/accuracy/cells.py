"""One cell of the comparison - subject, engine, bits - measured in its own process, or kept from before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .. import cache, environments, process
from ..job import Job
from .prepare import prepare
from .score import in_levels, score
from .settings import BITS, CALIBRATION_BATCH, ENGINES

_HERE = Path(__file__).parent
_SHARED = [_HERE / name for name in ("subjects.py", "networks.py", "prepare.py")]
_PREPARED = ("calibration.npy", "expected.npy", "float.onnx", "float.pt2")


def prepare_subject(name: str, folder: Path) -> dict[str, Any]:
    """Writes the subject's files unless the same sources wrote them.

    Its facts: images, right in float, and the score of the float logits in 256 levels.
    """
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    stamp, key = own / "prepared.key", cache.digest_of(_SHARED)
    if not (stamp.exists() and stamp.read_text() == key):
        stamp.unlink(missing_ok=True)
        prepare(name, own, folder)
        stamp.write_text(key)
    expected, labels = np.load(own / "expected.npy"), np.load(own / "labels.npy")
    right = int((expected.argmax(1) == labels).sum())
    return {"images": len(labels), "right": right, "in_levels": score(expected, in_levels(expected), labels)}


class Cell:
    """One engine on one prepared subject at one bit setting; what was measured is kept in its JSON."""

    def __init__(self, subject: str, engine: str, bits: str, folder: Path):
        self.subject, self.engine, self.bits = subject, engine, bits
        self._job = Job(f"{engine}-{bits}", subject, CALIBRATION_BATCH, 1, str(folder / subject))
        self._kept = self._job.own(".cell.json")

    def kept(self) -> dict[str, Any] | None:
        """What was measured before with the same sources, files and options; None where nothing was."""
        if not self._kept.exists():
            return None
        found = json.loads(self._kept.read_text())
        return found["result"] if found["key"] == self._key() else None

    def measure(self) -> dict[str, Any]:
        """right, changed, sqnr_db, seconds; or failed, in words, which is not kept."""
        python = environments.python_of  # raises where the environment is not set up
        try:
            command = [python(ENGINES[self.engine].environment), "-m", "benchmarks.accuracy.worker"]
            process.run([*command, self.engine, self.bits, self._job.to_json()], self._job.own(".log"))
            found = np.load(self._job.own(".npy"))
            result = score(self._job.array("expected"), found, self._job.array("labels"))
        except (process.WorkerError, OSError, ValueError) as error:
            return {"failed": str(error)}
        self._job.own(".npy").unlink()
        result |= json.loads(self._job.own(".json").read_text())
        self._kept.write_text(json.dumps({"key": self._key(), "result": result}))
        return result

    def _key(self) -> str:
        engine = ENGINES[self.engine]
        files = [_HERE / "engines" / f"{engine.module}.py", _HERE / "worker.py"]
        files += [self._job.path(name) for name in _PREPARED]
        if engine.is_peer:
            files += sorted(_HERE.parent.glob("requirements*.txt"))
        else:
            files += [*cache.icepoint_sources(), *sorted(environments.REPOSITORY.glob("python/icepoint/_C*"))]
        return f"{cache.digest_of(files)} {BITS[self.bits]} {dict(engine.options)}"
