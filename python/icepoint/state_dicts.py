"""Float weights from a file of torch.save, with words for every other file."""

from __future__ import annotations

import os
from typing import Any

import torch


def load_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state_dict in a file, on the CPU; of a training checkpoint what its "state_dict" holds.

    ValueError, with the path, for a file that holds none; OSError where it cannot be read. No code in the
    file runs.

    >>> torch.save({"state_dict": {"bias": torch.zeros(2)}, "epoch": 3}, "checkpoint.pt")
    >>> load_state("checkpoint.pt")
    {'bias': tensor([0., 0.])}
    """
    who = f"{os.fspath(path)}: expected a state_dict that torch.save wrote, found"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # whatever torch's unpickler meets in a file of another kind
        raise ValueError(f"{who} another file, or one that holds more than tensors") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise ValueError(f"{who} a {type(state).__name__}")
    return state
