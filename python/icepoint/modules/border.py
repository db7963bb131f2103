"""QInput: where float becomes codes, once for all who read the value."""

from __future__ import annotations

import torch

from .base import QModule


class QInput(QModule):
    """Observes a float tensor and quantizes it by q_in; the layers behind take this q_in.

    The first layer of a hand-written network does the same with has_qin=True. A value that several
    layers read, or a join, which observes no input, needs it as a layer of its own.
    """

    keeps_qparams = True

    def __init__(self, num_bits: int = 8):
        super().__init__(True, False, num_bits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._see_input(x)

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 of any shape to int32 codes of q_in."""
        return self.q_in.quantize_tensor(x)
