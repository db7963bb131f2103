"""Where an output looks in its input, one axis at a time: windows of pools, sources of up-sampling."""

from __future__ import annotations

import numpy as np


def window_starts(layer, axis, size):
    """Where the windows of a pool begin; ceil_mode drops one that would begin in the padding behind."""
    kernel, stride = layer["kernel_size"][axis], layer["stride"][axis]
    before, after = layer["padding"][axis], layer["padding"][axis + 2]
    room = size + before + after - layer.get("dilation", (1, 1))[axis] * (kernel - 1) - 1
    out = (-(-room // stride) if layer["ceil_mode"] else room // stride) + 1
    out -= layer["ceil_mode"] and (out - 1) * stride >= size + before
    return np.arange(out) * stride - before


def average_windows(layer, sizes):
    """rows (oh, h) and columns (ow, w), 1 where a window holds the element, and the divisors (oh, ow)."""
    if layer["op"] == "qadaptive_avg_pool2d":  # window i: floor(i in / out) .. ceil((i + 1) in / out)
        pairs = [(size, out, np.arange(out)) for size, out in zip(sizes, layer["output_size"], strict=True)]
        starts = [i * size // out for size, out, i in pairs]
        ends = [-(-(i + 1) * size // out) for size, out, i in pairs]
        counts = [e - s for s, e in zip(starts, ends, strict=True)]
        return *_inside(starts, ends, sizes), np.outer(*counts)
    starts = [window_starts(layer, axis, size) for axis, size in enumerate(sizes)]
    ends = [s + kernel for s, kernel in zip(starts, layer["kernel_size"], strict=True)]
    rows, columns = _inside(starts, ends, sizes)
    if layer["count_include_pad"]:  # an overhang of ceil_mode beyond the padding does not count
        last = [size + after for size, after in zip(sizes, layer["padding"][2:], strict=True)]
        counts = [np.minimum(e, end) - s for s, e, end in zip(starts, ends, last, strict=True)]
    else:
        counts = [rows.sum(1), columns.sum(1)]
    divisors = np.outer(*counts)
    if layer["divisor_override"]:
        divisors[:] = layer["divisor_override"]
    return rows, columns, divisors


def _inside(starts, ends, sizes):
    at = [np.arange(size) for size in sizes]
    return [
        ((i >= s[:, None]) & (i < e[:, None])).astype(np.int64)
        for s, e, i in zip(starts, ends, at, strict=True)
    ]


def nearest_indices(size, out):
    """min(floor(float32(i) (float32(in) / float32(out))), in - 1), every step in float32."""
    ratio = np.float32(size) / np.float32(out)
    index = np.floor(np.arange(out, dtype=np.float32) * ratio).astype(np.int64)
    return np.minimum(index, size - 1)


def bilinear_weights(size, out, align_corners):
    """(out, in): 2048 shared by two neighbours, from exact rationals, rounded to nearest, ties to even."""
    i, weights = np.arange(out), np.zeros((out, size), np.int64)
    top, bottom = np.maximum((2 * i + 1) * size - out, 0), 2 * out  # the source is top / bottom
    if align_corners:
        top, bottom = i * (size - 1), max(out - 1, 1)
    first, doubled = top // bottom, 2 * 2048 * (top % bottom) + bottom
    tie_to_odd = (doubled % (2 * bottom) == 0) & (doubled // (2 * bottom) % 2 == 1)
    second = doubled // (2 * bottom) - tie_to_odd
    np.add.at(weights, (i, first), 2048 - second)
    np.add.at(weights, (i, np.minimum(first + 1, size - 1)), second)
    return weights
