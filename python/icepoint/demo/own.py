"""A network that a user might write: depthwise separable, strided, residual, and nothing like Net inside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..modules import QAdaptiveAvgPool2d, QAdd, QConv2d, QConvBNReLU, QLinear


class OwnNet(nn.Module):
    """10,000 parameters; float32 (n, 1, 28, 28) -> (n, 10), with the notebook's road written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 24, 3, stride=2, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(24)
        self.depth = nn.Conv2d(24, 24, 3, padding=1, groups=24, bias=False)
        self.depth_bn = nn.BatchNorm2d(24)
        self.point = nn.Conv2d(24, 24, 1)
        self.down = nn.Conv2d(24, 48, 3, stride=2, padding=1, groups=24, bias=False)
        self.down_bn = nn.BatchNorm2d(48)
        self.wide = nn.Conv2d(48, 96, 1, bias=False)
        self.wide_bn = nn.BatchNorm2d(96)
        self.fc = nn.Linear(96 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem_bn(self.stem(x)))  # (n, 24, 14, 14)
        branch = F.relu(self.depth_bn(self.depth(x)))
        x = x + self.point(branch)
        x = F.relu(self.down_bn(self.down(x)))  # (n, 48, 7, 7)
        x = F.relu(self.wide_bn(self.wide(x)))  # (n, 96, 7, 7)
        x = F.adaptive_avg_pool2d(x, 2).flatten(1)
        return self.fc(x)

    def quantize(self, num_bits: int = 8) -> None:
        """Adds the quantized layers; only the first one observes its own input."""
        bits = {"num_bits": num_bits}
        self.qstem = QConvBNReLU(self.stem, self.stem_bn, **bits)
        self.qdepth = QConvBNReLU(self.depth, self.depth_bn, has_qin=False, **bits)
        self.qpoint = QConv2d(self.point, has_qin=False, **bits)
        self.qadd = QAdd(**bits)
        self.qdown = QConvBNReLU(self.down, self.down_bn, has_qin=False, **bits)
        self.qwide = QConvBNReLU(self.wide, self.wide_bn, has_qin=False, **bits)
        self.qpool = QAdaptiveAvgPool2d(2, **bits)
        self.qfc = QLinear(self.fc, has_qin=False, **bits)

    def quantize_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Observes ranges, with quantized weights."""
        x = self.qstem(x)
        x = self.qadd(x, self.qpoint(self.qdepth(x)))
        x = self.qpool(self.qwide(self.qdown(x)))
        return self.qfc(x.flatten(1))

    def freeze(self) -> None:
        """Turns ranges and weights into integers, layer by layer."""
        self.qstem.freeze()
        self.qdepth.freeze(q_in=self.qstem.q_out)
        self.qpoint.freeze(q_in=self.qdepth.q_out)
        self.qadd.freeze(self.qstem.q_out, self.qpoint.q_out)
        self.qdown.freeze(q_in=self.qadd.q_out)
        self.qwide.freeze(q_in=self.qdown.q_out)
        self.qpool.freeze(q_in=self.qwide.q_out)
        self.qfc.freeze(q_in=self.qpool.q_out)

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """Integers only, between one quantization and one dequantization."""
        qx = self.qstem.quantize_inference(self.qstem.q_in.quantize_tensor(x))
        branch = self.qpoint.quantize_inference(self.qdepth.quantize_inference(qx))
        qx = self.qadd.quantize_inference(qx, branch)
        qx = self.qwide.quantize_inference(self.qdown.quantize_inference(qx))
        qx = self.qpool.quantize_inference(qx)
        qx = self.qfc.quantize_inference(qx.flatten(1))
        return self.qfc.q_out.dequantize_tensor(qx)
