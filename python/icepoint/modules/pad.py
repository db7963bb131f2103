"""Padding on codes, with a constant, by reflection, by repetition, or around."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule
from .clamps import code_of
from .function import reals_of, table_of


class QPad(QModule):
    """Padding (top, left, bottom, right) of (n, c, h, w), and of `channels` (before, behind).

    `mode` "constant" (by `value`; 0 is the zero point), "reflect", "replicate" or "circular". A constant
    that is not 0 may lie beside the input's range: then q_out observes the result, and the codes pass
    through a table first.
    """

    def __init__(
        self,
        padding: Sequence[int],
        mode: str = "constant",
        value: float = 0.0,
        channels: Sequence[int] = (0, 0),
        has_qin: bool = False,
        num_bits: int = 8,
        *,
        qi: bool | None = None,
    ):
        if mode not in ("constant", "reflect", "replicate", "circular"):
            raise ValueError(f"QPad.mode: expected constant, reflect, replicate or circular, found {mode!r}")
        if len(padding) != 4 or len(channels) != 2 or min(*padding, *channels) < 0:
            raise ValueError(
                "QPad: expected padding (top, left, bottom, right) and channels (before, behind), none "
                f"below 0, found {tuple(padding)} and {tuple(channels)}"
            )
        if mode != "constant" and any(channels):
            raise ValueError(f"QPad.channels: expected (0, 0) with mode {mode!r}, found {tuple(channels)}")
        moves = mode != "constant" or value == 0.0
        super().__init__(has_qin, not moves, num_bits, qi=qi)
        self.keeps_qparams = moves
        self.padding, self.mode, self.channels = [int(p) for p in padding], mode, [int(c) for c in channels]
        self.value = float(value)

    def _padded(self, x: torch.Tensor, value: float) -> torch.Tensor:
        top, left, bottom, right = self.padding
        if self.mode == "constant":
            return F.pad(x, (left, right, top, bottom, *self.channels), value=value)
        return F.pad(x, (left, right, top, bottom), self.mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._see_output(self._padded(self._see_input(x), self.value))

    def _make_integers(self) -> dict[str, torch.Tensor]:
        if self.keeps_qparams or self.q_in.same_as(self.q_out):
            return {}
        return {"table": table_of(reals_of(self.q_in), self.q_out)}

    def _code(self) -> int:
        return code_of(self.value, self.q_result)

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) to int32 codes."""
        self._require_frozen()
        codes = self._bytes(x, self.q_in)
        if "table" in self.integers:
            codes = torch.ops.icepoint.lookup(codes, self.integers["table"])
        return self._padded(codes.to(torch.float32), self._code()).to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        if "table" in self.integers:
            fields = {"function": "requantize"}
            shape = graph.values[inputs[0]].shape
            inputs = [graph.add("lookup", f"{name}.codes", inputs, fields, self.integers, self.q_out)]
            graph.values[inputs[0]].shape = shape
        if self.mode == "circular":
            return self._emit_circular(graph, name, inputs)
        fields = {"mode": self.mode, "padding": self.padding, "channels": self.channels,
                  "value": self._code() if self.mode == "constant" else 0}  # fmt: skip
        return graph.add("pad", name, inputs, fields)

    def _emit_circular(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        """Slices of either end, joined before the other one."""
        top, left, bottom, right = self.padding
        value, shape = inputs[0], graph.values[inputs[0]].shape
        for axis, before, behind in ((1, top, bottom), (2, left, right)):
            ends = [(shape[axis] - before, shape[axis]), (0, behind)]
            parts = [value]
            for place, (start, stop) in zip((0, 2), ends, strict=True):
                if start < stop:
                    fields = {"axis": axis, "start": start, "stop": stop, "step": 1}
                    parts.insert(place, graph.add("slice", f"{name}.end", [value], fields))
            if len(parts) > 1:
                same = torch.full((len(parts),), 30, dtype=torch.int32)
                tensors = {"multiplier": torch.full_like(same, 1 << 30), "shift": same}
                fields = {"axis": axis, "lo": 0, "hi": self.q_in.qmax}
                value = graph.add("qconcat", name, parts, fields, tensors, self.q_in)
        return value
