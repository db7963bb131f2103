"""Shapes, dtypes and memory formats of torch.ops.icepoint.* for torch.compile and torch.export.

Each function here computes what its C++ operator returns without looking at data, and refuses, in the same
words, what can be refused without data. A symbolic batch size stays symbolic.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from . import fake_checks as check
from . import fake_weighted as weighted


def quantize(x, scale, zero_point, qmin, qmax, axis=None):
    check.tensor(x, [torch.float32], "quantize.x")
    check.float_range("quantize", qmin, qmax)
    channels = check.channels(x, axis, "quantize")
    check.parameter(scale, channels, torch.float32, "quantize.scale")
    check.parameter(zero_point, channels, torch.int32, "quantize.zero_point")
    return check.empty(x, x.shape, torch.uint8 if qmin >= 0 else torch.int8)


def dequantize(q, scale, zero_point, axis=None):
    check.tensor(q, [torch.uint8, torch.int8, torch.int32], "dequantize.q")
    channels = check.channels(q, axis, "dequantize")
    check.parameter(scale, channels, torch.float32, "dequantize.scale")
    check.parameter(zero_point, channels, torch.int32, "dequantize.zero_point")
    return check.empty(q, q.shape, torch.float32)


def fake_quantize(x, scale, zero_point, qmin, qmax, axis=None):
    check.tensor(x, [torch.float32], "fake_quantize.x")
    check.tensor(zero_point, [torch.int32, torch.float32], "fake_quantize.zero_point")
    check.float_range("fake_quantize", qmin, qmax)
    channels = check.channels(x, axis, "fake_quantize")
    check.parameter(scale, channels, torch.float32, "fake_quantize.scale")
    check.parameter(zero_point, channels, zero_point.dtype, "fake_quantize.zero_point")
    return check.empty(x, x.shape, torch.float32)


def fake_quantize_backward(grad, x, scale, zero_point, qmin, qmax, axis=None):
    check.tensor(grad, [torch.float32], "fake_quantize_backward.grad")
    check.tensor(x, [torch.float32], "fake_quantize_backward.x")
    check.require(
        grad.shape == x.shape,
        f"fake_quantize_backward.grad: has shape {tuple(grad.shape)}, expected {tuple(x.shape)}",
    )
    check.float_range("fake_quantize_backward", qmin, qmax)
    channels = check.channels(x, axis, "fake_quantize_backward")
    check.parameter(scale, channels, torch.float32, "fake_quantize_backward.scale")
    check.parameter(zero_point, channels, torch.int32, "fake_quantize_backward.zero_point")
    each = x.new_empty((channels,))
    return [check.empty(x, x.shape, torch.float32), each, torch.empty_like(each)]


def requantize(acc, multiplier, shift, zero_point, qmin, qmax, axis=None):
    check.tensor(acc, [torch.int32], "requantize.acc")
    check.codes("requantize", qmin, qmax, zero_point=zero_point)
    check.requant(multiplier, shift, check.channels(acc, axis, "requantize"), "requantize")
    return check.empty(acc, acc.shape)


def qmax_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    check.image(x, "qmax_pool2d")
    h, w = check.window_output(x, kernel_size, stride, padding, dilation, ceil_mode, "qmax_pool2d")
    return check.empty(x, (x.shape[0], x.shape[1], h, w))


def _divisors(divisors, multiplier, shift, op):
    count = divisors.numel()
    check.require(count >= 1, f"{op}.divisors: is empty, expected every divisor that occurs")
    check.parameter(divisors, count, torch.int32, f"{op}.divisors")
    check.requant(multiplier, shift, count, op)
    same = multiplier.numel() == count and shift.numel() == count
    check.require(same, f"{op}.multiplier, shift: expected one element for each of the {count} divisors")


def qavg_pool2d(
    x, x_zero_point, kernel_size, stride, padding, ceil_mode, count_include_pad, divisors, multiplier, shift,
    y_zero_point, qmin, qmax,
):  # fmt: skip
    check.image(x, "qavg_pool2d")
    check.codes("qavg_pool2d", qmin, qmax, x_zero_point=x_zero_point, y_zero_point=y_zero_point)
    h, w = check.window_output(x, kernel_size, stride, padding, (1, 1), ceil_mode, "qavg_pool2d")
    _divisors(divisors, multiplier, shift, "qavg_pool2d")
    return check.empty(x, (x.shape[0], x.shape[1], h, w))


def qadaptive_avg_pool2d(x, x_zero_point, output_size, divisors, multiplier, shift, y_zero_point, qmin, qmax):
    op = "qadaptive_avg_pool2d"
    check.image(x, op)
    check.codes(op, qmin, qmax, x_zero_point=x_zero_point, y_zero_point=y_zero_point)
    check.length(output_size, 2, f"{op}.output_size")
    for size in output_size:
        check.in_range(size, 1, check.MAX_WINDOW, f"{op}.output_size")
    _divisors(divisors, multiplier, shift, op)
    return check.empty(x, (x.shape[0], x.shape[1], *output_size))


def _pairwise(a: Tensor, b: Tensor, op: str) -> Tensor:
    check.tensor(a, [torch.uint8], f"{op}.a")
    check.tensor(b, [torch.uint8], f"{op}.b")
    if a.dim() == 4 and b.dim() == 4 and tuple(a.shape[2:]) == (1, 1) and tuple(b.shape[2:]) != (1, 1):
        a, b = b, a
    same = a.dim() == b.dim() and all(i == j for i, j in zip(a.shape, b.shape, strict=True))
    broadcasts = a.dim() == 4 and b.dim() == 4 and tuple(b.shape[2:]) == (1, 1)
    ok = same or (broadcasts and a.shape[0] == b.shape[0] and a.shape[1] == b.shape[1])
    shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
    check.require(ok, f"{op}: shapes are {shapes}, expected equal ones or (N, C, H, W) with (N, C, 1, 1)")
    return check.empty(a, a.shape)


def qadd(a, a_zero_point, a_multiplier, b, b_zero_point, b_multiplier, shift, y_zero_point, qmin, qmax):
    zero_points = {"a_zero_point": a_zero_point, "b_zero_point": b_zero_point, "y_zero_point": y_zero_point}
    check.codes("qadd", qmin, qmax, **zero_points)
    check.in_range(shift, 1, 30, "qadd.shift")
    check.in_range(a_multiplier, 1 - 2**21, 2**21 - 1, "qadd.a_multiplier")
    check.in_range(b_multiplier, 1 - 2**21, 2**21 - 1, "qadd.b_multiplier")
    return _pairwise(a, b, "qadd")


def qmul(a, a_zero_point, b, b_zero_point, multiplier, shift, y_zero_point, qmin, qmax):
    zero_points = {"a_zero_point": a_zero_point, "b_zero_point": b_zero_point, "y_zero_point": y_zero_point}
    check.codes("qmul", qmin, qmax, **zero_points)
    return _pairwise(a, b, "qmul")


def qaffine(x, x_zero_point, multiplier, offset, shift, y_zero_point, qmin, qmax):
    check.tensor(x, [torch.uint8], "qaffine.x")
    ok = x.dim() in (2, 4)
    check.require(ok, f"qaffine.x: has shape {tuple(x.shape)}, expected (N, C) or (N, C, H, W)")
    check.codes("qaffine", qmin, qmax, x_zero_point=x_zero_point, y_zero_point=y_zero_point)
    for name, t in (("multiplier", multiplier), ("offset", offset), ("shift", shift)):
        check.tensor(t, [torch.int32], f"qaffine.{name}")
        ok = t.dim() <= 1 and t.numel() == x.shape[1]
        check.require(ok, f"qaffine.{name}: has shape {tuple(t.shape)}, expected ({x.shape[1]})")
    return check.empty(x, x.shape)


def lookup(x, table):
    check.tensor(x, [torch.uint8], "lookup.x")
    check.tensor(table, [torch.uint8], "lookup.table")
    shape = tuple(table.shape)
    per_channel = x.dim() in (2, 4) and len(shape) == 2 and shape[0] == x.shape[1]
    ok = (len(shape) == 1 or per_channel) and shape[-1] == 256
    check.require(
        ok, f"lookup.table: has shape {shape} for x of shape {tuple(x.shape)}, expected (256) or (C, 256)"
    )
    return check.empty(x, x.shape)


def qupsample_bilinear2d(x, output_size, align_corners):
    op = "qupsample_bilinear2d"
    check.image(x, op)
    ok = all(size > 0 for size in x.shape[1:])
    check.require(ok, f"{op}.x: has shape {tuple(x.shape)}, expected C, H, W of at least 1")
    check.length(output_size, 2, f"{op}.output_size")
    for size in output_size:
        check.in_range(size, 1, check.MAX_WINDOW, f"{op}.output_size")
    return check.empty(x, (x.shape[0], x.shape[1], *output_size))


def qconcat(xs, zero_points, multiplier, shift, y_zero_point, qmin, qmax, axis=1):
    check.require(len(xs) > 0, "qconcat.xs: is empty, expected at least one tensor")
    for i, x in enumerate(xs):
        check.tensor(x, [torch.uint8], f"qconcat.xs[{i}]")
    check.length(zero_points, len(xs), "qconcat.zero_points")
    for z in zero_points:
        check.in_range(z, 0, 255, "qconcat.zero_points")
    check.codes("qconcat", qmin, qmax, y_zero_point=y_zero_point)
    check.requant(multiplier, shift, len(xs), "qconcat")
    check.channels(xs[0], axis, "qconcat")
    shape = list(xs[0].shape)
    for i, x in enumerate(xs[1:], 1):
        others = x.dim() == len(shape) and all(
            d == axis % len(shape) or x.shape[d] == shape[d] for d in range(x.dim())
        )
        check.require(
            others, f"qconcat.xs[{i}]: has shape {tuple(x.shape)}, expected that of xs[0] except along {axis}"
        )
    shape[axis] = sum(x.shape[axis] for x in xs)
    return check.empty(xs[0], shape)


def _run(inputs, model, key: str, op: str, dtype: torch.dtype) -> list[Tensor]:
    """(N, ...) outputs: their shapes stand in `key`, because a traced `model` has no bytes to read."""
    check.tensor(model, [torch.uint8], f"{op}.model")
    check.require(model.dim() == 1, f"{op}.model: has shape {tuple(model.shape)}, expected (bytes)")
    check.require(len(inputs) > 0, f"{op}.inputs: is empty")
    for i, x in enumerate(inputs):
        check.tensor(x, [dtype], f"{op}.inputs[{i}]")
        check.require(x.dim() >= 1, f"{op}.inputs[{i}]: has rank 0, expected (N, ...)")
    try:
        shapes = json.loads(key.partition(":")[2])
        return [inputs[0].new_empty((inputs[0].shape[0], *map(int, shape)), dtype=dtype) for shape in shapes]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{op}.key: {key!r} is not a digest, ':' and a list of output shapes") from error


def run(inputs, model, key):
    return _run(inputs, model, key, "run", torch.float32)


def run_codes(inputs, model, key):
    return _run(inputs, model, key, "run_codes", torch.uint8)


_KERNELS = (
    quantize, dequantize, fake_quantize, fake_quantize_backward, requantize, *weighted.KERNELS, qmax_pool2d,
    qavg_pool2d, qadaptive_avg_pool2d, qadd, qmul, qaffine, lookup, qupsample_bilinear2d, qconcat,
    run, run_codes,
)  # fmt: skip


def register() -> None:
    """Hands every function above to torch, once in a process."""
    for kernel in _KERNELS:
        torch.library.register_fake(f"icepoint::{kernel.__name__}", kernel)
