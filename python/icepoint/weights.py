"""Scales, zero points and codes of weights.

Section 1 of docs/numerics.md, in double. Per-channel symmetric weights follow Krishnamoorthi,
"Quantizing deep convolutional networks for efficient inference" (2018), section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from . import _C
from .codes import check_num_bits, dequantize_tensor
from .qparams import MAX_SCALE, MIN_SCALE
from .tuning import Tuning

_UNTUNED = Tuning()

SCHEMES = ("per_channel", "per_tensor_affine", "per_channel_affine")


def check_scheme(weights: Any) -> str:
    """`weights` where it is one of SCHEMES, else ValueError."""
    if weights not in SCHEMES:
        raise ValueError(f"weights: expected one of {', '.join(SCHEMES)}, found {weights!r}")
    return weights


def weight_range(num_bits: int, scheme: str) -> tuple[int, int]:
    """Least and greatest code: symmetric +-(2^(b-1) - 1), affine 0 .. 2^b - 1.

    >>> weight_range(8, "per_channel"), weight_range(8, "per_tensor_affine")
    ((-127, 127), (0, 255))
    """
    top = (1 << (num_bits - 1)) - 1
    return (-top, top) if scheme == "per_channel" else (0, (1 << num_bits) - 1)


def choose_weight_qparams(
    weight: torch.Tensor,
    num_bits: int = 8,
    scheme: str = "per_channel",
    bias: torch.Tensor | None = None,
    scale_in: float | None = None,
    power_of_two: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales (float32) and zero points (int32) of a float32 weight whose axis 0 is the output channel.

    "per_channel" is symmetric, one scale for each channel and zero points 0; "per_tensor_affine" is
    the notebook's scheme, both tensors of length 1; "per_channel_affine" has one of each a channel.
    With `bias` (oc,) and `scale_in`, the input's scale, no scale is so small that the bias would
    leave +-2^30 at scale scale_in * scale: channels of zeros and tiny channels keep an exact bias.
    With `power_of_two` each scale is the least power of two that is no smaller.
    ValueError for NaN or infinity, an empty weight, or a scale above 2^100.

    >>> choose_weight_qparams(torch.tensor([[0.5, -1.27], [0.0, 0.254]]))[0]
    tensor([0.0100, 0.0020])
    """
    bits, scheme = check_num_bits(num_bits), check_scheme(scheme)
    if weight.dtype != torch.float32 or weight.dim() < 2 or weight.numel() == 0:
        raise ValueError(
            "weight: expected a float32 tensor (oc, ...) with elements, "
            f"found {weight.dtype} {tuple(weight.shape)}"
        )
    if weight.device.type != "cpu":
        raise ValueError(f"weight: lies on {weight.device}; icepoint computes on the CPU: call cpu() first")
    with _C.FloatEnv():
        return _weight_qparams(weight, bits, scheme, bias, scale_in, power_of_two)


