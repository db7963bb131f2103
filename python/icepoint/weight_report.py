"""What weight-only quantization did to each layer: a table of bits, bytes and error."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from .packed_weight import PackedWeight


@dataclass(frozen=True)
class WeightRow:
    """One layer. `sqnr_db`: 10 log10 of the weight's energy over its error's; None without error."""

    layer: str
    kind: str
    shape: tuple[int, ...]
    bits: int
    float_bytes: int
    bytes: int
    sqnr_db: float | None

    @classmethod
    def of(cls, name: str, layer: nn.Module, packed: PackedWeight, weight: torch.Tensor) -> WeightRow:
        """The row of `layer`, which holds `weight` packed."""
        stored = layer.parametrizations.weight.parameters()
        kind = type(layer).__name__.removeprefix("Parametrized")
        size = sum(x.numel() * x.element_size() for x in stored)
        sqnr = _sqnr_db(weight.detach(), layer.weight.detach())
        return cls(name, kind, tuple(weight.shape), packed.num_bits, 4 * weight.numel(), size, sqnr)


class WeightReport:
    """The rows and the whole model's bytes before and after; str() is a table, to_dict() the numbers."""

    def __init__(self, rows: Sequence[WeightRow], float_bytes: int, size_bytes: int):
        self.rows, self.float_bytes, self.size_bytes = list(rows), float_bytes, size_bytes

    def to_dict(self) -> dict[str, Any]:
        """layers, float_bytes, size_bytes, as plain values for JSON."""
        return {
            "layers": [asdict(row) for row in self.rows],
            "float_bytes": self.float_bytes,
            "size_bytes": self.size_bytes,
        }

    def _table(self) -> Table:
        caption = (
            f"model: {self.float_bytes:,} bytes of float32 became {self.size_bytes:,}, "
            f"{self.float_bytes / self.size_bytes:.2f} times smaller; it computes in float"
        )
        table = Table(caption=caption, caption_justify="left")
        for title in ("layer", "kind", "weight", "bits", "float bytes", "bytes", "SQNR dB"):
            left = title in ("layer", "kind", "weight")
            table.add_column(title, justify="left" if left else "right", no_wrap=title == "layer")
        for r in self.rows:
            sqnr = "exact" if r.sqnr_db is None else f"{r.sqnr_db:.1f}"
            shape = " × ".join(map(str, r.shape))
            table.add_row(r.layer, r.kind, shape, str(r.bits), f"{r.float_bytes:,}", f"{r.bytes:,}", sqnr)
        return table

    def __str__(self) -> str:
        out = Console(file=io.StringIO(), width=110)
        out.print(self._table())
        return out.file.getvalue().rstrip()

    def _repr_html_(self) -> str:
        out = Console(file=io.StringIO(), record=True, width=110)
        out.print(self._table())
        return out.export_html(inline_styles=True, code_format="<pre>{code}</pre>")

    def __repr__(self) -> str:
        return f"<WeightReport: {len(self.rows)} layers, {self.float_bytes:,} -> {self.size_bytes:,} bytes>"


def _sqnr_db(x: torch.Tensor, y: torch.Tensor) -> float | None:
    # float32 differences summed in double: a double copy of VGG16's largest layer would be 800 MB.
    noise = float((x - y).square_().sum(dtype=torch.float64))
    signal = float(x.square().sum(dtype=torch.float64))
    if noise == 0.0:
        return None
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf
