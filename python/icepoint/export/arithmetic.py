"""How each operator makes its acc, or moves codes: the sentences that travel with the integers."""

from typing import Any

FORMULAS: dict[str, list[str]] = {
    "qconv2d": [
        "acc[c] = bias[c] + sum over taps of (x - x_zero_point) * (weight[c] - weight_zero_point[c])",
        "padding (top, left, bottom, right) reads x_zero_point; weight (out, in / groups, rows, columns)",
    ],
    "qconv_transpose2d": [
        "each x[i] adds (x[i] - x_zero_point) * (weight[tap] - weight_zero_point[c]) to the output c at",
        "i * stride + tap * dilation - padding; acc begins at bias[c]",
        "weight (in, out / groups, rows, columns)",
    ],
    "qlinear": [
        "acc[c] = bias[c] + sum over features of (x - x_zero_point) * (weight[c] - weight_zero_point[c])",
    ],
    "qaffine": ["acc = (x - x_zero_point) * multiplier[c] + offset[c]; y with the multiplier 1 and shift[c]"],
    "clamp": ["y = min(max(x, lo), hi)"],
    "lookup": ["y = table[x], a table for all channels or one for each"],
    "qmax_pool2d": ["y = the greatest code of the window inside the input; padding never wins"],
    "qavg_pool2d": [
        "acc = sum over the window inside the input of (x - x_zero_point); d = the window's divisor",
        "multiplier[i], shift[i] belong to divisors[i] = d",
    ],
    "qadaptive_avg_pool2d": [
        "acc = sum of (x - x_zero_point); windows are floor(i * in / out) .. ceil((i + 1) * in / out)",
        "multiplier[i], shift[i] belong to divisors[i] = the window's number of elements",
    ],
    "qadd": [
        "acc = (a - x_zero_point[0]) * a_multiplier + (b - x_zero_point[1]) * b_multiplier",
        "y of acc with multiplier 1; b of (c, 1, 1) is the same for every pixel",
    ],
    "qmul": ["acc = (a - x_zero_point[0]) * (b - x_zero_point[1]); b (c, 1, 1) is the same for every pixel"],
    "qconcat": [
        "acc = x[i] - x_zero_point[i] with multiplier[i], shift[i], one input behind the other along axis",
        "an input with scale, zero point and bits of the output moves unchanged where lo, hi are all codes",
    ],
    "slice": ["y = x[start : stop : step] along axis"],
    "permute_channels": ["y[c] = x[order[c]]"],
    "reshape": ["the same codes in the same order"],
    "pad": ["padding is top, left, bottom, right; channels are before, after; value is a code"],
    "upsample_nearest": ["source index min(floor(float32(i) * (float32(in) / float32(out))), in - 1)"],
    "upsample_bilinear": [
        "exact source max(((2 i + 1) in - out) / (2 out), 0), or i (in - 1) / (out - 1) with align_corners",
        "w1 = 2048 * fraction rounded to nearest, ties to even; w0 = 2048 - w1; y = sum x wy wx + 2^21 >> 22",
    ],
}  # fmt: skip


def in_words(function: dict[str, Any]) -> str:
    """What ends an output.

    >>> in_words({"function": "argmax", "axis": 0, "keepdim": False})
    'argmax over axis 0'
    """
    return function["function"] + (f" over axis {function['axis']}" if "axis" in function else "")
