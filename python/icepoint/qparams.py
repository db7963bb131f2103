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
from .observers import MinMax, Observer, make, of_state
from .observers.base import Range

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


def power_of_two_qparams(min: Number, max: Number, num_bits: int = 8) -> tuple[float, int]:
    """choose_qparams with the least power of two that is no smaller as scale: a shift for hardware.

    The zero point is the nearest code of -min / scale, so the range keeps its lower end. A step is up to
    twice as wide as it need be. ValueError as choose_qparams.

    >>> power_of_two_qparams(-1.0, 1.0)
    (0.015625, 64)
    """
    scale, zero_point = choose_qparams(min, max, num_bits)
    if min >= 0 and max <= 0:
        return scale, zero_point
    mantissa, exponent = math.frexp(scale)
    scale = scale if mantissa == 0.5 else math.ldexp(1.0, exponent)
    # At most qmax (1 + 2^-24), by the rounding of the scale to float32: no clamp is needed.
    return scale, round(-float(min) / scale) if min < 0 else 0


class QParam:
    """The scale and zero point of a tensor, chosen by an observer of the values seen.

    `min <= 0 <= max`, the range chosen, are floats and `scale`, `zero_point` a float and an int, all None
    before the first update. They do not depend on the order of the tensors. `observer` is a method's name,
    "min_max", "moving_average", "percentile", "mse", "entropy" or "pixels", or an Observer per tensor, which
    is then this QParam's own; the range of the costly methods is searched when it is first asked for. With
    `power_of_two` the scale is a power of two.
    """

    def __init__(self, num_bits: int = 8, observer: str | Observer = "min_max", power_of_two: bool = False):
        self.num_bits = check_num_bits(num_bits, "QParam.num_bits")
        self.power_of_two = bool(power_of_two)
        self.observer = observer if isinstance(observer, Observer) else make(observer)
        if self.observer.axis is not None:
            raise ValueError(f"QParam: expected an observer per tensor, found {self.observer}")
        # What was given, and is not what the observer would choose: (min, max, scale, zero_point).
        self._given: tuple[float, float, float, int] | None = None

    @classmethod
    def of_range(cls, min: float, max: float, num_bits: int = 8, power_of_two: bool = False) -> QParam:
        """A QParam whose range is known beforehand, such as [0, 1] behind a sigmoid."""
        q = cls(num_bits, MinMax.of_range(min, max), power_of_two)
        q._of(q.observer.range())  # refuses what has no scale
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
        low, high = -scale * zero_point, scale * (q.qmax - zero_point)
        q.observer, q._given = MinMax.of_range(low, high), (low, high, float(scale), int(zero_point))
        return q

    def update(self, tensor: torch.Tensor) -> None:
        """Takes in a float32 tensor. ValueError for another dtype, for no data, for NaN or infinity, for
        values too far apart for the greatest scale; the QParam is then as before."""
        seen = self.observer.look(tensor)
        low, high = self.observer.extremes_with(seen)
        choose_qparams(low, high, self.num_bits)  # no range that a method chooses is wider
        self.observer.add(seen)
        self._given = None

    def merge(self, other: QParam) -> None:
        """Takes in all that `other` has seen. ValueError for other bits or another kind of observer."""
        if other.num_bits != self.num_bits:
            raise ValueError(f"merge: expected a QParam of {self.num_bits} bits, found {other.num_bits} bits")
        self.observer.merge(other.observer)
        self._given = None

    def _of(self, chosen: Range) -> tuple[float, int]:
        return (power_of_two_qparams if self.power_of_two else choose_qparams)(*chosen, self.num_bits)

    def _known(self) -> tuple[float, float, float, int] | tuple[None, None, None, None]:
        if self._given is not None:
            return self._given
        if self.observer.is_empty:
            return None, None, None, None
        chosen = self.observer.range(self.num_bits)
        return *chosen, *self._of(chosen)

    @property
    def min(self) -> float | None:
        return self._known()[0]

    @property
    def max(self) -> float | None:
        return self._known()[1]

    @property
    def scale(self) -> float | None:
        return self._known()[2]

    @property
    def zero_point(self) -> int | None:
        return self._known()[3]

    @property
    def qmax(self) -> int:
        return (1 << self.num_bits) - 1

    def _calibrated(self) -> tuple[float, int]:
        *_, scale, zero_point = self._known()
        if scale is None or zero_point is None:
            raise ValueError("calibrate first: this QParam has seen no data, so it has no scale")
        return scale, zero_point

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
        """Plain numbers and tensors that load() takes back: what a state_dict carries."""
        low, high, scale, zero_point = self._known()
        found = {"num_bits": self.num_bits, "min": low, "max": high, "scale": scale, "zero_point": zero_point}
        if self.power_of_two:
            found["power_of_two"] = True
        if not (isinstance(self.observer, MinMax) and not self.observer.parameters):  # which is min and max
            found["observer"] = self.observer.state()
        return found

    def load(self, state: dict[str, Any]) -> QParam:
        """Takes over state(), with its observer; ValueError where it was made with another num_bits."""
        if state["num_bits"] != self.num_bits:
            raise ValueError(
                f"expected a state of {self.num_bits} bits, found {state['num_bits']} bits: "
                f"quantize(num_bits={state['num_bits']}) first"
            )
        known = state["min"], state["max"], state["scale"], state["zero_point"]
        if "observer" in state:
            self.observer = of_state(state["observer"])
        else:
            self.observer = MinMax() if known[0] is None else MinMax.of_range(*known[:2])
        self.power_of_two = state.get("power_of_two", False)
        self._given = None if known[2] is None else known
        return self

    def __repr__(self) -> str:
        return f"QParam(num_bits={self.num_bits}, scale={self.scale}, zero_point={self.zero_point})"
