"""Float modules for operators that torch.nn has no class for: what the steps of a captured graph run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Reshape(nn.Module):
    """(n, ...) to (n, *shape), in the logical order."""

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Add(nn.Module):
    """a + alpha b, with torch's broadcasting."""

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha = alpha
        self.spreads = False  # whether one is (n, c, 1) over (n, c, l), which only images do

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.add(a, b, alpha=self.alpha) if self.alpha != 1.0 else a + b


class Mul(nn.Module):
    """a * b, with torch's broadcasting."""

    def __init__(self) -> None:
        super().__init__()
        self.spreads = False

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b


class Div(nn.Module):
    """a / b. Integers have it only as a table, where b is a function of a."""

    refusal = "it divides by a computed value; a table can, where both are functions of one value"

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a / b


class Concat(nn.Module):
    """Tensors joined along `axis`, which is not the batch."""

    def __init__(self, axis: int):
        super().__init__()
        self.axis = axis

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(xs, self.axis)


class Clamp(nn.Module):
    """min(max(x, low), high); None leaves an end open."""

    def __init__(self, low: float | None, high: float | None):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(self.low, self.high)

    def extra_repr(self) -> str:
        return f"{self.low}, {self.high}"


class Affine(nn.Module):
    """gain x + offset; each a number, or (c,) along axis 1 of the tensor, or along its last (-1)."""

    def __init__(self, gain: float | torch.Tensor, offset: float | torch.Tensor, axis: int = 1):
        super().__init__()
        self.axis = axis
        self.gain: Any
        self.offset: Any
        for name, value in (("gain", gain), ("offset", offset)):
            if isinstance(value, torch.Tensor):
                self.register_buffer(name, value.detach())
            else:
                setattr(self, name, float(value))

    @property
    def per_channel(self) -> bool:
        """Whether channels differ; else it is a function of one number."""
        return any(isinstance(v, torch.Tensor) for v in (self.gain, self.offset))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gain, offset = (self._along(v, x) for v in (self.gain, self.offset))
        y = x if isinstance(gain, float) and gain == 1.0 else x * gain
        return y if isinstance(offset, float) and offset == 0.0 else y + offset

    def _along(self, value: Any, x: torch.Tensor) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        value = value.to(x.dtype)
        return value if self.axis == -1 else value.view(-1, *[1] * (x.dim() - 2))


class Slice(nn.Module):
    """x[..., start:stop:step] along `axis`, which is not the batch; 0 <= start < stop, step >= 1."""

    def __init__(self, axis: int, start: int, stop: int, step: int = 1):
        super().__init__()
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[(slice(None),) * self.axis + (slice(self.start, self.stop, self.step),)]


class PermuteChannels(nn.Module):
    """y[:, c] = x[:, order[c]]: a channel shuffle."""

    def __init__(self, order: Sequence[int]):
        super().__init__()
        self.order = list(order)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.order]


class Pad(nn.Module):
    """Padding (top, left, bottom, right) of (n, c, h, w); with a constant also channels before and behind."""

    def __init__(self, padding: Sequence[int], mode: str, value: float, channels: Sequence[int] = (0, 0)):
        super().__init__()
        self.padding, self.mode, self.value, self.channels = list(padding), mode, value, list(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top, left, bottom, right = self.padding
        if self.mode == "constant":
            return F.pad(x, (left, right, top, bottom, *self.channels), value=self.value)
        return F.pad(x, (left, right, top, bottom), self.mode)


class Resize(nn.Module):
    """Up-sampling of (n, c, h, w) to `size` (height, width); mode "nearest" or "bilinear"."""

    def __init__(self, size: Sequence[int], mode: str, align_corners: bool = False):
        super().__init__()
        self.size, self.mode, self.align_corners = tuple(size), mode, align_corners

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corners = self.align_corners if self.mode == "bilinear" else None
        return F.interpolate(x, self.size, mode=self.mode, align_corners=corners)
