"""What the fake kernels share: checks that need no data, window arithmetic, outputs in a memory format."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MAX_WINDOW = 65535  # no dimension of a window may pass this


def require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


def tensor(t: Tensor, dtypes: Sequence[torch.dtype], who: str) -> None:
    require(
        t.layout == torch.strided, f"{who}: is sparse or of another special layout; expected a dense tensor"
    )
    require(t.device.type == "cpu", f"{who}: lies on {t.device}; icepoint computes on the CPU")
    names = " or ".join(str(d).removeprefix("torch.") for d in dtypes)
    require(t.dtype in dtypes, f"{who}: is {str(t.dtype).removeprefix('torch.')}, expected {names}")


def image(x: Tensor, op: str) -> None:
    tensor(x, [torch.uint8], f"{op}.x")
    require(x.dim() == 4, f"{op}.x: has shape {tuple(x.shape)}, expected (N, C, H, W)")


def parameter(t: Tensor, channels, dtype: torch.dtype, who: str) -> None:
    tensor(t, [dtype], who)
    ok = t.dim() <= 1 and (t.numel() == 1 or t.numel() == channels)
    expected = "(1)" if channels == 1 else f"(1) or ({channels})"
    require(ok, f"{who}: has shape {tuple(t.shape)}, expected {expected}")


def length(values: Sequence, count: int, who: str) -> None:
    require(len(values) == count, f"{who}: has {len(values)} elements, expected {count}")


def in_range(value, low: int, high: int, who: str) -> None:
    require(low <= value <= high, f"{who}: {value} is not in {low}..{high}")


def codes(op: str, qmin: int, qmax: int, **zero_points: int) -> None:
    ok = 0 <= qmin <= qmax <= 255
    require(ok, f"{op}: qmin, qmax are {qmin}, {qmax}, expected qmin <= qmax within 0..255")
    for name, value in zero_points.items():
        in_range(value, 0, 255, f"{op}.{name}")


def float_range(op: str, qmin: int, qmax: int) -> None:
    ok = qmin <= qmax and (qmax <= 255 if qmin >= 0 else qmin >= -128 and qmax <= 127)
    require(ok, f"{op}: qmin, qmax are {qmin}, {qmax}, expected a range within 0..255 or within -128..127")


def channels(x: Tensor, axis: int | None, op: str):
    if axis is None:
        return 1
    require(x.dim() > 0, f"{op}.axis: {axis} given for a tensor of rank 0")
    in_range(axis, -x.dim(), x.dim() - 1, f"{op}.axis")
    return x.shape[axis]


def is_channels_last(x: Tensor) -> bool:
    """torch's rule on strides, but the batch size decides nothing: see order_of in csrc/ops/tensor.cpp."""
    if x.dim() != 4 or x.stride(1) == 0:
        return False
    least = 0
    for d in (1, 3, 2, 0):
        if d != 0 and x.shape[d] == 0:
            return False
        if x.stride(d) < least or (d == 0 and least == x.stride(1)):
            return False
        least = x.stride(d) * (x.shape[d] if d != 0 and x.shape[d] > 1 else 1)
    return True


def empty(x: Tensor, shape: Sequence, dtype: torch.dtype = torch.uint8) -> Tensor:
    """An output in the memory format of `x`."""
    last = len(shape) == 4 and is_channels_last(x)
    memory_format = torch.channels_last if last else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, device=x.device, memory_format=memory_format)


def window(kernel, stride, padding, dilation, op: str) -> None:
    for name, values, count, low in (
        ("kernel_size", kernel, 2, 1),
        ("stride", stride, 2, 1),
        ("padding", padding, 4, 0),
        ("dilation", dilation, 2, 1),
    ):
        length(values, count, f"{op}.{name}")
        for value in values:
            in_range(value, low, MAX_WINDOW, f"{op}.{name}")


def window_output(x: Tensor, kernel, stride, padding, dilation, ceil_mode: bool, op: str) -> list:
    window(kernel, stride, padding, dilation, op)
    out = []
    for axis in (0, 1):
        size = x.shape[2 + axis]
        room = size + padding[axis] + padding[axis + 2] - dilation[axis] * (kernel[axis] - 1) - 1
        require(
            room >= 0, f"{op}: a window of {tuple(kernel)} does not fit the input of {tuple(x.shape[2:])}"
        )
        steps = room // stride[axis] + 1
        # ceil_mode: a last window that starts in the padding behind the input is dropped
        if ceil_mode and room % stride[axis] != 0 and steps * stride[axis] < size + padding[axis]:
            steps = steps + 1
        out.append(steps)
    return out


def weight(
    weight: Tensor, zero_point: Tensor, bias: Tensor | None, rank: int, op: str, transposed_groups: int = 0
) -> None:
    tensor(weight, [torch.int8], f"{op}.weight")
    expected = "(oc, ic / groups, kh, kw)" if rank == 4 else "(out, in)"
    expected = "(ic, oc / groups, kh, kw)" if transposed_groups else expected
    require(weight.dim() == rank, f"{op}.weight: has shape {tuple(weight.shape)}, expected {expected}")
    require(all(d > 0 for d in weight.shape), f"{op}.weight: has shape {tuple(weight.shape)}, with a 0")
    channels = transposed_groups * weight.shape[1] if transposed_groups else weight.shape[0]
    parameter(zero_point, channels, torch.int32, f"{op}.weight_zero_point")
    if bias is not None:
        tensor(bias, [torch.int32], f"{op}.bias")
        ok = bias.dim() == 1 and bias.numel() == channels
        require(ok, f"{op}.bias: has shape {tuple(bias.shape)}, expected ({channels})")


def requant(multiplier: Tensor, shift: Tensor, channels, op: str) -> None:
    parameter(multiplier, channels, torch.int32, f"{op}.multiplier")
    parameter(shift, channels, torch.int32, f"{op}.shift")
