"""The lab's VGG16: thirteen convolutions and three linear layers, float, quantized by hand, and frozen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ..freeze import freeze
from ..frozen import FrozenModel
from ..modules import QConv2d, QDense, QMaxPooling2d, QModule, QReLU
from ..recipe import Recipe

# Five blocks of (channels, convolutions); a max-pooling that halves height and width ends each.
_BLOCKS = (64, 2), (128, 2), (256, 3), (512, 3), (512, 3)
_HALVED = 2 ** len(_BLOCKS)

# Every step in order: the float module's name and that of what computes it in integers.
_STEPS = [
    *(
        names
        for block, (_, convolutions) in enumerate(_BLOCKS, 1)
        for names in (
            *(
                (f"layer{block}_{kind}{i}", f"qlayer{block}_{kind}{i}")
                for i in range(1, convolutions + 1)
                for kind in ("conv", "relu")
            ),
            (f"layer{block}_maxpool", f"qlayer{block}_maxpool2d"),
        )
    ),
    ("flatten", "flatten"),
    ("fullyconnect1", "qfc1"),
    ("relu_1", "qfc1_relu"),
    ("fullyconnect2", "qfc2"),
    ("relu_2", "qfc2_relu"),
    ("fullyconnect3", "qfc3"),
]


class Vgg(nn.Module):
    """VGG16 without BatchNorm (Simonyan and Zisserman, 2014); (n, 3, size, size) -> (n, num_classes).

    The modules have the lab's names: layer1_conv1, layer1_relu1, ... layer5_maxpool, flatten,
    fullyconnect1..3, relu_1, relu_2; `quantize` adds qlayer1_conv1 ... qlayer5_maxpool2d, qfc1 ...
    qfc3. Convolutions are 3 x 3 and keep height and width (MindSpore pads so by default). `width`
    scales the convolutions' channels, `hidden` is the width of the first two linear layers,
    `image_size` a multiple of 32. ValueError for a size or a width that leaves nothing.

    >>> net = Vgg(num_classes=4, width=1 / 16, image_size=32, hidden=16)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 4])
    """

    def __init__(self, num_classes: int = 4, width: float = 1.0, image_size: int = 224, hidden: int = 4096):
        super().__init__()
        if image_size < _HALVED or image_size % _HALVED:
            raise ValueError(f"Vgg.image_size: expected a multiple of {_HALVED}, found {image_size}")
        if not _BLOCKS[0][0] * width >= 1:
            raise ValueError(f"Vgg.width: expected at least 1/{_BLOCKS[0][0]}, found {width}")
        self.image_size = image_size
        channels = 3
        for block, (outputs, convolutions) in enumerate(_BLOCKS, 1):
            outputs = round(outputs * width)
            for i in range(1, convolutions + 1):
                setattr(self, f"layer{block}_conv{i}", nn.Conv2d(channels, outputs, 3, padding=1))
                setattr(self, f"layer{block}_relu{i}", nn.ReLU())
                channels = outputs
            setattr(self, f"layer{block}_maxpool", nn.MaxPool2d(kernel_size=2, stride=2))
        self.flatten = nn.Flatten()
        self.fullyconnect1 = nn.Linear(channels * (image_size // _HALVED) ** 2, hidden)
        self.relu_1 = nn.ReLU()
        self.fullyconnect2 = nn.Linear(hidden, hidden)
        self.relu_2 = nn.ReLU()
        self.fullyconnect3 = nn.Linear(hidden, num_classes)

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> Vgg:
        """The network, in eval mode, that these float weights fit; float16 weights become float32.

        ValueError where they are none of a Vgg's.

        >>> Vgg.of(Vgg(3, width=1 / 64, image_size=64, hidden=5).state_dict()).image_size
        64
        """
        try:
            width = _width(len(state[f"layer{block}_conv1.weight"]) for block in range(1, len(_BLOCKS) + 1))
            channels = len(state["layer5_conv3.weight"])
            hidden, flat = state["fullyconnect1.weight"].shape
            side = math.isqrt(flat // channels)
            net = cls(len(state["fullyconnect3.bias"]), width, _HALVED * side, hidden)
            net.load_state_dict(state)
        except KeyError as error:
            raise ValueError(
                f"Vgg.of: expected the state_dict of a Vgg, found none of its {error}"
            ) from error
        except (TypeError, RuntimeError, ZeroDivisionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"Vgg.of: expected the state_dict of a Vgg; {reason}") from error
        return net.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name, _ in _STEPS:
            x = getattr(self, name)(x)
        return x

    def quantize(self, num_bits: int = 8, weights: str = "per_channel") -> None:
        """Makes fresh, uncalibrated QModules around the float layers, which stay as they are.

        Only the first convolution observes its input: every other layer takes the codes of the one
        before, and the ReLUs and poolings keep their meaning.
        """
        for name, quantized in _STEPS:
            layer = getattr(self, name)
            first = name == _STEPS[0][0]
            options = {"qi": first, "qo": True, "num_bits": num_bits, "weights": weights}
            match layer:
                case nn.Conv2d():
                    setattr(self, quantized, QConv2d(layer, **options))
                case nn.Linear():
                    setattr(self, quantized, QDense(layer, **options))
                case nn.ReLU():
                    setattr(self, quantized, QReLU())
                case nn.MaxPool2d():
                    setattr(self, quantized, QMaxPooling2d(layer))

    def quantize_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float, with fake-quantized weights: observes the ranges; once frozen, simulates the integers."""
        for layer in self._quantized():
            x = layer(x)
        return x

    def _quantized(self) -> list[nn.Module]:
        """The quantized layers and the flattening between them, in order; ValueError before `quantize`."""
        if not hasattr(self, _STEPS[0][1]):
            raise ValueError("Vgg: quantize first: net.quantize(num_bits=8) makes the layers this calls")
        return [getattr(self, name) for _, name in _STEPS]

    def freeze(
        self, recipe: Recipe | dict[str, Any] | None = None, example_input: torch.Tensor | None = None
    ) -> FrozenModel:
        """Fixes every layer's integers and returns the whole network as a frozen model."""
        codes = None  # the qparams of the codes that reach a layer
        for layer in self._quantized():
            if isinstance(layer, QModule):
                layer.freeze(qi=codes)
                codes = codes if layer.keeps_qparams else layer.qo
        if example_input is None:
            example_input = torch.zeros(1, 3, self.image_size, self.image_size)
        return freeze(self, example_input, recipe)

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 in and out; integers alone from the input's codes to the output's."""
        layers = self._quantized()
        qx = self.qlayer1_conv1.qi.quantize_tensor(x)
        for layer in layers:
            qx = layer.quantize_inference(qx) if isinstance(layer, QModule) else layer(qx)
        return self.qfc3.qo.dequantize_tensor(qx)


def _width(channels: Iterable[int]) -> float:
    """A width that gives each block so many channels: any in the middle of what all of them allow.

    round(64 w) alone does not tell w well enough: 19 channels are 0.3 and 0.297, but 512 w is 154 and 152.
    """
    pairs = [(n, base) for n, (base, _) in zip(channels, _BLOCKS, strict=True)]
    return (max((n - 0.5) / base for n, base in pairs) + min((n + 0.5) / base for n, base in pairs)) / 2
