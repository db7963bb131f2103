"""The operators that compute: (layer, codes of its inputs) -> acc (n, ...) int64, multiplier, shift.

Codes follow by requantize of model.py; multiplier and shift broadcast over acc. Sums run in double, which is
exact: every partial sum is an integer, far below 2^53.
"""

from __future__ import annotations

import numpy as np

from .axes import along, channel_axis, every, widths
from .windows import average_windows, bilinear_weights

_BLOCK = 1 << 22  # weights of a linear layer at a time: as doubles those of a VGG16 fill 800 MB


def qconv2d(layer, x):
    """acc[c] = bias[c] + sum over the taps of (x - zx)(w[c] - zw[c]); padding reads zx and adds nothing."""
    (sh, sw), (dh, dw), groups = layer["stride"], layer["dilation"], layer["groups"]
    x = np.pad(_centred(layer, x), widths(layer["padding"]))
    (n, _, h, width), (oc, icg, kh, kw) = x.shape, layer["weight"].shape
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    w = _centred_weight(layer, layer["weight"]).reshape(groups, oc // groups, icg, kh, kw)
    acc = np.zeros((n, groups, oc // groups, oh * ow))
    for i, j in np.ndindex(kh, kw):
        tap = x[:, :, every(i * dh, sh, oh), every(j * dw, sw, ow)]
        acc += w[..., i, j] @ tap.reshape(n, groups, icg, oh * ow)
    return _requantized_channels(layer, acc.reshape(n, oc, oh, ow), 1)


def qconv_transpose2d(layer, x):
    """Each input stamps its kernel: acc[i stride + tap dilation - padding] += (x[i] - zx)(w[tap] - zw)."""
    (sh, sw), (dh, dw), groups = layer["stride"], layer["dilation"], layer["groups"]
    top, left, bottom, right = layer["padding"]
    (n, ic, h, width), (_, ocg, kh, kw) = x.shape, layer["weight"].shape
    w = layer["weight"].reshape(groups, ic // groups, ocg, kh, kw).swapaxes(1, 2)  # channels in front, as zw
    w = _centred_weight(layer, w.reshape(groups * ocg, ic // groups, kh, kw)).reshape(w.shape)
    full_h = (h - 1) * sh + dh * (kh - 1) + 1 + layer["output_padding"][0]
    full_w = (width - 1) * sw + dw * (kw - 1) + 1 + layer["output_padding"][1]
    x = _centred(layer, x).reshape(n, groups, ic // groups, h * width)
    acc = np.zeros((n, groups * ocg, full_h, full_w))
    for i, j in np.ndindex(kh, kw):
        stamp = (w[..., i, j] @ x).reshape(n, groups * ocg, h, width)
        acc[:, :, every(i * dh, sh, h), every(j * dw, sw, width)] += stamp
    return _requantized_channels(layer, acc[:, :, top : full_h - bottom, left : full_w - right], 1)


def qlinear(layer, x):
    """The last axis is the features; the weight is (out, in)."""
    w, x = layer["weight"], _centred(layer, x)
    step = max(1, _BLOCK // w.shape[1])
    parts = (_centred_weight(layer, w[k : k + step], k) for k in range(0, len(w), step))
    return _requantized_channels(layer, np.concatenate([x @ part.T for part in parts], -1), x.ndim - 1)


def average(layer, x):
    """acc = sum of a window's codes inside the input, less zx each; a multiplier for each divisor."""
    rows, columns, divisors = average_windows(layer, x.shape[2:])
    acc = (rows.astype(np.float64) @ _centred(layer, x) @ columns.T.astype(np.float64)).astype(np.int64)
    at = np.searchsorted(layer["divisors"], divisors)
    return acc, layer["multiplier"].astype(np.int64)[at], layer["shift"].astype(np.int64)[at]


def qadd(layer, a, b):
    """acc = (a - za) a_multiplier + (b - zb) b_multiplier, and 2^-shift alone behind it."""
    za, zb = layer["x_zero_point"]
    a, b = a.astype(np.int64) - za, b.astype(np.int64) - zb
    return a * layer["a_multiplier"] + b * layer["b_multiplier"], 1, layer["shift"]


def qmul(layer, a, b):
    za, zb = layer["x_zero_point"]
    return (a.astype(np.int64) - za) * (b.astype(np.int64) - zb), layer["multiplier"], layer["shift"]


def qaffine(layer, x):
    """acc = (x - zx) m[c] + b[c], and 2^-shift[c] alone behind it."""
    m, b, shift = (along(layer[k], x.ndim, channel_axis(x)) for k in ("multiplier", "offset", "shift"))
    return (x.astype(np.int64) - layer["x_zero_point"][0]) * m + b, 1, shift


def qconcat(layer, *xs):
    """Each input with a factor of its own; one with exactly the output's qparams moves, by the factor 1."""
    axis, whole = layer["axis"] + 1, (layer["lo"], layer["hi"]) == (0, (1 << layer["bits"]) - 1)
    own = [whole and q == (layer["scale"], layer["zero_point"], layer["bits"])
           for q in zip(layer["x_scale"], layer["x_zero_point"], layer["x_bits"], strict=True)]  # fmt: skip
    sizes = [x.shape[axis] for x in xs]
    acc = np.concatenate(
        [x.astype(np.int64) - z for x, z in zip(xs, layer["x_zero_point"], strict=True)], axis
    )
    multiplier, shift = np.where(own, 1 << 30, layer["multiplier"]), np.where(own, 30, layer["shift"])
    return acc, *(along(np.repeat(v, sizes), acc.ndim, axis) for v in (multiplier, shift))


def upsample_bilinear(layer, x):
    """Weights of eleven bits along both axes: acc = sum x wy wx, and 2^-22 behind it."""
    sides = zip(x.shape[2:], layer["output_size"], strict=True)
    wy, wx = (bilinear_weights(size, out, layer["align_corners"]).astype(np.float64) for size, out in sides)
    zero = layer["zero_point"] << 22  # the formula adds it again
    return (wy @ x.astype(np.float64) @ wx.T).astype(np.int64) - zero, 1, 22


def _centred(layer, x):
    return x.astype(np.float64) - layer["x_zero_point"][0]


def _centred_weight(layer, w, first=0):
    """w - zw of the output channels from `first` on, which lie on axis 0."""
    zero_point = layer["weight_zero_point"]
    if len(zero_point) > 1:
        zero_point = zero_point[first : first + len(w)]
    return w.astype(np.float64) - along(zero_point, w.ndim, 0)


def _requantized_channels(layer, acc, axis):
    acc = acc.astype(np.int64)
    if "bias" in layer:
        acc += along(layer["bias"], acc.ndim, axis)
    return acc, *(along(layer[k], acc.ndim, axis) for k in ("multiplier", "shift"))


SUMS = {f.__name__: f for f in (qconv2d, qconv_transpose2d, qlinear, qadd, qmul, qaffine, qconcat,
                                upsample_bilinear)}  # fmt: skip
SUMS |= {"qavg_pool2d": average, "qadaptive_avg_pool2d": average}
