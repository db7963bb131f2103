"""A layer's weight held as integer codes and widened to float32 where the layer reads it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .packed_codes import pack, unpack
from .weights import WeightQParam

Stored = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PackedWeight(nn.Module):
    """A parametrization (torch.nn.utils.parametrize) of a float32 weight by `num_bits` codes.

    Three tensors take the weight's place: the codes, (rows, row) in one byte each at 8 bits, else
    packed rows; `scale` float32 and `zero_point` int32, (rows,) or (1,). A row is what one output
    channel, dimension `axis`, reads. `stored` are such tensors of a file, taken as they are for the
    first weight.
    """

    def __init__(self, num_bits: int, scheme: str, shape: Sequence[int], axis: int):
        super().__init__()
        self.num_bits, self.scheme, self.shape, self.axis = num_bits, scheme, tuple(shape), axis
        self.stored: Stored | None = None

    def right_inverse(self, weight: torch.Tensor) -> Stored:
        """Codes, scale and zero_point of a float32 weight (choose_weight_qparams)."""
        if self.stored is not None:
            stored, self.stored = self.stored, None
            return stored
        q = WeightQParam(self.num_bits, self.scheme)
        rows = weight.detach().transpose(0, self.axis).flatten(1)
        q.update(rows)
        codes = q.codes(rows)
        zero_points = q.zero_points[:1] if self.scheme == "per_channel" else q.zero_points  # all are 0
        return codes if self.num_bits == 8 else pack(codes, self.num_bits), q.scales, zero_points

    def forward(self, codes: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor) -> torch.Tensor:
        """scale (code - zero_point), computed in float32, in the weight's own shape and scale's dtype.

        The dtype is float32 until a user calls half() or double() on the model.
        """
        rows, *rest = self._row_shape()
        if self.num_bits < 8:
            row = torch.Size(rest).numel()
            codes = unpack(codes, row, self.num_bits, signed=self.scheme == "per_channel")
        # Not the op `dequantize`, which takes uint8 only; both are one float32 product.
        real = (codes.to(torch.int16) - zero_point.to(torch.int16)[:, None]).to(torch.float32)
        real *= scale.to(torch.float32)[:, None]
        return real.to(scale.dtype).view(rows, *rest).transpose(0, self.axis).contiguous()

    def _row_shape(self) -> list[int]:
        shape = list(self.shape)
        shape[0], shape[self.axis] = shape[self.axis], shape[0]
        return shape

    def extra_repr(self) -> str:
        return f"num_bits={self.num_bits}, scheme={self.scheme!r}, shape={self.shape}"
