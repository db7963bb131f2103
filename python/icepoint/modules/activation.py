"""Activations that are clamps: codes keep their meaning, so they keep their input's qparams."""

from __future__ import annotations

import torch

from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule
from .clamps import Activation, activated, activation_range, check_activation


class QReLU(QModule):
    """max(x, 0), on codes max(code, zero_point). Has no q_out: codes keep their meaning.

    `num_bits` matters only with has_qin=True.
    """

    keeps_qparams = True
    activation: Activation = "relu"

    def __init__(self, has_qin: bool = False, num_bits: int | None = None, *, qi: bool | None = None):
        super().__init__(has_qin, False, num_bits, qi=qi)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activated(self._see_input(x), self.activation)

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


class QClamp(QReLU):
    """min(max(x, low), high), hardtanh too; on codes the ends are quantize(low), quantize(high).

    None leaves an end open. ValueError where both are None, or low is above high.

    >>> qclamp = QClamp(-1.0, 1.0, has_qin=True); _ = qclamp(torch.tensor([-2.0, 3.1])); qclamp.freeze()
    >>> qclamp.q_in.dequantize_tensor(qclamp.quantize_inference(torch.tensor([0, 100, 255])))
    tensor([-1.,  0.,  1.])
    """

    def __init__(
        self,
        low: float | None,
        high: float | None,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, num_bits, qi=qi)
        self.activation = check_activation((low, high))
