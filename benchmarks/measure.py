"""One configuration, whole: prepare, load, interleave, answers, memory, layers, the executable."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import cache, summary
from .calibration import Calibrator
from .engine_list import ENGINES, FLOAT_ENGINES
from .environments import REPOSITORY, variables
from .interleave import Effort, Interleaved, interleave
from .job import Job
from .network_list import NETWORKS
from .process import Worker, WorkerError

_EXECUTABLE = REPOSITORY / "build" / "icepoint"
_LAYER_SECONDS = 1.0


def measure(
    network: str,
    batch: int,
    threads: int,
    isa: str | None,
    engines: list[str],
    folder: Path,
    calibrator: Calibrator,
    effort: Effort,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What JSON and tables hold of one network at one batch size on so many threads."""
    where = folder / f"{network}-b{batch}"
    jobs = {name: Job(name, network, batch, threads, str(where)) for name in engines}
    say("preparing")
    failures = cache.prepare_all(jobs.values(), os.cpu_count() or 1)
    say("loading")
    before = calibrator.thorough(threads)
    started, failed = _start({n: j for n, j in jobs.items() if n not in failures}, isa)
    failures |= failed
    workers = {name: worker for name, (worker, _) in started.items()}
    try:
        found = interleave(
            workers, calibrator, threads, isa, effort,
            lambda done, good: say(f"{done} rounds, {good} undisturbed; enough: {effort.enough}"),
        )  # fmt: skip
        failures |= found.failures
        macs = json.loads((where / "facts.json").read_text())["macs"]
        peak = max(c.tops(isa) for c in [before, *found.calibrations])
        rows = _rows(found, started, jobs, isa, macs, peak)
        ours = [name for name in rows if not ENGINES[name].is_peer]
        layers = {name: workers[name].layers(_LAYER_SECONDS) for name in ours}
    finally:
        for worker in workers.values():
            worker.close()
    for name, reason in failures.items():
        rows[name] = {"title": ENGINES[name].title, "failed": reason}
    return {
        "network": network,
        "title": NETWORKS[network].title,
        "batch": batch,
        "threads": threads,
        "isa": isa,
        "macs": macs,
        "peak_tops": peak,
        "engines": {name: rows[name] for name in engines},
        "ratios": _ratios(rows),
        "warnings": summary.warnings(rows),
        "layers": layers,
        "executable": {n: _executable(jobs[n], isa, effort) for n in layers},
        "calibration": {"before": before.to_dict(), "after": calibrator.thorough(threads).to_dict()},
    }


def _start(jobs: dict[str, Job], isa: str | None) -> tuple[dict[str, tuple[Worker, dict]], dict[str, str]]:
    """Workers by engine with what they said when ready, and why the others are not there."""
    started, failures = {}, {}
    loading = {}
    for name, job in jobs.items():
        try:
            loading[name] = Worker(job, isa)
        except OSError as error:
            failures[name] = str(error)
    for name, worker in loading.items():
        try:
            started[name] = worker, worker.wait()
        except WorkerError as error:
            failures[name] = str(error)
            worker.close()
    return started, failures


def _rows(
    found: Interleaved,
    started: dict[str, tuple[Worker, dict[str, Any]]],
    jobs: dict[str, Job],
    isa: str | None,
    macs: int,
    peak: float,
) -> dict[str, dict[str, Any]]:
    speed = found.speed(isa)
    rows = {}
    for name in found.bursts:
        worker, ready = started[name]
        job, times = jobs[name], summary.summarize(found.bursts[name], speed)
        worker.answer(job.own(".answer.npy"))
        rate = summary.tops(macs, job.batch, times["median_ms"])
        rows[name] = {
            "title": ENGINES[name].title,
            **times,
            "images_per_second": job.batch / times["median_ms"] * 1e3,
            "tops": rate,
            "percent_of_peak": 100 * rate / peak if peak else None,
            "peak_memory_mb": worker.memory() / 1e6,
            "network_memory_mb": (worker.memory() - ready["memory_before"]) / 1e6,
            "ready_seconds": ready["ready_seconds"],
            "sqnr_db": summary.sqnr(job.array("expected"), np.load(job.own(".answer.npy"))),
        }
    return rows


def _ratios(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each icepoint engine to the best peer and to torch fp32, by median and by minimum."""
    peers = [name for name in rows if ENGINES[name].is_peer]
    return {
        name: {
            "best_peer": summary.best(rows, peers, "median_ms"),
            "to_best_peer_median": summary.ratio(rows, name, peers, "median_ms"),
            "to_best_peer_min": summary.ratio(rows, name, peers, "min_ms"),
            "to_torch_fp32_median": summary.ratio(rows, name, FLOAT_ENGINES, "median_ms"),
            "to_torch_fp32_min": summary.ratio(rows, name, FLOAT_ENGINES, "min_ms"),
        }
        for name in rows
        if not ENGINES[name].is_peer
    }


def _executable(job: Job, isa: str | None, effort: Effort) -> dict[str, Any]:
    """The executable's own figure for the same file, codes in and out: stands beside, does not count."""
    if not _EXECUTABLE.exists():
        return {"failed": "build/icepoint is not built"}
    command = [_EXECUTABLE, "bench", job.own(".ice"), "--threads", job.threads, "--batch", job.batch]
    command += ["--seconds", min(1.0, effort.seconds / 20), "--json"]
    time.sleep(0.1)  # the workers' last threads end
    done = subprocess.run([str(part) for part in command], env=variables(isa), capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip()}
    run = json.loads(done.stdout)["runs"][0]
    return {"median_ms": run["median_us"] / 1e3, "min_ms": run["min_us"] / 1e3}
