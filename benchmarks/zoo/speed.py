"""icepoint's time beside torch's in float: one thread, batch 1, bursts that take turns in one process."""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import nn

import icepoint

from ..worker import burst

_SECONDS, _ROUNDS, _CALLS = 6.0, 4, 4  # of all bursts together, at most; rounds at least; calls of one burst


def compare(model: nn.Module, frozen: icepoint.FrozenModel, x: torch.Tensor) -> dict[str, float]:
    """Milliseconds of the fastest call: `icepoint_ms`, and `float_ms` of torch in the faster layout for it.

    The minimum, because other processes can only add to it. The first call of a burst does not count.
    """
    last = torch.channels_last
    nhwc, x_nhwc = copy.deepcopy(model).to(memory_format=last), x.contiguous(memory_format=last)
    runs = {"icepoint": lambda: frozen(x), "nchw": lambda: model(x), "nhwc": lambda: nhwc(x_nhwc)}
    fastest = dict.fromkeys(runs, math.inf)
    begin, rounds = time.perf_counter(), 0
    with torch.inference_mode():
        while rounds < _ROUNDS or time.perf_counter() - begin < _SECONDS:
            for name, run in runs.items():
                fastest[name] = min(fastest[name], *burst(run, _CALLS)[1:])
            rounds += 1
    return {
        "icepoint_ms": 1e3 * fastest["icepoint"],
        "float_ms": 1e3 * min(fastest["nchw"], fastest["nhwc"]),
    }
