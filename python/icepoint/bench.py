"""How long a frozen model takes, called as `frozen(x)`, and where in it the time goes."""

from __future__ import annotations

import json
import time
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from . import get_num_threads
from .frozen import FrozenModel

_SEED = 1
_MIN_CALLS, _MAX_CALLS = 5, 1_000_000


def time_calls(frozen: FrozenModel, batch: int = 1, seconds: float = 2.0) -> dict[str, float]:
    """Times `frozen(x)` on one ready float32 batch for about so many seconds, on get_num_threads() threads.

    Returns runs, threads, min_us, median_us, p90_us, p99_us and images_per_second. A tenth of the time goes
    before, to warm up. ValueError for a batch below 1.

    >>> from icepoint import load
    >>> time_calls(load("net.ice"), batch=16, seconds=0.01)["median_us"] > 0
    True
    """
    if batch < 1:
        raise ValueError(f"time_calls.batch: expected at least 1, found {batch}")
    inputs = _inputs(frozen, batch)
    with torch.inference_mode():
        _calls(frozen, inputs, seconds / 10, 1)
        times = sorted(_calls(frozen, inputs, seconds, _MIN_CALLS))
    return {
        "threads": get_num_threads(),
        "runs": len(times),
        "min_us": times[0] * 1e6,
        "median_us": _percentile(times, 50) * 1e6,
        "p90_us": _percentile(times, 90) * 1e6,
        "p99_us": _percentile(times, 99) * 1e6,
        "images_per_second": batch * len(times) / sum(times),
    }


def time_layers(frozen: FrozenModel, batch: int = 1, seconds: float = 2.0) -> list[dict[str, Any]]:
    """Time of each layer of a batch of zeros, in the graph's order, over about so many seconds.

    Each is layer, op, shape (of one output), us (microseconds a batch) and macs (of a batch). A layer that
    runs inside another one has 0 us.

    >>> from icepoint import load
    >>> [layer["layer"] for layer in time_layers(load("net.ice"), seconds=0.01)][:2]
    ['qconv1', 'qrelu1']
    """
    once = sum(frozen._native().profile(batch, 1))
    repeats = int(min(max(seconds / max(once, 1e-9), _MIN_CALLS), _MAX_CALLS))
    spent = frozen._native().profile(batch, repeats)
    return [
        {
            "layer": op["name"],
            "op": op["op"],
            "shape": op["shape"],
            "us": layer_seconds / repeats * 1e6,
            "macs": batch * (op.get("macs") or 0),
        }
        for op, layer_seconds in zip(frozen.layers(), spent, strict=True)
    ]


def layer_table(layers: list[dict[str, Any]]) -> Table:
    """What time_layers gave as a table, with shares and rates."""
    total = sum(layer["us"] for layer in layers) or 1.0
    table = Table(box=SIMPLE_HEAD)
    for i, column in enumerate(("layer", "operator", "output", "us a batch", "share", "TOPS")):
        table.add_column(column, justify="left" if i < 3 else "right", no_wrap=True)
    for layer in layers:
        shape = " x ".join(map(str, layer["shape"]))
        times = f"{layer['us']:.1f}", f"{100 * layer['us'] / total:.1f} %"
        table.add_row(layer["layer"], layer["op"], shape, *times, _tops(layer))
    return table


def _tops(layer: dict[str, Any]) -> str:
    return f"{2 * layer['macs'] / layer['us'] * 1e-6:.3f}" if layer["macs"] and layer["us"] else ""


def _inputs(frozen: FrozenModel, batch: int) -> list[torch.Tensor]:
    """Values over each input's whole range, the same ones every time."""
    generator = torch.Generator().manual_seed(_SEED)
    inputs = []
    for told in json.loads(frozen._native().describe())["inputs"]:
        codes = torch.randint(0, 1 << told["bits"], (batch, *told["shape"]), generator=generator)
        inputs.append((codes - told["zero_point"]).float() * told["scale"])
    return inputs


def _calls(frozen: FrozenModel, inputs: list[torch.Tensor], seconds: float, at_least: int) -> list[float]:
    times: list[float] = []
    begin = now = time.perf_counter()
    while len(times) < _MAX_CALLS and (now - begin < seconds or len(times) < at_least):
        frozen(*inputs)
        end = time.perf_counter()
        times.append(end - now)
        now = end
    return times


def _percentile(ordered: list[float], p: int) -> float:
    """The nearest-rank percentile."""
    return ordered[max(-(-p * len(ordered) // 100), 1) - 1]
