"""QConvBNReLU: convolution, BatchNorm and ReLU as one integer convolution."""

from __future__ import annotations

import torch
from torch import nn

from .batchnorm import check_batchnorm, check_settled, gain_and_offset
from .conv import QConv2d


class QConvBNReLU(QConv2d):
    """BatchNorm folded into the convolution (in double, by its running statistics), ReLU into the clamp.

    W' = W g and b' = (b - mean) g + beta with g = gamma / sqrt(var + eps); W' is rounded once to
    float32, b' stays double. q_out observes behind the ReLU, so no code is spent on values that
    ReLU removes. relu=False leaves the activation out; activation="relu6" replaces it.
    """

    def __init__(
        self,
        conv_module: nn.Conv2d,
        bn_module: nn.BatchNorm2d,
        has_qin: bool = True,
        has_qout: bool = True,
        num_bits: int = 8,
        weights: str = "per_channel",
        relu: bool = True,
        *,
        activation: str | None = None,
        weight_bits: int | None = None,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        activation = activation if activation is not None else ("relu" if relu else None)
        super().__init__(
            conv_module, has_qin, has_qout, num_bits, weights, activation,
            weight_bits=weight_bits, qi=qi, qo=qo,
        )  # fmt: skip
        check_batchnorm(bn_module, "QConvBNReLU")
        if bn_module.num_features != conv_module.out_channels:
            raise ValueError(
                f"QConvBNReLU: expected a BatchNorm of {conv_module.out_channels} channels, "
                f"found {bn_module.num_features}"
            )
        self.bn_module = bn_module

    def float_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The folded weight (float32) and bias (float64)."""
        gain, offset = gain_and_offset(self.bn_module)
        weight = (self.conv_module.weight.double() * gain.view(-1, 1, 1, 1)).float()
        bias = self.conv_module.bias
        return weight, offset if bias is None else offset + bias.double() * gain

    def _make_integers(self) -> dict[str, torch.Tensor]:
        check_settled(self.bn_module)
        return super()._make_integers()
