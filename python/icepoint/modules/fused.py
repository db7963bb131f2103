"""QConvBNReLU: convolution, BatchNorm and ReLU as one integer convolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .clamps import Activation
from .conv import QConv2d
from .folding import check_batchnorm


class QConvBNReLU(QConv2d):
    """BatchNorm folded into the convolution (in double, by its running statistics), ReLU into the clamp.

    W' = W g and b' = (b - mean) g + beta with g = gamma / sqrt(var + eps); W' is rounded once to
    float32, b' stays double. q_out observes behind the ReLU, so no code is spent on values that
    ReLU removes. relu=False leaves the activation out; activation="relu6" or (low, high) replaces it.
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
        activation: Activation = None,
        weight_bits: int | None = None,
        folded: Sequence[nn.Module] = (),
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        activation = activation if activation is not None else ("relu" if relu else None)
        super().__init__(
            conv_module, has_qin, has_qout, num_bits, weights, activation,
            weight_bits=weight_bits, folded=folded, qi=qi, qo=qo,
        )  # fmt: skip
        check_batchnorm(bn_module, "QConvBNReLU")
        if bn_module.num_features != conv_module.out_channels:
            raise ValueError(
                f"QConvBNReLU: expected a BatchNorm of {conv_module.out_channels} channels, "
                f"found {bn_module.num_features}"
            )
        self.bn_module = bn_module

    def maps_behind(self) -> Sequence[nn.Module]:
        return [self.bn_module, *self.folded]
