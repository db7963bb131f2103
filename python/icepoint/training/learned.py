"""A scale and a zero point that are learned: LSQ and LSQ+, in coordinates that no optimizer can break.

Esser et al., "Learned Step Size Quantization" (ICLR 2020); Bhalgat et al., "LSQ+" (CVPR workshops 2020).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ..qparams import MAX_SCALE, MIN_SCALE, QParam
from ..tuning import Tuning
from ..weights import WeightQParam


class LearnedRange(nn.Module):
    """scale = first_scale exp(growth) and zero_point = first_zero_point + shift, per tensor or per channel.

    `growth` and `shift`, float32 (1,) or (channels,), are learned and start at 0, so weight decay pulls
    towards the calibrated range. The scale is positive whatever an optimizer does, and is clamped to
    2^-100 .. 2^100; the zero point is rounded and clamped to its codes where it is read.

    Gradients: LSQ multiplies that of the scale, ds, by g = 1 / sqrt(elements qmax), where `elements` share
    the scale, and so moves it by -lr g ds. Here growth moves by -lr g ds / scale: the same step to first
    order, as d scale = scale d growth. LSQ+ moves the offset beta = -scale zero_point by -lr g dbeta; shift
    moves by the same in units of codes. Each gradient is clamped to +-1, so that one step of SGD changes a
    scale by at most lr of itself; without it a scale far too small would leap. Adam and its kin scale
    gradients themselves: with them lr is about that change.

    `learns_zero_point`: False leaves it where calibration put it; a range that begins or ends at 0, as
    behind a ReLU, keeps all its codes on its own side (LSQ's unsigned form).
    """

    def __init__(
        self, scale: torch.Tensor, zero_point: torch.Tensor, qmin: int, qmax: int, learns_zero_point: bool
    ):
        super().__init__()
        self.qmin, self.qmax = qmin, qmax
        self.register_buffer("first_scale", scale.detach().float().reshape(-1).clone())
        self.register_buffer("first_zero_point", zero_point.detach().float().reshape(-1).clone())
        self.growth = nn.Parameter(torch.zeros_like(self.first_scale))
        shift = torch.zeros_like(self.first_zero_point)
        self.shift = nn.Parameter(shift) if learns_zero_point else None

    def forward(self, elements: int) -> tuple[torch.Tensor, torch.Tensor]:
        """scale, zero_point: float32, with LSQ's gradients for a tensor with so many elements a scale."""
        factor = 1.0 / math.sqrt(elements * self.qmax)
        shift = torch.zeros_like(self.first_zero_point) if self.shift is None else self.shift
        return _Learned.apply(self.growth, shift, self.first_scale, self.first_zero_point, factor)

    def settled(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What integers take: scale float32 and zero_point int32, the very values that forward computes with.

        ValueError where one is not a number.
        """
        with torch.no_grad():
            scale, zero_point = self(1)
        if not bool(torch.isfinite(scale + zero_point).all()):
            raise ValueError("a learned scale or zero point is not a number: training has diverged")
        return scale, zero_point.round().clamp(self.qmin, self.qmax).to(torch.int32)

    def extra_repr(self) -> str:
        return f"codes={self.qmin}..{self.qmax}, learns_zero_point={self.shift is not None}"


class _Learned(torch.autograd.Function):
    """The scale and zero point of growth and shift, with LSQ's step for each."""

    @staticmethod
    def forward(ctx: Any, growth, shift, first_scale, first_zero_point, factor):
        scale = (first_scale * growth.exp()).clamp(MIN_SCALE, MAX_SCALE)
        ctx.save_for_backward(scale)
        ctx.factor = factor
        return scale, first_zero_point + shift

    @staticmethod
    def backward(ctx: Any, d_scale, d_zero_point):
        (scale,) = ctx.saved_tensors
        # d_zero_point = -scale dbeta: divided first, since scale^2 may leave float32.
        found = (d * ctx.factor / scale for d in (d_scale, d_zero_point / scale))
        return *(d.clamp(-1, 1) for d in found), None, None, None


class LearnedQParam(QParam):
    """A QParam whose scale and zero point are those of a LearnedRange, read by settle()."""

    def __init__(self, learned: LearnedRange, num_bits: int):
        super().__init__(num_bits)
        self.learned = learned
        self.settle()

    def settle(self) -> None:
        """Takes over what was learned since."""
        scale, zero_point = self.learned.settled()
        found = QParam.of_scale(float(scale), int(zero_point), self.num_bits)
        self.observer, self._given = found.observer, found._given

    def fake_quantize(self, tensor: torch.Tensor) -> torch.Tensor:
        """dequantize(quantize(tensor)), float32, with gradients of the tensor and of what is learned."""
        scale, zero_point = self.learned(tensor[0].numel())
        return torch.ops.icepoint.fake_quantize(tensor, scale, zero_point, 0, self.qmax, None)


class LearnedWeightQParam(WeightQParam):
    """A WeightQParam whose scales are those of a LearnedRange, but for the floor that a bias needs."""

    def __init__(self, learned: LearnedRange, num_bits: int, scheme: str):
        super().__init__(num_bits, scheme)
        self.learned = learned

    def update(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        scale_in: float | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """Takes what was learned; of `tuning` the scales have become it already."""
        scale, zero_point = self.learned.settled()
        learned = Tuning(weight_scale=scale, weight_zero_point=zero_point)
        super().update(weight, bias, scale_in, learned)

    def fake_quantize(self, weight: torch.Tensor) -> torch.Tensor:
        """dequantize(quantize(weight)), float32, with gradients of the weight and of what is learned."""
        scale, zero_point = self.learned(weight.numel() // self.learned.first_scale.numel())
        return torch.ops.icepoint.fake_quantize(weight, scale, zero_point, self.qmin, self.qmax, self.axis)
