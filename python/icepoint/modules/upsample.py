"""Up-sampling on codes: nearest moves bytes, bilinear weighs four of them; both keep their qparams."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..graph import GraphBuilder
from .moving import QMove


class QUpsample(QMove):
    """Up-sampling of (n, c, h, w) to `size` (height, width), "nearest" or "bilinear", or by an nn.Upsample.

    Bilinear weights are exact to 2^-11 (docs/numerics.md); a scale_factor that is not the ratio of the
    sizes is refused when the layer runs.
    """

    def __init__(
        self,
        size: int | Sequence[int] | nn.Upsample,
        mode: str = "nearest",
        align_corners: bool = False,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, num_bits, qi=qi)
        self.scale_factor: tuple[float, float] | None = None
        if isinstance(size, nn.Upsample):
            module, mode = size, size.mode
            size, align_corners = module.size, bool(module.align_corners)
            if size is None:
                factor = module.scale_factor
                self.scale_factor = tuple(factor) if isinstance(factor, tuple) else (factor, factor)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f"QUpsample.mode: expected nearest or bilinear, found {mode!r}")
        self.size = tuple(size) if isinstance(size, (tuple, list)) else size and (size, size)
        self.mode, self.align_corners = mode, bool(align_corners)

    def _size(self, x: torch.Tensor) -> tuple[int, int]:
        if self.scale_factor is None:
            return self.size
        exact = [side * factor for side, factor in zip(x.shape[2:], self.scale_factor, strict=True)]
        size = tuple(round(side) for side in exact)
        if any(abs(a - b) > 1e-6 * b for a, b in zip(exact, size, strict=True)):
            raise ValueError(
                f"scale_factor {self.scale_factor} makes {tuple(exact)} of {tuple(x.shape[2:])}; "
                "expected whole sizes"
            )
        return size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._see_input(x)
        corners = self.align_corners if self.mode == "bilinear" else None
        return F.interpolate(x, self._size(x), mode=self.mode, align_corners=corners)

    def move(self, x: torch.Tensor) -> torch.Tensor:
        size = self._size(x)
        if self.mode == "bilinear":
            return torch.ops.icepoint.qupsample_bilinear2d(x, list(size), self.align_corners)
        rows, columns = (nearest_index(a, b) for a, b in zip(x.shape[2:], size, strict=True))
        return x[:, :, rows][:, :, :, columns]

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        height, width = graph.values[inputs[0]].shape[1:]
        size = list(self._size(torch.empty(1, 1, height, width, device="meta")))
        if self.mode == "nearest":
            return graph.add("upsample_nearest", name, inputs, {"output_size": size})
        fields = {"output_size": size, "align_corners": self.align_corners}
        return graph.add("upsample_bilinear", name, inputs, fields)


def nearest_index(size: int, out: int) -> torch.Tensor:
    """min(floor(float32(i) * (float32(in) / float32(out))), in - 1), every step in float32.

    >>> nearest_index(3, 5)
    tensor([0, 0, 1, 1, 2])
    """
    ratio = torch.tensor(size, dtype=torch.float32) / torch.tensor(out, dtype=torch.float32)
    return torch.floor(torch.arange(out, dtype=torch.float32) * ratio).long().clamp(max=size - 1)