def _weight_qparams(
    weight: torch.Tensor,
    bits: int,
    scheme: str,
    bias: torch.Tensor | None,
    scale_in: float | None,
    power_of_two: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    # Least and greatest are exact in float32, so no double copy of a large weight is needed. Two passes
    # of amin and amax take a tenth of the time of one aminmax along a dimension.
    rows = weight.detach().flatten(1)
    least, greatest = (v.double().numpy() for v in (rows.amin(1), rows.amax(1)))
    if not (np.isfinite(least).all() and np.isfinite(greatest).all()):
        raise ValueError("weight: expected finite values, found NaN or infinity")
    floor = _scale_floor(bias, scale_in, len(least))
    low, high = np.minimum(least, 0.0), np.maximum(greatest, 0.0)
    if scheme == "per_tensor_affine":
        low, high, floor = low.min(keepdims=True), high.max(keepdims=True), floor.max(keepdims=True)
    qmin, qmax = weight_range(bits, scheme)
    if scheme == "per_channel":
        natural = np.maximum(-low, high) / qmax
        scale, zero_point = _raised(natural, floor, power_of_two), np.zeros(len(low))
    else:
        natural = (high - low) / qmax
        scale = _raised(natural, floor, power_of_two)
        # qmax - max / scale, taken from the range itself where nothing raised the scale.
        with np.errstate(invalid="ignore", divide="ignore"):
            own = qmax - high * qmax / (high - low)
        zero_point = np.clip(np.rint(np.where(natural == scale, own, qmax - high / scale)), qmin, qmax)
    if not (scale <= MAX_SCALE).all():
        raise ValueError(f"weight: its range needs the scale {scale.max():g}, above 2^100")
    return torch.from_numpy(scale.astype(np.float32)), torch.from_numpy(zero_point.astype(np.int32))


def _raised(natural: np.ndarray, floor: np.ndarray, power_of_two: bool) -> np.ndarray:
    scale = np.maximum(natural, floor)
    if not power_of_two:
        return scale
    mantissa, exponent = np.frexp(scale)  # scale = mantissa 2^exponent, 0.5 <= mantissa < 1
    return np.where(mantissa == 0.5, scale, np.ldexp(1.0, exponent))


def _scale_floor(bias: torch.Tensor | None, scale_in: float | None, channels: int) -> np.ndarray:
    floor = np.full(channels, MIN_SCALE)
    if bias is None:
        return floor
    values = np.abs(bias.detach().double().numpy())
    if not np.isfinite(values).all():
        raise ValueError("bias: expected finite values, found NaN or infinity")
    return floor if scale_in is None else np.maximum(floor, values / (scale_in * 2.0**30))


class WeightQParam:
    """A weight's QParam: `.scale`, `.zero_point` as numbers, or as tensors (oc,) per channel.

    None before the first update; unlike an activation's QParam it follows the weights as they are.
    """

    def __init__(self, num_bits: int = 8, scheme: str = "per_channel", power_of_two: bool = False):
        self.num_bits, self.scheme = check_num_bits(num_bits), check_scheme(scheme)
        self.power_of_two = bool(power_of_two)
        self.qmin, self.qmax = weight_range(self.num_bits, self.scheme)
        self.min: float | None = None
        self.max: float | None = None
        self.scales: torch.Tensor | None = None
        self.zero_points: torch.Tensor | None = None

    @property
    def scale(self) -> float | torch.Tensor | None:
        return self.scales if self._per_channel or self.scales is None else float(self.scales)

    @property
    def zero_point(self) -> int | torch.Tensor | None:
        return self.zero_points if self._per_channel or self.zero_points is None else int(self.zero_points)

    @property
    def _per_channel(self) -> bool:
        return self.scheme != "per_tensor_affine"

    @property
    def axis(self) -> int | None:
        return 0 if self._per_channel else None

    def update(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        scale_in: float | None = None,
        tuning: Tuning = _UNTUNED,
    ) -> None:
        """Takes the qparams of `weight` as choose_weight_qparams gives them, or those of the tuning."""
        self.scales, self.zero_points = choose_weight_qparams(
            weight, self.num_bits, self.scheme, bias, scale_in, self.power_of_two
        )
        if tuning.weight_scale is not None:
            self._tune(tuning, _scale_floor(bias, scale_in, len(weight)))
        self.min, self.max = (float(v) for v in torch.aminmax(weight.detach()))

    def _tune(self, tuning: Tuning, floor: np.ndarray) -> None:
        if tuning.weight_scale.shape != self.scales.shape:
            raise ValueError(
                f"tuning.weight_scale: expected {tuple(self.scales.shape)}, one for each scale of the "
                f"weights, found {tuple(tuning.weight_scale.shape)}"
            )
        floor = floor if self._per_channel else floor.max(keepdims=True)
        scale = _raised(tuning.weight_scale.double().numpy(), floor, self.power_of_two)
        if not (scale <= MAX_SCALE).all():  # NaN too
            raise ValueError(f"tuning.weight_scale: expected scales of at most 2^100, found {scale.max():g}")
        self.scales = torch.from_numpy(scale.astype(np.float32))
        if tuning.weight_zero_point is not None:
            self.zero_points = tuning.weight_zero_point.clamp(self.qmin, self.qmax)

    def known(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scales and zero points as tensors; ValueError before the first update."""
        if self.scales is None or self.zero_points is None:
            raise ValueError("calibrate first: this weight has no scale yet")
        return self.scales, self.zero_points

    def quantize_tensor(self, weight: torch.Tensor) -> torch.Tensor:
        """int32 codes of a float32 weight, in +-(2^(b-1) - 1) or 0 .. 2^b - 1."""
        return self.codes(weight).to(torch.int32)

    def codes(self, weight: torch.Tensor) -> torch.Tensor:
        """The same codes in one byte each: int8 symmetric, uint8 affine."""
        return torch.ops.icepoint.quantize(weight.detach(), *self.known(), self.qmin, self.qmax, self.axis)

    def dequantize_tensor(self, q_w: torch.Tensor) -> torch.Tensor:
        """float32 values of integer codes."""
        return dequantize_tensor(q_w, *self.known(), axis=self.axis)

    def fake_quantize(self, weight: torch.Tensor) -> torch.Tensor:
        """dequantize(quantize(weight)), float32, with straight-through gradients."""
        return torch.ops.icepoint.fake_quantize(weight, *self.known(), self.qmin, self.qmax, self.axis)

    def state(self) -> dict[str, Any]:
        """Plain values that load() takes back: what a state_dict carries."""
        return {"num_bits": self.num_bits, "scheme": self.scheme, "min": self.min, "max": self.max,
                "scales": self.scales, "zero_points": self.zero_points,
                "power_of_two": self.power_of_two}  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Takes over state(); ValueError where it was made with other bits or another scheme."""
        for field in ("num_bits", "scheme"):
            if state[field] != getattr(self, field):
                raise ValueError(f"weights: expected {field} {getattr(self, field)}, found {state[field]}")
        self.min, self.max = state["min"], state["max"]
        self.scales, self.zero_points = state["scales"], state["zero_points"]
        self.power_of_two = state.get("power_of_two", False)

    def __repr__(self) -> str:
        return f"WeightQParam(num_bits={self.num_bits}, scheme={self.scheme!r}, scale={self.scale})"
