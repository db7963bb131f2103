"""The teaching notebook's two networks, Net and NetBN: float, quantized by hand, and frozen."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..freeze import freeze
from ..frozen import FrozenModel
from ..modules import QConv2d, QConvBNReLU, QLinear, QMaxPooling2d, QReLU
from ..recipe import Recipe


class Net(nn.Module):
    """Two convolutions and a linear layer for 28 x 28 images; (n, num_channels, 28, 28) -> (n, 10)."""

    def __init__(self, num_channels: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(num_channels, 40, 3, 1)
        self.conv2 = nn.Conv2d(40, 40, 3, 1, groups=20)
        self.fc = nn.Linear(5 * 5 * 40, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))  # (n, 40, 26, 26)
        x = F.max_pool2d(x, 2, 2)  # (n, 40, 13, 13)
        x = F.relu(self.conv2(x))  # (n, 40, 11, 11)
        x = F.max_pool2d(x, 2, 2)  # (n, 40, 5, 5)
        x = x.view(-1, 5 * 5 * 40)
        return self.fc(x)

    def quantize(self, num_bits: int = 8, weights: str = "per_channel") -> None:
        """Makes fresh, uncalibrated QModules around the float layers, which stay as they are."""
        self.qconv1 = QConv2d(self.conv1, has_qin=True, has_qout=True, num_bits=num_bits, weights=weights)
        self.qrelu1 = QReLU()
        self.qmaxpool2d_1 = QMaxPooling2d(kernel_size=2, stride=2, padding=0)
        self.qconv2 = QConv2d(self.conv2, has_qin=False, has_qout=True, num_bits=num_bits, weights=weights)
        self.qrelu2 = QReLU()
        self.qmaxpool2d_2 = QMaxPooling2d(kernel_size=2, stride=2, padding=0)
        self.qfc = QLinear(self.fc, has_qin=False, has_qout=True, num_bits=num_bits, weights=weights)

    def quantize_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float, with fake-quantized weights: observes the ranges; once frozen, simulates the integers."""
        x = self.qconv1(x)
        x = self.qrelu1(x)
        x = self.qmaxpool2d_1(x)
        x = self.qconv2(x)
        x = self.qrelu2(x)
        x = self.qmaxpool2d_2(x)
        x = x.view(-1, 5 * 5 * 40)
        return self.qfc(x)

    def freeze(
        self, recipe: Recipe | dict[str, Any] | None = None, example_input: torch.Tensor | None = None
    ) -> FrozenModel:
        """Fixes every layer's integers and returns the whole network as a frozen model."""
        self.qconv1.freeze()
        self.qrelu1.freeze(self.qconv1.q_out)
        self.qmaxpool2d_1.freeze(self.qconv1.q_out)
        self.qconv2.freeze(q_in=self.qconv1.q_out)
        self.qrelu2.freeze(self.qconv2.q_out)
        self.qmaxpool2d_2.freeze(self.qconv2.q_out)
        self.qfc.freeze(q_in=self.qconv2.q_out)
        return _frozen(self, example_input, recipe)

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 in and out; integers alone from the input's codes to the output's."""
        qx = self.qconv1.q_in.quantize_tensor(x)
        qx = self.qconv1.quantize_inference(qx)
        qx = self.qrelu1.quantize_inference(qx)
        qx = self.qmaxpool2d_1.quantize_inference(qx)
        qx = self.qconv2.quantize_inference(qx)
        qx = self.qrelu2.quantize_inference(qx)
        qx = self.qmaxpool2d_2.quantize_inference(qx)
        qx = qx.view(-1, 5 * 5 * 40)
        qx = self.qfc.quantize_inference(qx)
        return self.qfc.q_out.dequantize_tensor(qx)


class NetBN(nn.Module):
    """Net with a BatchNorm behind each convolution, whose second one has a single group."""

    def __init__(self, num_channels: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(num_channels, 40, 3, 1)
        self.bn1 = nn.BatchNorm2d(40)
        self.conv2 = nn.Conv2d(40, 40, 3, 1)
        self.bn2 = nn.BatchNorm2d(40)
        self.fc = nn.Linear(5 * 5 * 40, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 2, 2)
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.max_pool2d(x, 2, 2)
        x = x.view(-1, 5 * 5 * 40)
        return self.fc(x)

    def quantize(self, num_bits: int = 8, weights: str = "per_channel") -> None:
        """Makes fresh, uncalibrated QModules around the float layers, which stay as they are."""
        options = {"num_bits": num_bits, "weights": weights}
        self.qconv1 = QConvBNReLU(self.conv1, self.bn1, has_qin=True, has_qout=True, **options)
        self.qmaxpool2d_1 = QMaxPooling2d(kernel_size=2, stride=2, padding=0)
        self.qconv2 = QConvBNReLU(self.conv2, self.bn2, has_qin=False, has_qout=True, **options)
        self.qmaxpool2d_2 = QMaxPooling2d(kernel_size=2, stride=2, padding=0)
        self.qfc = QLinear(self.fc, has_qin=False, has_qout=True, **options)

    def quantize_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float, with folded and fake-quantized weights: observes; once frozen, simulates the integers."""
        x = self.qconv1(x)
        x = self.qmaxpool2d_1(x)
        x = self.qconv2(x)
        x = self.qmaxpool2d_2(x)
        x = x.view(-1, 5 * 5 * 40)
        return self.qfc(x)

    def freeze(
        self, recipe: Recipe | dict[str, Any] | None = None, example_input: torch.Tensor | None = None
    ) -> FrozenModel:
        """Fixes every layer's integers and returns the whole network as a frozen model."""
        self.qconv1.freeze()
        self.qmaxpool2d_1.freeze(self.qconv1.q_out)
        self.qconv2.freeze(q_in=self.qconv1.q_out)
        self.qmaxpool2d_2.freeze(self.qconv2.q_out)
        self.qfc.freeze(q_in=self.qconv2.q_out)
        return _frozen(self, example_input, recipe)

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 in and out; integers alone from the input's codes to the output's."""
        qx = self.qconv1.q_in.quantize_tensor(x)
        qx = self.qconv1.quantize_inference(qx)
        qx = self.qmaxpool2d_1.quantize_inference(qx)
        qx = self.qconv2.quantize_inference(qx)
        qx = self.qmaxpool2d_2.quantize_inference(qx)
        qx = qx.view(-1, 5 * 5 * 40)
        qx = self.qfc.quantize_inference(qx)
        return self.qfc.q_out.dequantize_tensor(qx)


def _frozen(
    net: Net | NetBN, example_input: torch.Tensor | None, recipe: Recipe | dict[str, Any] | None
) -> FrozenModel:
    if example_input is None:
        example_input = torch.zeros(1, net.conv1.in_channels, 28, 28, dtype=torch.float32)
    return freeze(net, example_input, recipe)
