"""Real tensors to integer codes and back: the notebook's quantize_tensor and dequantize_tensor.

Section 1 of docs/numerics.md; int32 tensors hold the codes, so that a user's `q - zero_point` cannot wrap.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch

from . import _C, tracing

Number = float | int | torch.Tensor


def check_num_bits(num_bits: Any, who: str = "num_bits") -> int:
    """`num_bits` as an int; ValueError unless it is an integer in 2..8 (a bool or a float is not)."""
    if isinstance(num_bits, bool) or not isinstance(num_bits, Integral) or not 2 <= num_bits <= 8:
        raise ValueError(f"{who}: expected an integer in 2..8, found {num_bits!r}")
    return int(num_bits)


def _per_tensor_or_axis(value: Any, dtype: torch.dtype) -> torch.Tensor:
    with _C.FloatEnv():
        # Numbers stay double until `dtype` is asked for: a bias's scale is a product in double.
        exact = None if isinstance(value, torch.Tensor) else torch.float64
        given = torch.as_tensor(value, dtype=exact).detach().reshape(-1)
        taken = given.to(dtype)
    if not dtype.is_floating_point and not torch.equal(taken.to(given.dtype), given):
        raise ValueError(f"zero_point: expected integers, found {value}")
    return taken


def quantize_tensor(
    x: torch.Tensor,
    scale: Number,
    zero_point: Number,
    num_bits: int = 8,
    signed: bool = False,
    axis: int | None = None,
) -> torch.Tensor:
    """int32 codes clamp(rne(x / scale) + zero_point) of a float32 tensor, rounded half to even.

    Codes are 0 .. 2^b - 1, or -2^(b-1) .. 2^(b-1) - 1 where `signed`. num_bits is 2..8; 32 with
    signed=True is a bias, computed in double (x may then be float64 too). `scale` and `zero_point`
    are numbers, or tensors with one element for each index of `axis`. NaN gets the zero point.

    >>> quantize_tensor(torch.tensor([-1.0, 0.0, 0.5, 9.0]), scale=0.5, zero_point=3, num_bits=4)
    tensor([ 1,  3,  4, 15], dtype=torch.int32)
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        found = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(f"quantize_tensor.x: expected a float32 tensor, found {found}")
    if num_bits == 32 and signed and not isinstance(num_bits, (bool, float)):
        return _quantize_int32(x, scale, zero_point, axis)
    bits = check_num_bits(num_bits, "quantize_tensor.num_bits")
    low = -(1 << (bits - 1)) if signed else 0
    scales, zero_points = (
        _per_tensor_or_axis(scale, torch.float32),
        _per_tensor_or_axis(zero_point, torch.int32),
    )
    tracer = tracing.current()
    if tracer is None:
        return _codes(x, scales, zero_points, low, low + (1 << bits) - 1, axis)
    with tracer.inside():
        codes = _codes(x, scales, zero_points, low, low + (1 << bits) - 1, axis)
        if not signed and scales.numel() == 1:
            tracer.quantized(x, codes, (float(scales), int(zero_points), bits))
    return codes


def _codes(
    x: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor, low: int, high: int, axis: int | None
):
    return torch.ops.icepoint.quantize(x, scale, zero_point, low, high, axis).to(torch.int32)


def _quantize_int32(x: torch.Tensor, scale: Number, zero_point: Number, axis: int | None) -> torch.Tensor:
    scales, zero_points = (
        _per_tensor_or_axis(scale, torch.float64),
        _per_tensor_or_axis(zero_point, torch.float64),
    )
    _check_scales(scales, "quantize_tensor.scale")
    scales, zero_points = (
        _along(scales, x, axis, "quantize_tensor.scale"),
        _along(zero_points, x, axis, "quantize_tensor.zero_point"),
    )
    with _C.FloatEnv():
        codes = torch.round(x.detach().double() / scales) + zero_points
    codes = torch.where(torch.isnan(codes), zero_points, codes)
    return codes.clamp(-(2**31), 2**31 - 1).to(torch.int64).to(torch.int32)


def _check_scales(scales: torch.Tensor, who: str) -> None:
    if not bool(((scales > 0) & torch.isfinite(scales)).all()):
        raise ValueError(f"{who}: expected positive finite numbers, found {scales.tolist()}")


def _along(values: torch.Tensor, x: torch.Tensor, axis: int | None, who: str) -> torch.Tensor:
    """`values` of one element, or of one for each index of `axis`, shaped to broadcast over `x`."""
    if axis is not None and not -x.dim() <= axis < x.dim():
        raise ValueError(f"{who}: axis {axis} is not in {-x.dim()}..{x.dim() - 1}")
    if values.numel() == 1:
        return values.reshape(())
    if axis is None or values.numel() != x.shape[axis]:
        expected = "1 element" if axis is None else f"1 element or {x.shape[axis]}"
        raise ValueError(f"{who}: expected {expected}, found {values.numel()}")
    return values.view([-1 if d == axis % x.dim() else 1 for d in range(x.dim())])


def dequantize_tensor(
    q_x: torch.Tensor, scale: Number, zero_point: Number, axis: int | None = None
) -> torch.Tensor:
    """float32 tensor scale (q_x - zero_point) of integer codes.

    >>> dequantize_tensor(torch.tensor([1, 3, 15], dtype=torch.int32), scale=0.5, zero_point=3)
    tensor([-1.,  0.,  6.])
    """
    if not isinstance(q_x, torch.Tensor) or q_x.is_floating_point() or q_x.dtype == torch.bool:
        found = q_x.dtype if isinstance(q_x, torch.Tensor) else type(q_x).__name__
        raise ValueError(f"dequantize_tensor.q_x: expected a tensor of integer codes, found {found}")
    scales, zero_points = (
        _per_tensor_or_axis(scale, torch.float32),
        _per_tensor_or_axis(zero_point, torch.int32),
    )
    tracer = tracing.current()
    if tracer is None:
        return _reals(q_x, scales, zero_points, axis)
    with tracer.inside():
        x = _reals(q_x, scales, zero_points, axis)
        if scales.numel() == 1:
            tracer.dequantized(q_x, x, (float(scales), int(zero_points)))
    return x


def _reals(q: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor, axis: int | None) -> torch.Tensor:
    if q.numel() == 0 or (q.dtype != torch.uint8 and int(q.min()) >= 0 and int(q.max()) <= 255):
        q = q.to(torch.uint8)
    if q.dtype == torch.uint8 and bool(((zero_point >= 0) & (zero_point <= 255)).all()):
        return torch.ops.icepoint.dequantize(q, scale, zero_point, axis)
    # Codes wider than a byte: a bias, or signed weights.
    _check_scales(scale, "dequantize_tensor.scale")
    scale = _along(scale, q, axis, "dequantize_tensor.scale")
    zero_point = _along(zero_point, q, axis, "dequantize_tensor.zero_point")
    with _C.FloatEnv():
        return (q.to(torch.int64) - zero_point).to(torch.float32) * scale
