"""Finds and calls the C++ program `icepoint`, which computes frozen files without Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

_BUILT = Path(__file__).resolve().parents[2] / "build/icepoint"


def program() -> Path | None:
    """The program that this repository built, else the one on PATH, else None."""
    if _BUILT.is_file():
        return _BUILT
    found = shutil.which("icepoint")
    return Path(found) if found else None


def call(executable: Path, *args: str | Path) -> dict[str, Any]:
    """What it answers with --json; RuntimeError, with its own words, where it fails."""
    command = [str(executable), *map(str, args), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return json.loads(done.stdout)


def accuracy_on_idx(executable: Path, model: Path, images: Path, labels: Path) -> float:
    """Accuracy as the program counts it over two IDX files, 0..1."""
    return call(executable, "eval", model, "--idx", images, labels)["accuracy"]
