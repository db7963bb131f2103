"""The parent's side of a worker: starts it, tells it what to do, reads what it measured."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from . import environments
from .engine_list import ENGINES
from .job import Job

_END = 30.0  # seconds that a worker may take to end


class WorkerError(RuntimeError):
    """A worker ended; the message is the last line that it wrote to stderr."""


def prepare(job: Job) -> None:
    """Makes the engine's files (job.engine "networks": the shared ones). WorkerError where that fails."""
    run(_command("prepare", job), job.own(".prepare.log"))


def run(command: list[str], log: Path) -> None:
    """A process on one thread, to its end; all that it prints goes to `log`. WorkerError where it fails."""
    with log.open("w") as errors:
        done = subprocess.run(
            command,
            cwd=environments.REPOSITORY,
            env=environments.variables(None, threads=1),
            stdout=errors,
            stderr=errors,
            check=False,
        )
    if done.returncode:
        raise WorkerError(last_line(log))


class Worker:
    """A process with one network, which begins to load; `wait` until it has, then ask, in the end `close`."""

    def __init__(self, job: Job, isa: str | None):
        self.job = job
        self._log = job.own(".log")
        self._errors = self._log.open("w")
        self._process = subprocess.Popen(
            _command("serve", job),
            cwd=environments.REPOSITORY,
            env=environments.variables(isa, job.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def wait(self) -> dict[str, Any]:
        """Until the network is loaded and ran once: how many seconds that took, bytes of memory before it."""
        return self._read()

    def burst(self, count: int) -> tuple[list[float], float]:
        """Seconds of each of `count` calls, and the seconds that its threads waited for a CPU meanwhile."""
        reply = self._ask(burst=count)
        return reply["seconds"], reply["waited"]

    def answer(self, path: Path) -> None:
        """Writes the float32 answer to the job's input as .npy."""
        self._ask(answer=str(path))

    def layers(self, seconds: float) -> list[dict[str, Any]]:
        """Time of each layer, for engines that tell it; measured for about so long."""
        return self._ask(layers=seconds)["layers"]

    def memory(self) -> int:
        """The peak of the resident memory so far, bytes."""
        return self._ask(memory=True)["memory"]

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, **command: Any) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(last_line(self._log)) from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise WorkerError(last_line(self._log))
        return json.loads(line)


def _command(action: str, job: Job) -> list[str]:
    environment = ENGINES[job.engine].environment if job.engine in ENGINES else "main"
    return [environments.python_of(environment), "-m", "benchmarks.worker", action, job.to_json()]


def last_line(log: Path) -> str:
    """What a process wrote to stderr before it ended: Python's error where there is one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # Python's own last line, behind the hints that torch appends to an exception.
    named = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Unsupported"))]
    return (named or lines or ["ended without a word"])[-1][:200]
