"""icepoint turns a trained PyTorch network into integers, and replays it with the same bytes everywhere."""

from . import ops  # isort: skip  (first: registers torch.ops.icepoint, which everything below calls)
from ._C import get_num_threads, isa, isas, quantize_multiplier, set_num_threads
from .calibrate import calibrate
from .codes import dequantize_tensor, quantize_tensor
from .coverage import Coverage, coverage
from .freeze import freeze
from .frozen import FrozenModel, ModelFileError, load
from .graph import VERSION as __version__
from .mixed import MixedModel
from .modules import (
    QAdaptiveAvgPool2d,
    QAdd,
    QAffine,
    QAvgPool2d,
    QBatchNorm2d,
    QChannelShuffle,
    QClamp,
    QConcat,
    QConv2d,
    QConvBNReLU,
    QConvTranspose2d,
    QDense,
    QFunction,
    QLinear,
    QMaxPooling2d,
    QModule,
    QMul,
    QPad,
    QPermuteChannels,
    QPixelShuffle,
    QPReLU,
    QReLU,
    QReLU6,
    QSigmoid,
    QSlice,
    QSub,
    QUpsample,
)
from .qparams import (
    QParam,
    calcu_scale_and_zeropoint,
    calculate_scale_zero_point,
    choose_qparams,
)
from .quantize import quantize
from .quantized import QuantizedModel
from .recipe import Recipe
from .search_bits import SearchResult, search
from .weight_only import WeightOnlyModel, load_weights, quantize_weights
from .weights import choose_weight_qparams

from . import models  # isort: skip  (networks written from all of the above)

__all__ = [
    "Coverage",
    "FrozenModel",
    "MixedModel",
    "ModelFileError",
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
    "QLinear",
    "QMaxPooling2d",
    "QModule",
    "QMul",
    "QPReLU",
    "QPad",
    "QParam",
    "QPermuteChannels",
    "QPixelShuffle",
    "QReLU",
    "QReLU6",
    "QSigmoid",
    "QSlice",
    "QSub",
    "QUpsample",
    "QuantizedModel",
    "Recipe",
    "SearchResult",
    "WeightOnlyModel",
    "__version__",
    "calcu_scale_and_zeropoint",
    "calculate_scale_zero_point",
    "calibrate",
    "choose_qparams",
    "choose_weight_qparams",
    "coverage",
    "dequantize_tensor",
    "freeze",
    "get_num_threads",
    "isa",
    "isas",
    "load",
    "load_weights",
    "models",
    "ops",
    "quantize",
    "quantize_multiplier",
    "quantize_tensor",
    "quantize_weights",
    "search",
    "set_num_threads",
]
