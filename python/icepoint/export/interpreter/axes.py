"""Where things lie in arrays (n, c, h, w), (n, t, f), (n, f): strided reads, padding, channels, windows."""

from __future__ import annotations

import numpy as np


def every(start, step, count):
    return slice(start, start + (count - 1) * step + 1, step)


def widths(padding, channels=(0, 0)):
    top, left, bottom, right = padding
    return (0, 0), tuple(channels), (top, bottom), (left, right)


def channel_axis(x):
    """The axis of the channels: 1 of (n, c, h, w) and (n, f), 2 of (n, t, f)."""
    return 2 if x.ndim == 3 else 1


def along(values, ndim, axis, dtype=np.int64):
    """(1) or (c) values so that they broadcast along `axis` of `ndim`."""
    return np.asarray(values, dtype).reshape([-1 if d == axis else 1 for d in range(ndim)])
