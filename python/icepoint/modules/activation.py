"""Activations: ReLU and ReLU6 as clamps that keep their input's qparams, sigmoid as a table."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..graph import GraphBuilder
from ..qparams import QParam
from ..tracing import traced
from .base import QModule
from .clamps import activation_range


class QReLU(QModule):
    """max(x, 0), on codes max(code, zero_point). Has no q_out: codes keep their meaning.

    `num_bits` matters only with has_qin=True.
    """

    keeps_qparams = True
    activation = "relu"

    def __init__(self, has_qin: bool = False, num_bits: int | None = None, *, qi: bool | None = None):
        super().__init__(has_qin, False, num_bits, qi=qi)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self._see_input(x))

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes of any shape."""
        self._require_frozen()
        codes = self._bytes(x, self.q_in)
        return codes.clamp(*activation_range(self.activation, self.q_in)).to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = activation_range(self.activation, self.q_in)
        return graph.add("clamp", name, inputs, {"lo": low, "hi": high})


class QReLU6(QReLU):
    """min(max(x, 0), 6); on codes the upper end is quantize(6)."""

    activation = "relu6"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu6(self._see_input(x))


class QSigmoid(QModule):
    """1 / (1 + exp(-x)) as a table of 256 codes, computed in double when freezing.

    Its output lies in [0, 1] whatever the data, so q_out is choose_qparams(0, 1) and observes nothing.
    """

    def __init__(self, has_qin: bool = False, num_bits: int = 8, *, qi: bool | None = None):
        super().__init__(has_qin, False, num_bits, qi=qi)
        self.q_out = QParam.of_range(0.0, 1.0, self.num_bits)

    def freeze(self, q_in: QParam | None = None, *, qi: QParam | None = None) -> None:
        """As QModule.freeze; the output needs no QParam."""
        super().freeze(q_in, qi=qi)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._see_input(x)
        return self.q_out.fake_quantize(torch.sigmoid(x)) if self.frozen else torch.sigmoid(x)

    def _make_integers(self) -> dict[str, torch.Tensor]:
        codes = []
        for q in range(256):
            y = _sigmoid((min(q, self.q_in.qmax) - self.q_in.zero_point) * self.q_in.scale)
            # Python's round is to nearest, ties to even, and exact on doubles.
            codes.append(min(max(round(y / self.q_out.scale) + self.q_out.zero_point, 0), self.q_out.qmax))
        return {"table": torch.tensor(codes, dtype=torch.uint8)}

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes of any shape."""
        self._require_frozen()
        return torch.ops.icepoint.lookup(self._bytes(x, self.q_in), self.integers["table"]).to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        return graph.add("lookup", name, inputs, {"function": "sigmoid"}, self.integers, self.q_out)


def _sigmoid(x: float) -> float:
    if x >= 0.0:  # exp of a large positive number would overflow
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)
