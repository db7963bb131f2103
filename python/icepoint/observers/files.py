"""Observers in a file: save what was seen, merge with what another run saw, go on."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from .. import _C
from .base import Observer

_KIND = "icepoint observers 1"


def save(path: str | os.PathLike[str], observers: Mapping[str, Observer]) -> Path:
    """Writes observers by name, atomically: the file holds all of them or is as it was. OSError."""
    buffer = io.BytesIO()
    torch.save({"kind": _KIND, "observers": {name: seen.state() for name, seen in observers.items()}}, buffer)
    _C.save_atomically(os.fspath(path), buffer.getvalue())
    return Path(path)


def load(path: str | os.PathLike[str]) -> dict[str, Observer]:
    """What save() wrote. ValueError, with the path, for another file; OSError where it cannot be read.

    >>> from icepoint.observers import Percentile
    >>> seen = Percentile(99.0); seen.update(torch.arange(8.0)); save("half.pt", {"conv1": seen})
    PosixPath('half.pt')
    >>> again = load("half.pt")["conv1"]; again.update(torch.arange(8.0)); again.range()
    (0.0, 7.0)
    """
    from . import of_state

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or found.get("kind") != _KIND:
            raise ValueError("no observers in it")
        return {name: of_state(state) for name, state in found["observers"].items()}
    except OSError:
        raise
    except Exception as error:  # whatever torch's unpickler meets in a file of another kind
        raise ValueError(
            f"{os.fspath(path)}: expected a file of observers.save, found another ({error})"
        ) from error
