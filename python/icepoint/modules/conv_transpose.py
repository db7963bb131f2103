"""QConvTranspose2d: a transposed convolution with integer weights, accumulated in int32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..graph import GraphBuilder
from ..tracing import traced
from .clamps import Activation
from .weighted import QWeighted
from .windows import pair, sides


def swapped(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """(ic, oc / groups, kh, kw) to (oc, ic / groups, kh, kw), and back, group by group."""
    grouped = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).transpose(1, 2)
    return grouped.reshape(groups * weight.shape[1], len(weight) // groups, *weight.shape[2:])


class QConvTranspose2d(QWeighted):
    """An nn.ConvTranspose2d of any stride, padding, output_padding, dilation and groups.

    Options as QConv2d has them. `.q_weight` has one scale for each output channel, axis 1 of torch's
    weight (ic, oc / groups, kh, kw); `integers["codes"]` are (oc, ic / groups, kh, kw).

    >>> qup = QConvTranspose2d(nn.ConvTranspose2d(4, 2, 2, 2)); _ = qup(torch.randn(8, 4, 3, 3)); qup.freeze()
    >>> qup.quantize_inference(qup.q_in.quantize_tensor(torch.randn(2, 4, 3, 3))).shape
    torch.Size([2, 2, 6, 6])
    """

    def __init__(
        self,
        conv_module: nn.ConvTranspose2d,
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
        if not isinstance(conv_module, nn.ConvTranspose2d):
            raise ValueError(
                f"QConvTranspose2d: expected an nn.ConvTranspose2d, found {type(conv_module).__name__}"
            )
        self.conv_module = conv_module

    def bare_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self._swapped(self.conv_module.weight), self.conv_module.bias

    def _swapped(self, weight: torch.Tensor) -> torch.Tensor:
        return swapped(weight, self.conv_module.groups)

    def expected_shape(self, x: torch.Tensor) -> tuple[bool, str]:
        channels = self.conv_module.in_channels
        return x.dim() == 4 and x.shape[1] == channels, f"(n, {channels} channels, h, w)"

    def compute(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        c = self.conv_module
        weight = self._swapped(weight)
        return F.conv_transpose2d(
            x, weight, bias, c.stride, c.padding, c.output_padding, c.groups, c.dilation
        )

    def _fields(self) -> dict[str, Any]:
        c = self.conv_module
        return {
            "out_channels": c.out_channels,
            "kernel_size": list(c.kernel_size),
            "stride": list(c.stride),
            "padding": sides(c.padding, "padding"),
            "output_padding": pair(c.output_padding, "output_padding", least=0),
            "dilation": list(c.dilation),
            "groups": c.groups,
        }

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) of q_in to int32 codes of q_out."""
        self._require_frozen()
        codes, f = self._bytes(x, self.q_in), self._fields()
        weight, *others = self._op_weights()
        y = torch.ops.icepoint.qconv_transpose2d(
            codes, self.q_in.zero_point, self._swapped(weight), *others, self.q_out.zero_point,
            *self.code_range, f["stride"], f["padding"], f["output_padding"], f["dilation"], f["groups"],
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = self.code_range
        integers = {**self.integers, "codes": self._swapped(self.integers["codes"]).contiguous()}
        fields = {**self._fields(), "lo": low, "hi": high}
        return graph.add_weights(
            "qconv_transpose2d", name, inputs, fields, self.q_weight, integers, self.q_out
        )
