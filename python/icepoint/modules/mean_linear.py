"""A linear layer of the mean over a picture: MeanLinear, and QMeanLinear, which rounds nothing between."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..graph import GraphBuilder
from ..tuning import Tuning
from ..weights import WeightQParam
from .linear import QLinear


class MeanLinear(nn.Linear):
    """(n, in_features, h, w) in float to (n, out_features); `cells`: h w of the picture that was captured."""

    def __init__(self, in_features: int, out_features: int, bias: bool, cells: int):
        super().__init__(in_features, out_features, bias)
        self.cells = cells

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.mean((2, 3)))


class QMeanLinear(QLinear):
    """A MeanLinear of (n, c, h, w), in which no code of few bits stands for the mean.

    W mean(x) = (W / hw) sum(x) is a linear layer over all c h w codes, in which the weights W / hw of a
    channel repeat. Such a layer is what computes and what a frozen file holds, one for each hw. Its own
    weights (oc, c) and `integers` are those of the size that was captured, hw = `cells`.

    >>> layer = QMeanLinear(MeanLinear(6, 3, True, cells=16)); _ = layer(torch.randn(8, 6, 4, 4))
    >>> layer.freeze()
    >>> layer.quantize_inference(layer.q_in.quantize_tensor(torch.randn(2, 6, 4, 4))).shape
    torch.Size([2, 3])
    """

    def __init__(self, fc_module: MeanLinear, *args: Any, **kwargs: Any):
        super().__init__(fc_module, *args, **kwargs)
        if not isinstance(fc_module, MeanLinear):
            raise ValueError(f"QMeanLinear: expected a MeanLinear, found {type(fc_module).__name__}")
        self._unrolled: dict[int, QLinear] = {}  # by h w

    def bare_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.fc_module.weight / self.fc_module.cells, self.fc_module.bias

    def expected_shape(self, x: torch.Tensor) -> tuple[bool, str]:
        channels = self.fc_module.in_features
        return x.dim() == 4 and x.shape[1] == channels, f"(n, {channels} channels, h, w)"

    def compute(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.linear(x.mean((2, 3)) * self.fc_module.cells, weight, bias)

    def unrolled(self, cells: int) -> QLinear:
        """The frozen layer over codes (n, c cells) that this one is for pictures with h w = cells."""
        if cells not in self._unrolled:
            weight, bias = self.tuned_weights()
            times = self.fc_module.cells / cells
            repeated = (weight.detach() * times).repeat_interleave(cells, 1)
            floats = nn.utils.skip_init(nn.Linear, *repeated.shape[::-1], bias=False)  # draws no numbers
            floats.weight.data = repeated
            q, bias = self.q_weight, self.integer_bias(bias)
            scale, zero_point = q.known()
            layer = QLinear(floats, False, False, self.num_bits, activation=self.activation)
            layer.q_weight = WeightQParam(q.num_bits, q.scheme, q.power_of_two)
            layer.tuning = Tuning(weight_scale=scale * times, weight_zero_point=zero_point,
                                  bias=None if bias is None else bias.detach().double())  # fmt: skip
            layer.freeze(self.q_in, self.q_out)
            self._unrolled[cells] = layer
        return self._unrolled[cells]

    def _make_integers(self) -> dict[str, torch.Tensor]:
        self._unrolled = {}
        weight, bias = self.tuned_weights()
        self.q_weight.update(weight, self.integer_bias(bias), self.q_in.scale, self.tuning)
        return self.unrolled(self.fc_module.cells).integers

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self._unrolled = {}

    def _requantized(self, codes: torch.Tensor) -> torch.Tensor:
        return self._for(codes)._requantized(codes.flatten(1))

    def accumulate(self, codes: torch.Tensor) -> torch.Tensor:
        return self._for(codes).accumulate(codes.flatten(1))

    def reals_inference(self, x: torch.Tensor) -> torch.Tensor:
        self._require_frozen()
        return self._for(x).reals_inference(x.flatten(1))

    def _for(self, codes: torch.Tensor) -> QLinear:
        self._check_shape(codes)
        return self.unrolled(prod(codes.shape[2:]))

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        shape = graph.values[inputs[0]].shape  # (c, h, w)
        flat = graph.add("reshape", f"{name}.flatten", inputs, {"shape": [prod(shape)]})
        graph.values[flat].shape = (prod(shape),)
        return self.unrolled(prod(shape[1:])).emit(graph, name, [flat])
