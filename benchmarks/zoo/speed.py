"""icepoint's time beside torch's in float: one thread, batch 1, bursts that take turns in one process."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from torch import nn

import icepoint

from ..summary import Burst, summarize
from ..worker import burst, waited

_SECONDS, _ROUNDS, _CALLS = 6.0, 4, 4  # of all bursts together, at most; rounds at least; calls of one burst


def compare(model: nn.Module, frozen: icepoint.FrozenModel, x: torch.Tensor) -> dict[str, Any]:
    """Median milliseconds `icepoint_ms`, and `float_ms` of torch in the layout that is faster for it.

    A burst that waited for a CPU does not count; `noisy` where all of one engine's did.
    """
    last = torch.channels_last
    nhwc, x_nhwc = copy.deepcopy(model).to(memory_format=last), x.contiguous(memory_format=last)
    runs = {"icepoint": lambda: frozen(x), "nchw": lambda: model(x), "nhwc": lambda: nhwc(x_nhwc)}
    bursts: dict[str, list[Burst]] = {name: [] for name in runs}
    begin, rounds = time.perf_counter(), 0
    with torch.inference_mode():
        while rounds < _ROUNDS or time.perf_counter() - begin < _SECONDS:
            for name, run in runs.items():
                before = waited()
                seconds = burst(run, _CALLS)
                bursts[name].append(Burst(seconds, 0, 0, waited() - before))
            rounds += 1
    found = {name: summarize(those, [1.0]) for name, those in bursts.items()}
    return {
        "icepoint_ms": found["icepoint"]["median_ms"],
        "float_ms": min(found[name]["median_ms"] for name in ("nchw", "nhwc")),
        "noisy": any(row["noisy"] for row in found.values()),
    }
