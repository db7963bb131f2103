"""The operators that compute, as DequantizeLinear, float operator, QuantizeLinear: what runtimes fuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..interpreter.windows import average_windows, window_starts
from .graph import OnnxGraph
from .moves import padded, separable
from .weights import bias_scale, channels_first, factor, float_scale, signed_or_unsigned, weight_scale

Layer = dict[str, Any]


def dequantized(g: OnnxGraph, codes: str, scale: Any, zero_point: int, output: str | None = None) -> str:
    return g.node("DequantizeLinear", [codes, g.constant(scale, "scale", np.float32),
                                       g.constant(zero_point, "zero_point", np.uint8)], output)  # fmt: skip


def quantized(g: OnnxGraph, real: str, q: Layer, lo: int = 0, hi: int | None = None) -> str:
    """Codes in lo..hi. QuantizeLinear saturates at 0..255; a narrower range is a Clip of the codes behind it.

    Not of the reals before it: a runtime fuses the operator with the QuantizeLinear right behind it.
    """
    hi = (1 << q["bits"]) - 1 if hi is None else hi
    codes = g.node("QuantizeLinear", [real, g.constant(q["scale"], "scale", np.float32),
                                      g.constant(q["zero_point"], "zero_point", np.uint8)])  # fmt: skip
    if (lo, hi) == (0, 255):
        return codes
    return g.node("Clip", [codes, g.constant(lo, "lo", np.uint8), g.constant(hi, "hi", np.uint8)])


def finished(g: OnnxGraph, real: str, layer: Layer) -> str:
    return quantized(g, real, layer, layer["lo"], layer["hi"])


def _input(g: OnnxGraph, layer: Layer, x: str) -> str:
    return dequantized(g, x, layer["x_scale"][0], layer["x_zero_point"][0])


def _weight(g: OnnxGraph, scale: np.ndarray, codes: np.ndarray, zero_point: np.ndarray, axis: int = 0) -> str:
    """Dequantized along `axis`, or as a whole where scale and zero point are one number."""
    if scale.size == zero_point.size == 1:
        scale, zero_point = scale.reshape(()), zero_point.reshape(())
    else:
        scale, zero_point = np.broadcast_arrays(scale, zero_point)
    names = [g.constant(codes, "weight"), g.constant(scale, "weight_scale"),
             g.constant(zero_point, "weight_zero_point")]  # fmt: skip
    return g.node("DequantizeLinear", names, **({"axis": axis} if scale.ndim else {}))


def _bias(g: OnnxGraph, layer: Layer, scale: np.ndarray) -> list[str]:
    """int32 by s_x s_w; none where the layer has none."""
    if "bias" not in layer:
        return []
    scale = bias_scale(layer, scale)
    axis = {"axis": 0} if scale.size > 1 else {}
    names = [
        g.constant(layer["bias"], "bias"),
        g.constant(scale if axis else scale.reshape(()), "bias_scale"),
    ]
    return [g.node("DequantizeLinear", names, **axis)]


def _window(layer: Layer) -> dict[str, Any]:
    return {"kernel_shape": layer["kernel_size"], "strides": layer["stride"], "pads": layer["padding"],
            "dilations": layer["dilation"], "group": layer["groups"]}  # fmt: skip


def qconv2d(g: OnnxGraph, layer: Layer, x: str) -> str:
    return finished(g, _conv(g, layer, x, weight_scale(layer)), layer)


def _conv(g: OnnxGraph, layer: Layer, x: str, scale: np.ndarray) -> str:
    weight = _weight(g, scale, *signed_or_unsigned(layer, 0))
    return g.node("Conv", [_input(g, layer, x), weight, *_bias(g, layer, scale)], **_window(layer))


def qconv_transpose2d(g: OnnxGraph, layer: Layer, x: str) -> str:
    """Weights have their output channels in front where groups forbid an axis of them in ONNX's layout."""
    moved = {**layer, "weight": channels_first(layer, layer["weight"])}
    codes, zero_point = signed_or_unsigned(moved, 0)
    scale, groups = weight_scale(layer), layer["groups"]
    weight = _weight(g, scale, codes, zero_point)
    oc, icg, *kernel = codes.shape
    for op, value in (("Reshape", [groups, oc // groups, icg, *kernel]), ("Transpose", [0, 2, 1, 3, 4]),
                      ("Reshape", [groups * icg, oc // groups, *kernel])):  # fmt: skip
        if op == "Reshape":
            weight = g.node(op, [weight, g.constant(value, "weight_shape", np.int64)])
        else:
            weight = g.node(op, [weight], perm=value)
    window, extra = _window(layer), list(layer["output_padding"])
    rows = [0, 0]  # of zeros behind the input
    for axis, stride in enumerate(layer["stride"]):
        if extra[axis] >= stride:  # legal with a dilation; ONNX Runtime refuses it
            net = extra[axis] - window["pads"][2 + axis]
            rows[axis] = max(-(-net // stride), 0)
            window["pads"] = [*window["pads"]]
            window["pads"][2 + axis], extra[axis] = rows[axis] * stride - net, 0
    if any(rows):
        x = padded(g, x, [0, 0, *rows], layer["x_zero_point"][0])
    inputs = [_input(g, layer, x), weight, *_bias(g, layer, scale)]
    return finished(g, g.node("ConvTranspose", inputs, output_padding=extra, **window), layer)


def qlinear(g: OnnxGraph, layer: Layer, x: str) -> str:
    return finished(g, _linear(g, layer, x, weight_scale(layer)), layer)


def _linear(g: OnnxGraph, layer: Layer, x: str, scale: np.ndarray) -> str:
    """Gemm of (n, f), as runtimes fuse it; MatMul and Add of (n, t, f)."""
    codes, zero_point = signed_or_unsigned(layer, 0)
    if len(layer["shape"]) == 1:
        weight = _weight(g, scale, codes, zero_point)
        return g.node("Gemm", [_input(g, layer, x), weight, *_bias(g, layer, scale)], transB=1)
    weight = _weight(g, scale, np.ascontiguousarray(codes.T), zero_point, 1)
    real = g.node("MatMul", [_input(g, layer, x), weight])
    for bias in _bias(g, layer, scale):
        real = g.node("Add", [real, bias])
    return real


def of_sums(g: OnnxGraph, layer: Layer, x: str) -> str:
    """The reals of an output that is not rounded to codes, by the file's own weight_scale."""
    real = {"qconv2d": _conv, "qlinear": _linear}[layer["op"]]
    return real(g, layer, x, float_scale(layer["weight_scale"]))


def average(g: OnnxGraph, layer: Layer, x: str) -> str:
    """AveragePool where ONNX's divisors are the file's; else sums by 0/1 matrices, times their factors."""
    sizes = layer["x_shape"][0][1:]
    rows, columns, divisors = average_windows(layer, sizes)
    real_factor = factor(layer) * layer["scale"] / layer["x_scale"][0]  # 1 / divisor, up to 2^-31
    usual = np.abs(real_factor * layer["divisors"] - 1).max() < 2.0**-24
    pool = _pool(layer, sizes) if usual else None
    if pool is not None:
        return finished(g, g.node("AveragePool", [_input(g, layer, x)], **pool), layer)
    total = separable(g, _input(g, layer, x), rows.astype(np.float32), columns.astype(np.float32))
    each = float_scale(real_factor)[np.searchsorted(layer["divisors"], divisors)]
    return finished(g, g.node("Mul", [total, g.constant(each, "factor")]), layer)


def _pool(layer: Layer, sizes: list[int]) -> dict[str, Any] | None:
    """Attributes of AveragePool that mean the same, None where there are none."""
    if layer["op"] == "qadaptive_avg_pool2d":
        pairs = list(zip(sizes, layer["output_size"], strict=True))
        kernel = [size // out for size, out in pairs]
        even = all(size % out == 0 for size, out in pairs)
        return {"kernel_shape": kernel, "strides": kernel} if even else None
    floor = {**layer, "ceil_mode": False}
    same = all(
        len(window_starts(floor, a, s)) == len(window_starts(layer, a, s)) for a, s in enumerate(sizes)
    )
    kernel, include = layer["kernel_size"], layer["count_include_pad"]
    if not same or layer["divisor_override"] or max(layer["padding"]) >= min(kernel):
        return None
    return {"kernel_shape": kernel, "strides": layer["stride"], "pads": layer["padding"],
            "count_include_pad": int(include)}  # fmt: skip


def qadd(g: OnnxGraph, layer: Layer, a: str, b: str) -> str:
    """Each input dequantized by what its integer factor stands for: m 2^-shift s_y, nearly its own scale."""
    reals = []
    for x, key, zero_point in zip(
        (a, b), ("a_multiplier", "b_multiplier"), layer["x_zero_point"], strict=True
    ):
        scale = float_scale(factor(layer, key) * layer["scale"])
        real = dequantized(g, x, scale.reshape(()), zero_point)
        reals.append(g.node("Neg", [real]) if key == "a_multiplier" and layer[key] < 0 else real)
    return finished(g, g.node("Sub" if layer["b_multiplier"] < 0 else "Add", reals), layer)


def qmul(g: OnnxGraph, layer: Layer, a: str, b: str) -> str:
    """The second input dequantized by M s_y / s_a: its own scale, up to 2^-31."""
    scale = float_scale(factor(layer) * layer["scale"] / layer["x_scale"][0])
    other = dequantized(g, b, scale.reshape(()), layer["x_zero_point"][1])
    return finished(g, g.node("Mul", [_input(g, layer, a), other]), layer)


def qconcat(g: OnnxGraph, layer: Layer, *xs: str) -> str:
    """Codes are joined; an input with qparams of its own is dequantized and quantized before."""
    parts = []
    for x, M, q in zip(xs, factor(layer), input_qparams(layer), strict=True):
        if moves(layer, q):
            parts.append(x)
        else:
            scale = float_scale(M * layer["scale"]).reshape(())
            parts.append(finished(g, dequantized(g, x, scale, q[1]), layer))
    return g.node("Concat", parts, axis=layer["axis"] + 1)


def input_qparams(layer: Layer) -> list[tuple[float, int, int]]:
    return list(zip(layer["x_scale"], layer["x_zero_point"], layer["x_bits"], strict=True))


def moves(layer: Layer, q: tuple[float, int, int]) -> bool:
    """An input of a concatenation with the output's own qparams, all codes allowed."""
    whole = (layer["lo"], layer["hi"]) == (0, (1 << layer["bits"]) - 1)
    return whole and q == (layer["scale"], layer["zero_point"], layer["bits"])


QDQ = {f.__name__: f for f in (qconv2d, qconv_transpose2d, qlinear, qadd, qmul, qconcat)}
QDQ |= {"qavg_pool2d": average, "qadaptive_avg_pool2d": average}
