"""QLinear, the lab's QDense: a matrix product with integer weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..graph import GraphBuilder
from ..tracing import traced
from .clamps import Activation
from .weighted import QWeighted


class QLinear(QWeighted):
    """An nn.Linear, with or without bias, over the last axis of its input; options as QConv2d has them.

    >>> qfc = QLinear(nn.Linear(6, 3)); _ = qfc(torch.randn(8, 6)); qfc.freeze()
    >>> qfc.quantize_inference(qfc.q_in.quantize_tensor(torch.randn(2, 6))).shape
    torch.Size([2, 3])
    """

    channel_axis = -1

    def __init__(
        self,
        fc_module: nn.Linear,
        has_qin: bool = True,
        has_qout: bool = True,
        num_bits: int = 8,
        weights: str = "per_channel",
        activation: Activation = None,
        *,
        weight_bits: int | None = None,
        folded: Sequence[nn.Module] = (),
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__(has_qin, has_qout, num_bits, weights, activation, weight_bits, qi, qo, folded)
        if not isinstance(fc_module, nn.Linear):
            raise ValueError(f"QLinear: expected an nn.Linear, found {type(fc_module).__name__}")
        self.fc_module = fc_module

    def bare_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.fc_module.weight, self.fc_module.bias

    def expected_shape(self, x: torch.Tensor) -> tuple[bool, str]:
        features = self.fc_module.in_features
        return x.dim() >= 1 and x.shape[-1] == features, f"(..., {features} features)"

    def compute(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.linear(x, weight, bias)

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (..., in_features) of q_in to int32 codes (..., out_features) of q_out."""
        self._require_frozen()
        return self._requantized(self._bytes(x, self.q_in)).to(torch.int32)

    def _requantized(self, codes: torch.Tensor) -> torch.Tensor:
        weight, weight_zero_point, bias, multiplier, shift = self._op_weights()
        return torch.ops.icepoint.qlinear(
            codes, self.q_in.zero_point, weight, weight_zero_point, bias, multiplier, shift,
            self.q_out.zero_point, *self.code_range,
        )  # fmt: skip

    def accumulate(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.ops.icepoint.linear_int32(codes, self.q_in.zero_point, *self._op_weights()[:3])

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = self.code_range
        fields = {"out_features": self.fc_module.out_features, "lo": low, "hi": high}
        return graph.add_weights("qlinear", name, inputs, fields, self.q_weight, self.integers, self.q_out)


QDense = QLinear
