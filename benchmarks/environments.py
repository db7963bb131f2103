"""The virtual environments that `make bench` sets up, and what a process of one of them starts with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .engine_list import CAPS

REPOSITORY = Path(__file__).resolve().parents[1]
_FOLDERS = {"bench": ".venv-bench", "executorch": ".venv-executorch"}
# A user's own settings of these would measure something else.
_DECIDES_THREADS_OR_ISA = (
    "ICEPOINT_ISA",
    "ICEPOINT_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_PROC_BIND",
    "KMP_AFFINITY",
    "GOMP_CPU_AFFINITY",
)


def python_of(environment: str) -> str:
    """Its interpreter. FileNotFoundError where it is not set up."""
    if environment == "main":
        return sys.executable
    python = REPOSITORY / _FOLDERS[environment] / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{_FOLDERS[environment]} is not set up: run make bench")
    return str(python)


def variables(isa: str | None, threads: int | None = None) -> dict[str, str]:
    """The environment of a worker: nothing inherited that decides what is measured, and the cap of `isa`."""
    found = {name: value for name, value in os.environ.items() if name not in _DECIDES_THREADS_OR_ISA}
    # The networks are icepoint's, the packages of the other environments their own.
    found["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "python")])
    if threads is not None:
        found["OMP_NUM_THREADS"] = str(threads)
    return {**found, **(CAPS[isa] if isa else {})}
