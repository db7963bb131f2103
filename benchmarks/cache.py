"""Prepared files - networks, quantized models - are kept until a source that made them changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import process
from .engine_list import ENGINES
from .environments import REPOSITORY
from .job import Job

_HERE = Path(__file__).parent


def prepare_all(jobs: Iterable[Job], at_once: int) -> dict[str, str]:
    """Prepares what is missing, `at_once` processes at a time; why each failed engine failed, by its name."""
    jobs = list(jobs)
    if not jobs:
        return {}
    shared = Job("networks", jobs[0].network, jobs[0].batch, 1, jobs[0].folder)
    prepare(shared)
    failures: dict[str, str] = {}

    def attempt(job: Job) -> None:
        try:
            prepare(job)
        except (process.WorkerError, OSError) as error:
            failures[job.engine] = str(error)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(attempt, jobs))
    return failures


def prepare(job: Job) -> None:
    """Makes the engine's files unless those there were made by the same sources."""
    stamp, key = job.own(".key"), _key(job)
    if stamp.exists() and stamp.read_text() == key:
        return
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    process.prepare(job)
    stamp.write_text(key)


def _key(job: Job) -> str:
    """A digest of every source that decides what is in the files."""
    sources = [_HERE / "networks.py", _HERE / "job.py"]
    if job.engine in ENGINES:
        engine = ENGINES[job.engine]
        sources += [_HERE / "engines" / f"{engine.module}.py", *sorted(_HERE.glob("requirements*.txt"))]
        if not engine.is_peer:
            sources += icepoint_sources()
    return digest_of(sources)


def icepoint_sources() -> list[Path]:
    return sorted((REPOSITORY / "python" / "icepoint").rglob("*.py"))


def digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
