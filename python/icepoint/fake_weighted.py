"""The fake kernels of what has weights: convolutions, their transposes and linear layers."""

from __future__ import annotations

import torch

from . import fake_checks as check


def _convolution(x, zx, weight, weight_zero_point, bias, stride, padding, dilation, groups, op, dtype):
    check.image(x, op)
    check.weight(weight, weight_zero_point, bias, 4, op)
    check.in_range(zx, 0, 255, f"{op}.x_zero_point")
    oc, per_group = weight.shape[0], weight.shape[1]
    h, w = check.window_output(x, weight.shape[2:], stride, padding, dilation, False, op)
    check.require(
        groups >= 1 and oc % groups == 0, f"{op}.groups: {groups} does not divide the {oc} output channels"
    )
    ok = x.shape[1] == groups * per_group
    check.require(ok, f"{op}.x: has {x.shape[1]} channels, expected {groups} groups of {per_group}")
    return check.empty(x, (x.shape[0], oc, h, w), dtype)


def conv2d_int32(x, x_zero_point, weight, weight_zero_point, bias, stride, padding, dilation, groups):
    geometry = (stride, padding, dilation, groups)
    return _convolution(
        x, x_zero_point, weight, weight_zero_point, bias, *geometry, "conv2d_int32", torch.int32
    )


def qconv2d(
    x, x_zero_point, weight, weight_zero_point, bias, multiplier, shift, y_zero_point, qmin, qmax,
    stride, padding, dilation, groups,
):  # fmt: skip
    check.codes("qconv2d", qmin, qmax, y_zero_point=y_zero_point)
    geometry = (stride, padding, dilation, groups)
    y = _convolution(x, x_zero_point, weight, weight_zero_point, bias, *geometry, "qconv2d", torch.uint8)
    check.requant(multiplier, shift, weight.shape[0], "qconv2d")
    return y


def qconv_transpose2d(
    x, x_zero_point, weight, weight_zero_point, bias, multiplier, shift, y_zero_point, qmin, qmax,
    stride, padding, output_padding, dilation, groups,
):  # fmt: skip
    op = "qconv_transpose2d"
    check.image(x, op)
    ok = groups >= 1 and weight.dim() > 0 and weight.shape[0] % groups == 0
    check.require(ok, f"{op}.groups: {groups} does not divide the input channels of the weight")
    check.weight(weight, weight_zero_point, bias, 4, op, groups)
    ok = x.shape[1] == weight.shape[0]
    check.require(ok, f"{op}.x: has {x.shape[1]} channels, expected {weight.shape[0]}")
    ok = x.shape[2] > 0 and x.shape[3] > 0
    check.require(ok, f"{op}.x: has shape {tuple(x.shape)}, expected H, W of at least 1")
    check.codes(op, qmin, qmax, x_zero_point=x_zero_point, y_zero_point=y_zero_point)
    kernel = weight.shape[2:]
    check.window(kernel, stride, padding, dilation, op)
    check.length(output_padding, 2, f"{op}.output_padding")
    out = []
    for a, more in enumerate(output_padding):
        check.in_range(more, 0, max(stride[a], dilation[a]) - 1, f"{op}.output_padding")
        stamped = (x.shape[a + 2] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1 + more
        out.append(stamped - padding[a] - padding[a + 2])
        check.require(out[a] > 0, f"{op}.padding: it cuts away the whole output of {tuple(x.shape[2:])}")
    oc = groups * weight.shape[1]
    check.requant(multiplier, shift, oc, op)
    return check.empty(x, (x.shape[0], oc, *out))


def _linear(x, zx, weight, weight_zero_point, bias, op, dtype):
    check.tensor(x, [torch.uint8], f"{op}.x")
    check.weight(weight, weight_zero_point, bias, 2, op)
    check.in_range(zx, 0, 255, f"{op}.x_zero_point")
    ok = x.dim() >= 1 and x.shape[-1] == weight.shape[1]
    check.require(ok, f"{op}.x: has shape {tuple(x.shape)}, expected (..., {weight.shape[1]})")
    return check.empty(x, (*x.shape[:-1], weight.shape[0]), dtype)


def linear_int32(x, x_zero_point, weight, weight_zero_point, bias):
    return _linear(x, x_zero_point, weight, weight_zero_point, bias, "linear_int32", torch.int32)


def qlinear(x, x_zero_point, weight, weight_zero_point, bias, multiplier, shift, y_zero_point, qmin, qmax):
    check.codes("qlinear", qmin, qmax, y_zero_point=y_zero_point)
    y = _linear(x, x_zero_point, weight, weight_zero_point, bias, "qlinear", torch.uint8)
    check.requant(multiplier, shift, weight.shape[0], "qlinear")
    return y


KERNELS = (conv2d_int32, linear_int32, qconv2d, qconv_transpose2d, qlinear)
