"""The judge of the pools: windows with torch's output sizes and divisors (section 4 of docs/numerics.md)."""

import numpy as np

from oracle import Q


def pool_output(size: int, kernel: int, stride: int, before: int, after: int, dilation: int, ceil_mode: bool):
    """torch's rule: with ceil_mode a last window that would start in the padding behind is dropped."""
    room = size + before + after - dilation * (kernel - 1) - 1
    out = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + before:
        out -= 1
    return out


def taps(start: int, kernel: int, dilation: int, size: int) -> list[int]:
    """The taps of one window that lie inside the input."""
    return [t for t in (start + k * dilation for k in range(kernel)) if 0 <= t < size]


def windows(size, kernel, stride, before, after, dilation, ceil_mode):
    """For each output position the taps inside the input, and the length that torch counts with padding."""
    result = []
    for o in range(pool_output(size, kernel, stride, before, after, dilation, ceil_mode)):
        start = o * stride - before
        counted = min(start + kernel, size + after) - start  # a ceil_mode overhang does not count
        result.append((taps(start, kernel, dilation, size), counted))
    return result


def max_pool2d(x, kernel, stride, padding=(0, 0, 0, 0), dilation=(1, 1), ceil_mode=False):
    """The max of the taps inside the input: padding never wins."""
    x = np.asarray(x, np.int64)
    top, left, bottom, right = padding
    rows = windows(x.shape[2], kernel[0], stride[0], top, bottom, dilation[0], ceil_mode)
    cols = windows(x.shape[3], kernel[1], stride[1], left, right, dilation[1], ceil_mode)
    y = np.zeros((*x.shape[:2], len(rows), len(cols)), np.int64)
    for i, (r, _) in enumerate(rows):
        for j, (c, _) in enumerate(cols):
            y[:, :, i, j] = x[:, :, r][:, :, :, c].max(axis=(2, 3))
    return y


def averages(rows, cols, count_include_pad: bool, divisor_override: int):
    """(i, j, row taps, column taps, divisor) of every output pixel."""
    for i, (r, counted_h) in enumerate(rows):
        for j, (c, counted_w) in enumerate(cols):
            counted = counted_h * counted_w if count_include_pad else len(r) * len(c)
            yield i, j, r, c, divisor_override or counted


def mean_of_windows(x, zx, rows, cols, count_include_pad, divisor_override, requant, zy, lo, hi):
    """Q(sum of the taps - t zx); requant maps each divisor to its (multiplier, shift)."""
    x = np.asarray(x, np.int64)
    y = np.zeros((*x.shape[:2], len(rows), len(cols)), np.int64)
    for i, j, r, c, divisor in averages(rows, cols, count_include_pad, divisor_override):
        acc = x[:, :, r][:, :, :, c].sum(axis=(2, 3)) - len(r) * len(c) * zx
        y[:, :, i, j] = Q(acc, *requant[divisor], zy, lo, hi)
    return y


def avg_windows(h, w, kernel, stride, padding, ceil_mode):
    top, left, bottom, right = padding
    return (
        windows(h, kernel[0], stride[0], top, bottom, 1, ceil_mode),
        windows(w, kernel[1], stride[1], left, right, 1, ceil_mode),
    )


def avg_pool2d_divisors(h, w, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override=0):
    """The divisors that occur, ascending: a frozen file holds a multiplier for each."""
    rows, cols = avg_windows(h, w, kernel, stride, padding, ceil_mode)
    return sorted({a[-1] for a in averages(rows, cols, count_include_pad, divisor_override)})


def avg_pool2d(
    x, zx, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override, requant, zy, lo, hi
):
    rows, cols = avg_windows(*np.shape(x)[2:], kernel, stride, padding, ceil_mode)
    return mean_of_windows(x, zx, rows, cols, count_include_pad, divisor_override, requant, zy, lo, hi)


def adaptive_windows(size: int, out: int):
    """torch's window i: floor(i size / out) .. ceil((i + 1) size / out)."""
    spans = [range(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]
    return [(list(s), len(s)) for s in spans]


def adaptive_avg_pool2d_divisors(h, w, output_size):
    rows, cols = adaptive_windows(h, output_size[0]), adaptive_windows(w, output_size[1])
    return sorted({a[-1] for a in averages(rows, cols, False, 0)})


def adaptive_avg_pool2d(x, zx, output_size, requant, zy, lo, hi):
    """output_size (1, 1) is the global average, the mean over H and W."""
    rows = adaptive_windows(np.shape(x)[2], output_size[0])
    cols = adaptive_windows(np.shape(x)[3], output_size[1])
    return mean_of_windows(x, zx, rows, cols, False, 0, requant, zy, lo, hi)
