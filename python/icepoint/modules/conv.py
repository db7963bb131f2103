"""QConv2d: a convolution with integer weights, accumulated in int32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..graph import GraphBuilder
from ..tracing import traced
from .clamps import Activation
from .weighted import QWeighted
from .windows import conv_fields, conv_padding


class QConv2d(QWeighted):
    """An nn.Conv2d of any stride, padding, dilation and groups, with or without bias.

    `weights`: "per_channel" (symmetric), "per_tensor_affine" (the notebook's) or
    "per_channel_affine". As in the notebook q_out observes the convolution's own output, a QReLU
    comes behind it; with activation="relu" ("relu6", or the ends (low, high) of a clamp) it observes
    behind the activation instead. `folded`: maps gain x + offset a channel behind it (BatchNorm), which
    become part of its weights. `num_bits` are those of the codes in and out, and of the weights unless
    `weight_bits` says otherwise.

    >>> qconv = QConv2d(nn.Conv2d(1, 4, 3)); _ = qconv(torch.randn(8, 1, 9, 9)); qconv.freeze()
    >>> qconv.quantize_inference(qconv.q_in.quantize_tensor(torch.randn(2, 1, 9, 9))).shape
    torch.Size([2, 4, 7, 7])
    """

    def __init__(
        self,
        conv_module: nn.Conv2d,
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
        if not isinstance(conv_module, nn.Conv2d):
            raise ValueError(f"QConv2d: expected an nn.Conv2d, found {type(conv_module).__name__}")
        conv_padding(conv_module)  # refuses what integers cannot pad, at once
        self.conv_module = conv_module

    def bare_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.conv_module.weight, self.conv_module.bias

    def expected_shape(self, x: torch.Tensor) -> tuple[bool, str]:
        channels = self.conv_module.in_channels
        return x.dim() == 4 and x.shape[1] == channels, f"(n, {channels} channels, h, w)"

    def compute(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        conv = self.conv_module
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) of q_in to int32 codes of q_out; an unbatched (c, h, w) is refused."""
        self._require_frozen()
        codes, fields = self._bytes(x, self.q_in), conv_fields(self.conv_module)
        weight, weight_zero_point, bias, multiplier, shift = self._op_weights()
        y = torch.ops.icepoint.qconv2d(
            codes, self.q_in.zero_point, weight, weight_zero_point, bias, multiplier, shift,
            self.q_out.zero_point, *self.code_range,
            fields["stride"], fields["padding"], fields["dilation"], fields["groups"],
        )  # fmt: skip
        return y.to(torch.int32)

    def accumulate(self, codes: torch.Tensor) -> torch.Tensor:
        fields = conv_fields(self.conv_module)
        return torch.ops.icepoint.conv2d_int32(
            codes, self.q_in.zero_point, *self._op_weights()[:3],
            fields["stride"], fields["padding"], fields["dilation"], fields["groups"],
        )  # fmt: skip

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = self.code_range
        fields = {**conv_fields(self.conv_module), "lo": low, "hi": high}
        return graph.add_weights("qconv2d", name, inputs, fields, self.q_weight, self.integers, self.q_out)
