"""Measures one network of the demo on every road: the same digits, the same codes, or an error."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .. import executable
from ..frozen import FrozenModel

Taps = Mapping[str, Callable[[Mapping[str, torch.Tensor]], torch.Tensor]]


def sha256(codes: np.ndarray) -> str:
    """Of the uint8 codes (n, classes), row by row."""
    assert codes.dtype == np.uint8
    return hashlib.sha256(np.ascontiguousarray(codes).tobytes()).hexdigest()


def road_codes(net: nn.Module, images: torch.Tensor, batch_size: int = 250) -> np.ndarray:
    """Output codes of the QModule road, from the real values that quantize_inference returns.

    dequantize gives each code a float of its own, and quantizing that float gives the code again.
    """
    with torch.no_grad():
        parts = [net.qfc.q_out.quantize_tensor(net.quantize_inference(x)) for x in images.split(batch_size)]
    return torch.cat(parts).to(torch.uint8).numpy()


def executable_codes(program: Path, model: Path, images: Path) -> np.ndarray:
    """Output codes of the C++ program, which reads pixels (IDX) and applies the recipe in the file."""
    raw = model.with_suffix(".codes.npy")
    executable.call(program, "run", model, images, "--raw", raw)
    return np.load(raw)


def microseconds(
    calls: Mapping[str, Callable[[], object]], images: int, seconds: float = 1.0
) -> dict[str, float]:
    """Median microseconds an image of each call, which computes `images` of them.

    The calls take turns, so that a machine that slows down slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()  # caches, lazy set-up
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 7:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: 1e6 * statistics.median(values) / images for name, values in times.items()}


def layer_sqnr(net: nn.Module, taps: Taps, frozen: FrozenModel, images: torch.Tensor) -> dict[str, float]:
    """Signal to quantization noise of each layer in dB: 10 log10(sum x^2 / sum (x - x')^2).

    Args:
        net: the float network, in eval mode.
        taps: by the name of a frozen layer, what gives its float output from the outputs of net's modules.
        frozen: the same network in integers; its layers' codes are compared as real values x'.
        images: float32 (n, c, h, w).
    """
    outputs: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _x, y, name=name: outputs.__setitem__(name, y.double()))
        for name, module in net.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            net(images)
    finally:
        for handle in handles:
            handle.remove()
    codes = frozen.trace(images)
    qparams = {op["name"]: op for op in frozen.layers()}
    found = {}
    for layer, tap in taps.items():
        wanted, q = tap(outputs), qparams[layer]
        got = (torch.from_numpy(codes[layer]).double() - q["zero_point"]) * q["scale"]
        noise = (wanted - got.reshape(wanted.shape)).square().sum()
        found[layer.removeprefix("q")] = float(10 * torch.log10(wanted.square().sum() / noise))
    return found
