"""Scale and zero point of a tensor: the teaching notebook's formulas and QParam, with exact rounding.

Section 1 of docs/numerics.md; the scheme is Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018): real = scale (code - zero_point).
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import torch

from . import _C, tracing

MIN_SCALE, MAX_SCALE = 2.0**-100, 2.0**100
Number = float | int | torch.Tensor


def check_num_bits(num_bits: Any, who: str = "num_bits") -> int:
    """`num_bits` as an int; ValueError unless it is an integer in 2..8 (a bool or a float is not)."""
    if isinstance(num_bits, bool) or not isinstance(num_bits, Integral) or not 2 <= num_bits <= 8:
        raise ValueError(f"{who}: expected an integer in 2..8, found {num_bits!r}")
    return int(num_bits)


def choose_qparams(min: Number, max: Number, num_bits: int = 8) -> tuple[float, int]:
    """Scale and zero point of uint8 codes 0 .. 2^num_bits - 1 for reals in [min, max].

    The range is widened to hold 0, which then has an exact code. The scale is a float32 value in
    [2^-100, 2^100]; a range of only zero gives (1.0, 0). ValueError for NaN, infinity, a range too
    wide for the greatest scale, or num_bits outside 2..8.

    >>> choose_qparams(-1.0, 1.0)
    (0.007843137718737125, 128)
    """
    return _C.choose_qparams(float(min), float(max), check_num_bits(num_bits))


def calcu_scale_and_zeropoint(min_val: Number, max_val: Number, num_bits: int = 8) -> tuple[float, int]:
    """The notebook's name of choose_qparams. Unlike there, the zero point is rounded and not cut
    off, and a constant tensor gets a usable scale."""
    return choose_qparams(min_val, max_val, num_bits)


def calculate_scale_zero_point(min_val: Number, max_val: Number, num_bits: int = 8) -> tuple[float, int]:
    """The lab's name of choose_qparams."""
    return choose_qparams(min_val, max_val, num_bits)


def _per_tensor_or_axis(value: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.as_tensor(value).detach().to(dtype).reshape(-1)


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
    if not bool(((scales > 0) & torch.isfinite(scales)).all()):
        raise ValueError(f"quantize_tensor.scale: expected positive finite numbers, found {scale}")
    if axis is not None:
        shape = [-1 if d == axis % x.dim() else 1 for d in range(x.dim())]
        scales, zero_points = scales.view(shape), zero_points.view(shape)
    codes = torch.round(x.detach().double() / scales) + zero_points
    codes = torch.where(torch.isnan(codes), zero_points, codes)
    return codes.clamp(-(2**31), 2**31 - 1).to(torch.int64).to(torch.int32)


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
    if axis is not None:  # codes wider than a byte: a bias, or signed weights
        shape = [-1 if d == axis % q.dim() else 1 for d in range(q.dim())]
        scale, zero_point = scale.view(shape), zero_point.view(shape)
    return (q.to(torch.int64) - zero_point).to(torch.float32) * scale


class QParam:
    """An observer: the least and greatest value seen, and the scale and zero point that they give.

    `min <= 0 <= max` are floats and `scale`, `zero_point` a float and an int, all None before the
    first update. The ranges do not depend on the order of the tensors.
    """

    def __init__(self, num_bits: int = 8):
        self.num_bits = check_num_bits(num_bits, "QParam.num_bits")
        self.min: float | None = None
        self.max: float | None = None
        self.scale: float | None = None
        self.zero_point: int | None = None

    @classmethod
    def of_range(cls, min: float, max: float, num_bits: int = 8) -> QParam:
        """A QParam whose range is known beforehand, such as [0, 1] behind a sigmoid."""
        q = cls(num_bits)
        q._widen(float(min), float(max))
        return q

    def update(self, tensor: torch.Tensor) -> None:
        """Widens the range to hold a float32 tensor. ValueError for another dtype, for no data, for
        NaN or infinity; the QParam is then as before."""
        if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float32:
            found = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise ValueError(f"expected a float32 tensor, found {found}")
        if tensor.numel() == 0:
            raise ValueError(f"expected data, found an empty tensor of shape {tuple(tensor.shape)}")
        low, high = (float(v) for v in torch.aminmax(tensor.detach()))
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(f"expected finite values, found NaN or infinity in {bad} of {tensor.numel()}")
        self._widen(low, high)

    def _widen(self, low: float, high: float) -> None:
        low = min(0.0, low) if self.min is None else min(0.0, self.min, low)
        high = max(0.0, high) if self.max is None else max(0.0, self.max, high)
        self.scale, self.zero_point = choose_qparams(low, high, self.num_bits)
        self.min, self.max = low, high

    @property
    def qmax(self) -> int:
        return (1 << self.num_bits) - 1

    def _calibrated(self) -> tuple[float, int]:
        if self.scale is None or self.zero_point is None:
            raise ValueError("calibrate first: this QParam has seen no data, so it has no scale")
        return self.scale, self.zero_point

    def quantize_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """int32 codes of a float32 tensor."""
        return quantize_tensor(tensor, *self._calibrated(), num_bits=self.num_bits)

    def dequantize_tensor(self, q_x: torch.Tensor) -> torch.Tensor:
        """float32 values of integer codes."""
        return dequantize_tensor(q_x, *self._calibrated())

    def fake_quantize(self, tensor: torch.Tensor) -> torch.Tensor:
        """dequantize(quantize(tensor)), float32, with straight-through gradients."""
        scale, zero_point = self._calibrated()
        return torch.ops.icepoint.fake_quantize(
            tensor, torch.tensor([scale]), torch.tensor([zero_point], dtype=torch.int32), 0, self.qmax, None
        )

    def same_as(self, other: QParam) -> bool:
        """Whether both give every code the same meaning."""
        mine, theirs = (
            (self.scale, self.zero_point, self.num_bits),
            (other.scale, other.zero_point, other.num_bits),
        )
        return mine == theirs

    def state(self) -> dict[str, Any]:
        """Plain numbers that load() takes back: what a state_dict carries."""
        return {"num_bits": self.num_bits, "min": self.min, "max": self.max, "scale": self.scale,
                "zero_point": self.zero_point}  # fmt: skip

    def load(self, state: dict[str, Any]) -> QParam:
        """Takes over state(); ValueError where it was made with another num_bits."""
        if state["num_bits"] != self.num_bits:
            raise ValueError(
                f"expected a state of {self.num_bits} bits, found {state['num_bits']} bits: "
                f"quantize(num_bits={state['num_bits']}) first"
            )
        self.min, self.max = state["min"], state["max"]
        self.scale, self.zero_point = state["scale"], state["zero_point"]
        return self

    def __repr__(self) -> str:
        return f"QParam(num_bits={self.num_bits}, scale={self.scale}, zero_point={self.zero_point})"
