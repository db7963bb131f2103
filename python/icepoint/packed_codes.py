"""Codes of 2 to 7 bits in rows of bytes: "packed rows" of docs/format.md, for tensors in memory."""

from __future__ import annotations

import numpy as np
import torch

from . import _C

_BLOCK = 1 << 20  # codes


def pack(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """uint8 (rows, bytes) of codes (rows, ...): a row begins at a byte, low bits first.

    >>> pack(torch.tensor([[1, -1, 3, -3, 2]]), 3)
    tensor([[249,  42]], dtype=torch.uint8)
    """
    rows = codes.flatten(1).to(torch.int32).contiguous()
    packed = _C.pack_codes(rows.numpy().reshape(-1), rows.shape[1], bits)
    return torch.from_numpy(np.frombuffer(packed, np.uint8).reshape(len(rows), -1).copy())


def unpack(packed: torch.Tensor, row: int, bits: int, signed: bool) -> torch.Tensor:
    """The first `row` codes (rows, row) of every packed row: int8 where `signed`, else uint8.

    >>> unpack(torch.tensor([[249, 42]], dtype=torch.uint8), 5, 3, signed=True)
    tensor([[ 1, -1,  3, -3,  2]], dtype=torch.int8)
    """
    codes = torch.empty(len(packed), row, dtype=torch.int8 if signed else torch.uint8)
    at = torch.arange(row) * bits
    low, last, sign = at >> 3, packed.shape[1] - 1, (1 << (bits - 1)) if signed else 0
    rows = max(1, _BLOCK // max(1, row))  # at a time: as int32 a VGG16's weights fill gigabytes
    for some, made in zip(packed.split(rows), codes.split(rows), strict=True):
        # A code lies in at most two bytes; where the row's last byte is its second too, the shift drops it.
        pairs = some[:, low].to(torch.int32) | some[:, (low + 1).clamp(max=last)].to(torch.int32) << 8
        made.copy_(((pairs >> (at & 7).to(torch.int32) & ((1 << bits) - 1)) ^ sign) - sign)
    return codes
