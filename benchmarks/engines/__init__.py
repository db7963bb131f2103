"""The engines: each has prepare(job), which makes its files, and load(job), which gives a Ready to time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ready:
    """A loaded network. `run()`, the engine's own Python call on a ready float32 input, is what is timed.

    `answer(run())` is the float32 answer as NumPy; `layers(seconds)` the time of each layer, where known.
    """

    run: Callable[[], Any]
    answer: Callable[[Any], np.ndarray]
    layers: Callable[[float], list[dict[str, Any]]] | None = None
