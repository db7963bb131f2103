"""Which of torchvision's networks stand for their families, and how many photos judge each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALIBRATION_PHOTOS = 32  # both engines calibrate on these, in batches
BATCH = 8


@dataclass(frozen=True)
class Member:
    """`photos` judge the answers, `size` x `size` pixels; `options` are those of torchvision's builder.

    `quick_size` is that of --quick; AlexNet and VGG have classifiers for 224 x 224 alone. `segments`:
    the answer is a class a pixel.
    """

    family: str
    photos: int = 64
    size: int = 224
    quick_size: int = 96
    options: Mapping[str, Any] = field(default_factory=dict)
    segments: bool = False


# Without the second heads, which only training reads; and their slow initialization would be rescaled anyway.
_ONE_HEAD = {"aux_logits": False, "init_weights": False}

ZOO = {
    "alexnet": Member("AlexNet", quick_size=224),
    "vgg16": Member("VGG", photos=16, quick_size=224),
    "vgg16_bn": Member("VGG with BatchNorm", photos=16, quick_size=224),
    "resnet18": Member("ResNet"),
    "resnet50": Member("ResNet"),
    "resnext50_32x4d": Member("ResNeXt"),
    "wide_resnet50_2": Member("Wide ResNet"),
    "squeezenet1_1": Member("SqueezeNet"),
    "densenet121": Member("DenseNet"),
    "googlenet": Member("GoogLeNet", options=_ONE_HEAD),
    "inception_v3": Member("Inception v3", size=299, options=_ONE_HEAD),
    "mobilenet_v2": Member("MobileNet v2"),
    "mobilenet_v3_small": Member("MobileNet v3"),
    "mobilenet_v3_large": Member("MobileNet v3"),
    "shufflenet_v2_x1_0": Member("ShuffleNet v2"),
    "mnasnet1_0": Member("MnasNet"),
    "efficientnet_b0": Member("EfficientNet"),
    "efficientnet_v2_s": Member("EfficientNet v2"),
    "regnet_x_400mf": Member("RegNet X"),
    "regnet_y_400mf": Member("RegNet Y"),
    "lraspp_mobilenet_v3_large": Member("LR-ASPP", photos=16, segments=True),
    "fcn_resnet50": Member("FCN", photos=8, segments=True),
}
