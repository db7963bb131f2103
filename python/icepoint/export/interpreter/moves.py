"""The operators that only pick or move codes: (layer, codes (n, ...)) -> codes."""

from __future__ import annotations

import numpy as np

from .axes import along, channel_axis, every, widths
from .windows import nearest_indices, window_starts


def clamp(layer, x):
    return np.clip(x, layer["lo"], layer["hi"])


def lookup(layer, x):
    """table[x], or a table for each channel."""
    table = layer["table"]
    return table[x] if table.ndim == 1 else table[along(np.arange(len(table)), x.ndim, channel_axis(x)), x]


def qmax_pool2d(layer, x):
    """Padding holds code 0, the least: it never wins, since every window has an element of the input."""
    (kh, kw), (sh, sw), (dh, dw) = layer["kernel_size"], layer["stride"], layer["dilation"]
    top, left = layer["padding"][:2]
    oh, ow = (len(window_starts(layer, axis, size)) for axis, size in enumerate(x.shape[2:]))
    h, w = (oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1  # all that is read
    y = np.pad(x, widths((top, left, max(h - top - x.shape[2], 0), max(w - left - x.shape[3], 0))))
    taps = (y[:, :, every(i * dh, sh, oh), every(j * dw, sw, ow)] for i, j in np.ndindex(kh, kw))
    return np.maximum.reduce(list(taps))


def slice_(layer, x):
    return np.take(x, range(layer["start"], layer["stop"], layer["step"]), layer["axis"] + 1)


def permute_channels(layer, x):
    return np.take(x, layer["order"], channel_axis(x))


def reshape(layer, x):
    return x.reshape(len(x), *layer["shape"])


def pad(layer, x):
    kind = {"constant": {"constant_values": layer["value"]}, "reflect": {"mode": "reflect"}}
    return np.pad(x, widths(layer["padding"], layer["channels"]), **kind.get(layer["mode"], {"mode": "edge"}))


def upsample_nearest(layer, x):
    for axis, out in enumerate(layer["output_size"], 2):
        x = np.take(x, nearest_indices(x.shape[axis], out), axis)
    return x


MOVES = {f.__name__.rstrip("_"): f for f in (clamp, lookup, qmax_pool2d, slice_, permute_channels, reshape,
                                             pad, upsample_nearest)}  # fmt: skip
