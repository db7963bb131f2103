"""The eight small networks of the comparison: clothes and flowers, plain and depthwise, BatchNorm or none.

They are trained here, deterministically and on one thread, and kept in a folder that git ignores; only the
plain flowers without BatchNorm are the repository's checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from icepoint import data, flowers
from icepoint.lab import CHECKPOINT
from icepoint.models import Vgg
from icepoint.progress import progress_bar
from icepoint.training import save_checkpoint, train_classifier
from icepoint.training.flowers import load_pictures
from icepoint.training.flowers import train as train_flowers

FLOWER_SIZE = 96
_SEED = 1
_FLOWER_PIXELS = 224  # that augmentation samples the smaller pictures out of
# Output channels and stride of each block behind the first convolution.
_CLOTHES = ((32, 2), (32, 1), (64, 2), (64, 1))
_FLOWERS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 2))


@dataclass(frozen=True)
class Trained:
    """One of the eight. `learning_rate` None: the recipe of icepoint.training.flowers has its own."""

    dataset: str
    depthwise: bool
    batchnorm: bool
    epochs: int
    learning_rate: float | None = None

    def build(self) -> SmallNet:
        clothes = self.dataset == "fashion"
        first = (1, 16, 1) if clothes else (3, 16, 2)
        blocks, classes = (_CLOTHES, 10) if clothes else (_FLOWERS, len(flowers.CLASSES))
        return SmallNet(first, blocks, classes, self.depthwise, self.batchnorm)


TRAINED = {
    "fashion_plain": Trained("fashion", False, False, 8, 0.1),
    "fashion_plain_bn": Trained("fashion", False, True, 6, 0.1),
    "fashion_depthwise": Trained("fashion", True, False, 10, 0.1),
    "fashion_depthwise_bn": Trained("fashion", True, True, 6, 0.1),
    "flowers_plain_bn": Trained("flowers", False, True, 80),
    "flowers_depthwise": Trained("flowers", True, False, 80),
    "flowers_depthwise_bn": Trained("flowers", True, True, 80),
}


class SmallNet(nn.Module):
    """Convolutions with ReLU (depthwise separable ones with ReLU6), their mean over the picture, one linear.

    first: channels in and out and stride of the first convolution; blocks: (channels out, stride) each.
    """

    def __init__(
        self,
        first: tuple[int, int, int],
        blocks: tuple[tuple[int, int], ...],
        classes: int,
        depthwise: bool,
        batchnorm: bool,
    ):
        super().__init__()
        act = nn.ReLU6 if depthwise else nn.ReLU

        def unit(inputs: int, outputs: int, size: int, stride: int, groups: int = 1) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=not batchnorm)
            return [conv, *([nn.BatchNorm2d(outputs)] if batchnorm else []), act()]

        inputs, channels, stride = first
        units = unit(inputs, channels, 3, stride)
        for outputs, stride in blocks:
            if depthwise:
                units += unit(channels, channels, 3, stride, channels) + unit(channels, outputs, 1, 1)
            else:
                units += unit(channels, outputs, 3, stride)
            channels = outputs
        self.features = nn.Sequential(*units)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).mean((2, 3)))


def network(name: str, folder: Path) -> nn.Module:
    """The trained network in eval mode; trained now, which takes minutes, where the folder has it not yet."""
    if name == "flowers_plain":
        return Vgg.of(torch.load(CHECKPOINT, weights_only=True)).eval()
    path = folder / f"{name}.pt"
    model = TRAINED[name].build()
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        _train(name, model)
        save_checkpoint(model, path)
    return model.eval()


def _train(name: str, model: SmallNet) -> None:
    """In place; equal bits on equal machines: fixed seed, one thread, nothing chosen by a score."""
    trained = TRAINED[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _initialize(model)
    try:
        if trained.dataset == "fashion":
            clothes = data.load("fashion-mnist")
            images = data.normalize(clothes.train_images, "fashion-mnist")
            labels = torch.from_numpy(clothes.train_labels).long()
        else:
            pixels, labels = load_pictures(flowers.photographs("train"), _FLOWER_PIXELS)
        with progress_bar(f"training {name}", trained.epochs * len(labels)) as advance:

            def told(count: int, loss: float) -> None:
                advance(count, f"loss {loss:.3f}")

            if trained.dataset == "fashion":
                train_classifier(
                    model, images, labels, epochs=trained.epochs, seed=_SEED,
                    learning_rate=trained.learning_rate, progress=told,
                )  # fmt: skip
            else:
                train_flowers(
                    model, pixels, labels, epochs=trained.epochs, seed=_SEED, size=FLOWER_SIZE,
                    precision=torch.float32, progress=told,
                )  # fmt: skip
    finally:
        torch.set_num_threads(threads)


def _initialize(model: nn.Module) -> None:
    """He's, by the seed: without BatchNorm torch's own initialization fades over ten layers."""
    generator = torch.Generator().manual_seed(_SEED)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01, generator=generator)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
