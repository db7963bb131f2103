"""Quantized layers under the teaching notebook's names, written by hand into a network's road."""

from .activation import QClamp, QReLU, QReLU6
from .affine import QAffine, QBatchNorm2d
from .arithmetic import QAdd, QConcat, QMul, QSub
from .base import QModule
from .border import QInput
from .conv import QConv2d
from .conv_transpose import QConvTranspose2d
from .function import QFunction, QPReLU, QSigmoid
from .fused import QConvBNReLU
from .linear import QDense, QLinear
from .mean_linear import QMeanLinear
from .moving import QChannelShuffle, QPermuteChannels, QPixelShuffle, QSlice
from .pad import QPad
from .pool import QAdaptiveAvgPool2d, QAvgPool2d, QMaxPooling2d
from .upsample import QUpsample

__all__ = [
    "QAdaptiveAvgPool2d",
    "QAdd",
    "QAffine",
    "QAvgPool2d",
    "QBatchNorm2d",
    "QChannelShuffle",
    "QClamp",
    "QConcat",
    "QConv2d",
    "QConvBNReLU",
    "QConvTranspose2d",
    "QDense",
    "QFunction",
    "QInput",
    "QLinear",
    "QMaxPooling2d",
    "QMeanLinear",
    "QModule",
    "QMul",
    "QPReLU",
    "QPad",
    "QPermuteChannels",
    "QPixelShuffle",
    "QReLU",
    "QReLU6",
    "QSigmoid",
    "QSlice",
    "QSub",
    "QUpsample",
]
