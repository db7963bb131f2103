"""The judge of what accumulates: convolution, its transpose, linear (section 2 of docs/numerics.md).

Each returns the exact accumulators as int64; oracle.Q turns them into codes. x (n, c, h, w) codes,
w codes with zero points zw of length 1 or oc, bias (oc) or None, padding (top, left, bottom, right).
"""

import numpy as np

from oracle import along


def conv_output(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def centre(w, zero_point, axis: int = 0):
    """w' = w - zw."""
    w = np.asarray(w, np.int64)
    return w - along(np.asarray(zero_point, np.int64), w.ndim, axis)


def add_bias(acc, bias, axis: int):
    return acc if bias is None else acc + along(np.asarray(bias, np.int64), acc.ndim, axis)


def conv2d(x, zx, w, zw, bias, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1):
    """acc[c] = bias[c] + sum (x - zx)(w[c] - zw[c]), w (oc, ic/groups, kh, kw); padding reads zx, adds 0."""
    top, left, bottom, right = padding
    xc = np.pad(np.asarray(x, np.int64) - zx, ((0, 0), (0, 0), (top, bottom), (left, right)))
    wc = centre(w, zw)
    n, _, h, width = xc.shape
    oc, icg, kh, kw = wc.shape
    oh = conv_output(h, kh, stride[0], 0, 0, dilation[0])
    ow = conv_output(width, kw, stride[1], 0, 0, dilation[1])
    ocg = oc // groups
    acc = np.zeros((n, oc, oh, ow), np.int64)
    for g in range(groups):
        for i in range(kh):
            for j in range(kw):
                y0, x0 = i * dilation[0], j * dilation[1]
                tap = xc[
                    :,
                    g * icg : (g + 1) * icg,
                    y0 : y0 + (oh - 1) * stride[0] + 1 : stride[0],
                    x0 : x0 + (ow - 1) * stride[1] + 1 : stride[1],
                ]
                rows = np.moveaxis(tap, 1, -1).reshape(-1, icg)  # (n oh ow, icg)
                part = rows @ wc[g * ocg : (g + 1) * ocg, :, i, j].T
                acc[:, g * ocg : (g + 1) * ocg] += np.moveaxis(part.reshape(n, oh, ow, ocg), -1, 1)
    return add_bias(acc, bias, 1)


def conv_transpose2d(
    x, zx, w, zw, bias, stride=(1, 1), padding=(0, 0, 0, 0), output_padding=(0, 0), dilation=(1, 1), groups=1
):
    """Every pixel stamps its kernel into the output; w (ic, oc/groups, kh, kw), channel c = g ocg + j."""
    top, left, bottom, right = padding
    xc = np.asarray(x, np.int64) - zx
    n, ic, h, width = xc.shape
    ocg, kh, kw = np.shape(w)[1:]
    icg, oc = ic // groups, ocg * groups
    full_h = (h - 1) * stride[0] + dilation[0] * (kh - 1) + 1 + output_padding[0]
    full_w = (width - 1) * stride[1] + dilation[1] * (kw - 1) + 1 + output_padding[1]
    acc = np.zeros((n, oc, full_h, full_w), np.int64)
    for g in range(groups):
        out = slice(g * ocg, (g + 1) * ocg)
        zero_point = zw if np.size(zw) == 1 else np.asarray(zw)[out]
        wc = centre(w[g * icg : (g + 1) * icg], zero_point, axis=1)
        for i in range(kh):
            for j in range(kw):
                y0, x0 = i * dilation[0], j * dilation[1]
                stamp = np.einsum("nchw,co->nohw", xc[:, g * icg : (g + 1) * icg], wc[:, :, i, j])
                acc[
                    :,
                    out,
                    y0 : y0 + (h - 1) * stride[0] + 1 : stride[0],
                    x0 : x0 + (width - 1) * stride[1] + 1 : stride[1],
                ] += stamp
    acc = acc[:, :, top : full_h - bottom, left : full_w - right]
    return add_bias(acc, bias, 1)


def linear(x, zx, w, zw, bias):
    """x (..., in), w (out, in); the last axis is the features."""
    return add_bias((np.asarray(x, np.int64) - zx) @ centre(w, zw).T, bias, np.ndim(x) - 1)
