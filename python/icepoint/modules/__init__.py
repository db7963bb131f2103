"""Quantized layers under the teaching notebook's names, written by hand into a network's road."""

from .activation import QReLU, QReLU6, QSigmoid
from .arithmetic import QAdd, QConcat, QMul
from .base import QModule
from .batchnorm import QBatchNorm2d
from .border import QInput
from .conv import QConv2d
from .fused import QConvBNReLU
from .linear import QDense, QLinear
from .pool import QAdaptiveAvgPool2d, QAvgPool2d, QMaxPooling2d

__all__ = [
    "QAdaptiveAvgPool2d",
    "QAdd",
    "QAvgPool2d",
    "QBatchNorm2d",
    "QConcat",
    "QConv2d",
    "QConvBNReLU",
    "QDense",
    "QInput",
    "QLinear",
    "QMaxPooling2d",
    "QModule",
    "QMul",
    "QReLU",
    "QReLU6",
    "QSigmoid",
]
