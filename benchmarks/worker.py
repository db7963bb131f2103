"""One engine in a process of its own: makes its files, or loads them and times bursts of calls as it is told.

`python -m benchmarks.worker prepare JOB` and `python -m benchmarks.worker serve JOB`, JOB as JSON. A serving
worker says that it is ready, then answers each line of JSON with one: {"burst": n} with the seconds of n
calls and of what its threads waited for a CPU, {"answer": path} by writing the answer as .npy,
{"layers": seconds} with the time of each layer, {"memory": true} with the peak of the resident memory.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .engine_list import ENGINES
from .engines import Ready
from .job import Job


def main(action: str, text: str) -> int:
    replies = own_stdout()
    job = Job.from_json(text)
    name = f"engines.{ENGINES[job.engine].module}" if job.engine in ENGINES else job.engine
    module = importlib.import_module(f"benchmarks.{name}")
    if action == "prepare":
        module.prepare(job)
    else:
        _serve(module.load, job, replies)
    return 0


def _serve(load: Callable[[Job], Ready], job: Job, replies: TextIO) -> None:
    before, start = peak_memory(), time.perf_counter()
    ready = load(job)
    ready.run()  # some engines compile or pack in the first call
    reply(replies, {"ready_seconds": time.perf_counter() - start, "memory_before": before})
    for line in sys.stdin:
        command = json.loads(line)
        told: dict[str, Any] = {}
        if "burst" in command:
            waited_before = waited()
            told["seconds"] = burst(ready.run, command["burst"])
            told["waited"] = waited() - waited_before
        elif "answer" in command:
            np.save(command["answer"], ready.answer(ready.run()))
        elif "layers" in command:
            told["layers"] = ready.layers(command["layers"])
        else:
            told["memory"] = peak_memory()
        reply(replies, told)


def burst(run: Callable[[], Any], count: int) -> list[float]:
    """Seconds of each of `count` calls, one after the other."""
    clock, seconds = time.perf_counter_ns, []
    for _ in range(count):
        start = clock()
        run()
        seconds.append((clock() - start) * 1e-9)
    return seconds


def waited() -> float:
    """Seconds in which a thread here was ready but had no CPU; 0 where the kernel does not count them."""
    total = 0
    for thread in Path("/proc/self/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[1])
        except OSError:  # the thread has ended, or the kernel keeps no such count
            continue
    return total * 1e-9


def peak_memory() -> int:
    """Bytes of resident memory at most so far (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def own_stdout() -> TextIO:
    """The pipe to the parent; what libraries print goes to stderr from here on."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def reply(replies: TextIO, what: dict[str, Any]) -> None:
    replies.write(json.dumps(what) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
