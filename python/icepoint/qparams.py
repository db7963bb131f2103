"""Scale and zero point of a tensor: the teaching notebook's formulas and QParam, with exact rounding.

Section 1 of docs/numerics.md; the scheme is Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018): real = scale (code - zero_point).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import _C
from .codes import Number, check_num_bits, dequantize_tensor, quantize_tensor

MIN_SCALE, MAX_SCALE = 2.0**-100, 2.0**100


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

    @classmethod
    def of_scale(cls, scale: float, zero_point: int, num_bits: int = 8) -> QParam:
        """A QParam of a scale that was learned; the range is what its codes stand for.

        ValueError unless the scale is a float32 number in [2^-100, 2^100] and the zero point a code.

        >>> QParam.of_scale(0.5, 4, num_bits=4).max
        5.5
        """
        q = cls(num_bits)
        if not MIN_SCALE <= scale <= MAX_SCALE or float(np.float32(scale)) != scale:
            raise ValueError(f"scale: expected a float32 number in [2^-100, 2^100], found {scale!r}")
        if not 0 <= zero_point <= q.qmax:
            raise ValueError(f"zero_point: expected 0..{q.qmax}, found {zero_point}")
        q.scale, q.zero_point = float(scale), int(zero_point)
        q.min, q.max = -scale * zero_point, scale * (q.qmax - zero_point)
        return q

    def update(self, tensor: torch.Tensor) -> None:
        """Widens the range to hold a float32 tensor. ValueError for another dtype, for no data, for
        NaN or infinity; the QParam is then as before."""
        if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float32:
            found = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise ValueError(f"expected a float32 tensor, found {found}")
        if tensor.layout != torch.strided or tensor.is_meta:
            raise ValueError(f"expected a dense tensor with data, found {tensor.layout} on {tensor.device}")
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
            tensor,
            torch.tensor([scale], dtype=torch.float32),
            torch.tensor([zero_point], dtype=torch.int32),
            0,
            self.qmax,
            None,
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
