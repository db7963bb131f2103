"""Operators with an exact ONNX form on the uint8 codes: moves, tables, maxima, bilinear weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..interpreter import run_layer
from ..interpreter.windows import bilinear_weights, nearest_indices, window_starts
from .graph import OnnxGraph

Layer = dict[str, Any]


def clamp(g: OnnxGraph, layer: Layer, x: str) -> str:
    return g.node(
        "Clip", [x, g.constant(layer["lo"], "lo", np.uint8), g.constant(layer["hi"], "hi", np.uint8)]
    )


def lookup(g: OnnxGraph, layer: Layer, x: str) -> str:
    return table(g, layer["table"], x, layer["shape"])


def qaffine(g: OnnxGraph, layer: Layer, x: str) -> str:
    """A function of one code a channel: a table holds all that it can give, so no float is needed."""
    channels = len(layer["multiplier"])
    every = np.arange(256, dtype=np.uint8)[:, None].repeat(channels, 1)  # (n, f), channels on axis 1
    return table(g, run_layer(layer, every).T, x, layer["shape"])


def table(g: OnnxGraph, entries: np.ndarray, x: str, shape: Sequence[int]) -> str:
    """entries[x], (256) or (channels, 256), by Gather."""
    index = g.cast(x, np.int32)
    if entries.ndim == 2:  # row c of one long table begins at 256 c
        behind = 0 if len(shape) == 2 else len(shape) - 1  # axes behind the channels
        rows = 256 * np.arange(len(entries), dtype=np.int32).reshape(-1, *[1] * behind)
        index = g.node("Add", [index, g.constant(rows, "rows")])
    return g.node("Gather", [g.constant(entries.reshape(-1), "table", np.uint8), index], axis=0)


def qmax_pool2d(g: OnnxGraph, layer: Layer, x: str) -> str:
    """As many windows as torch has, by padding behind and not by ceil_mode, whose rule differs by opset."""
    kernel, stride, dilation = layer["kernel_size"], layer["stride"], layer["dilation"]
    sizes, pads = layer["x_shape"][0][1:], [*layer["padding"]]
    starts = [window_starts(layer, axis, size) for axis, size in enumerate(sizes)]
    for axis in (0, 1):
        end = int(starts[axis][-1]) + dilation[axis] * (kernel[axis] - 1) + 1
        pads[2 + axis] = max(end - sizes[axis], 0)
    if all(pad < kernel[i % 2] for i, pad in enumerate(pads)):
        return g.node("MaxPool", [x], kernel_shape=kernel, strides=stride, dilations=dilation, pads=pads)
    # Wider padding, legal with a dilation, is refused: the taps of each window are gathered side by side,
    # those outside replaced by the first one inside.
    for axis in (0, 1):
        taps = starts[axis][:, None] + dilation[axis] * np.arange(kernel[axis])
        inside = (taps >= 0) & (taps < sizes[axis])
        first = np.take_along_axis(taps, inside.argmax(1)[:, None], 1)
        index = np.where(inside, taps, first).reshape(-1)
        x = g.node("Gather", [x, g.constant(index, "taps", np.int64)], axis=2 + axis)
    return g.node("MaxPool", [x], kernel_shape=kernel, strides=kernel)


def slice_(g: OnnxGraph, layer: Layer, x: str) -> str:
    fields = ((key, [layer[key]]) for key in ("start", "stop"))
    start, stop = (g.constant(value, key, np.int64) for key, value in fields)
    axis, step = (
        g.constant([layer["axis"] + 1], "axis", np.int64),
        g.constant([layer["step"]], "step", np.int64),
    )
    return g.node("Slice", [x, start, stop, axis, step])


def permute_channels(g: OnnxGraph, layer: Layer, x: str) -> str:
    axis = 2 if len(layer["shape"]) == 2 else 1
    return g.node("Gather", [x, g.constant(layer["order"], "order", np.int64)], axis=axis)


def reshape(g: OnnxGraph, layer: Layer, x: str) -> str:
    return reshaped(g, x, layer["shape"])


def reshaped(g: OnnxGraph, x: str, shape: Sequence[int]) -> str:
    """(n, *shape); the 0 in front keeps n, and works for n = 0 too."""
    return g.node("Reshape", [x, g.constant([0, *shape], "shape", np.int64)])


def pad(g: OnnxGraph, layer: Layer, x: str) -> str:
    if layer["mode"] == "constant":
        return padded(g, x, layer["padding"], layer["value"], layer["channels"])
    mode = {"reflect": "reflect", "replicate": "edge"}[layer["mode"]]
    return g.node("Pad", [x, g.constant(_pads(layer["padding"]), "pads", np.int64)], mode=mode)


def padded(g: OnnxGraph, x: str, padding: Sequence[int], code: int, channels: Sequence[int] = (0, 0)) -> str:
    """(n, c, h, w) with `code` around it; a negative padding cuts off."""
    return g.node("Pad", [x, g.constant(_pads(padding, channels), "pads", np.int64),
                          g.constant(code, "code", np.uint8)])  # fmt: skip


def _pads(padding: Sequence[int], channels: Sequence[int] = (0, 0)) -> list[int]:
    top, left, bottom, right = padding
    return [0, channels[0], top, left, 0, channels[1], bottom, right]


def upsample_nearest(g: OnnxGraph, layer: Layer, x: str) -> str:
    """Rows and columns by their indices: Resize computes them in a float of its own."""
    for axis, (size, out) in enumerate(zip(layer["x_shape"][0][1:], layer["output_size"], strict=True), 2):
        x = g.node("Gather", [x, g.constant(nearest_indices(size, out), "index", np.int64)], axis=axis)
    return x


def upsample_bilinear(g: OnnxGraph, layer: Layer, x: str) -> str:
    """Two products of int32 matrices, sums below 2^30.01, then (sum + 2^21) / 2^22: nothing is negative."""
    sides = zip(layer["x_shape"][0][1:], layer["output_size"], strict=True)
    rows, columns = (
        bilinear_weights(size, out, layer["align_corners"]).astype(np.int32) for size, out in sides
    )
    acc = separable(g, g.cast(x, np.int32), rows, columns)
    acc = g.node("Add", [acc, g.constant(1 << 21, "half", np.int32)])
    return g.cast(g.node("Div", [acc, g.constant(1 << 22, "scale", np.int32)]), np.uint8)


def separable(g: OnnxGraph, x: str, rows: np.ndarray, columns: np.ndarray) -> str:
    """rows (oh, h) x (n, c, h, w) columns (ow, w) transposed: (n, c, oh, ow)."""
    over_rows = g.node("MatMul", [g.constant(rows, "rows"), x])
    return g.node("MatMul", [over_rows, g.constant(np.ascontiguousarray(columns.T), "columns")])


MOVES = {f.__name__.rstrip("_"): f for f in (clamp, lookup, qaffine, qmax_pool2d, slice_, permute_channels,
                                             reshape, pad, upsample_nearest, upsample_bilinear)}  # fmt: skip
