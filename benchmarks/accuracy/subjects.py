"""What is quantized: networks, the images that calibrate them and, apart from these, those that judge."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

from icepoint import Recipe, data, flowers
from icepoint.training.flowers import load_pictures
from icepoint.vision import pixels_to_input, read_image

from ..environments import REPOSITORY
from . import networks

SHARED = REPOSITORY.parent / "shared" / "data"
#: Where trained networks are kept, unless a command says otherwise.
WEIGHTS = REPOSITORY / "build" / "accuracy"
_EVERY = 5  # sorted by name, every fifth image calibrates
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FASHION_CALIBRATION = 500


@dataclass(frozen=True)
class Images:
    """uint8 (n, h, w, c) that calibrate and that judge, the latter's int64 labels (n,); input recipe."""

    calibration: np.ndarray
    evaluation: np.ndarray
    labels: np.ndarray
    recipe: Recipe

    def inputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 (n, c, h, w) of both. ValueError where an image is among both."""
        check_apart(self.calibration, self.evaluation)
        return pixels_to_input(self.calibration, self.recipe), pixels_to_input(self.evaluation, self.recipe)


@dataclass(frozen=True)
class Subject:
    """`network(folder)` and `images()`; `needs`: what must be there, in words, None where it is."""

    title: str
    network: Callable[[Path], nn.Module]
    images: Callable[[], Images]
    needs: Callable[[], str | None]


def check_apart(calibration: np.ndarray, evaluation: np.ndarray) -> None:
    """ValueError where one and the same image, to the byte, calibrates and judges."""
    seen = {image.tobytes() for image in calibration}
    both = sum(image.tobytes() in seen for image in evaluation)
    if both:
        raise ValueError(f"{both} of {len(evaluation)} images that judge are among those that calibrate")


def every_fifth(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the images that calibrate, and of the other four fifths."""
    places = np.arange(count)
    return places[places % _EVERY == 0], places[places % _EVERY != 0]


def _photos() -> Images:
    folder = SHARED / "photos"
    with (folder / "images.csv").open(newline="") as rows:
        labels = {row["ImageId"]: int(row["label"]) for row in csv.DictReader(rows)}
    files = sorted((folder / "images").glob("*.jpg"))
    pixels = np.stack([_centre(read_image(path)) for path in files])
    truth = np.array([labels[path.stem] for path in files])
    # x / 127.5 - 1 is (x - 127.5) / 127.5, exactly for each of the 256 pixel values but a last bit.
    recipe = Recipe(mean=[127.5] * 3, std=[127.5] * 3, divide=1)
    calibration, evaluation = every_fifth(len(files))
    return Images(pixels[calibration], pixels[evaluation], truth[evaluation], recipe)


def _centre(pixels: np.ndarray, size: int = 224) -> np.ndarray:
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return pixels[top : top + size, left : left + size]


def _cifar() -> Images:
    found = np.load(SHARED / "nets" / "cifar10_train1000.npz")
    x, y = found["x"], found["y"].astype(np.int64)
    calibration, evaluation = every_fifth(len(x))
    return Images(x[calibration], x[evaluation], y[evaluation], Recipe(_IMAGENET_MEAN, _IMAGENET_STD))


def _clothes() -> Images:
    found = data.load("fashion-mnist")
    places = np.linspace(0, len(found.train_images), _FASHION_CALIBRATION, endpoint=False).astype(int)
    return Images(
        found.train_images[places][..., None],
        found.test_images[..., None],
        found.test_labels.astype(np.int64),
        data.RECIPES["fashion-mnist"],
    )


def _flowers() -> Images:
    train, _ = load_pictures(flowers.photographs("train"), networks.FLOWER_SIZE)
    val, labels = load_pictures(flowers.photographs("val"), networks.FLOWER_SIZE)
    return Images(train[every_fifth(len(train))[0]], val, labels.numpy(), flowers.RECIPE)


def _pretrained(function: str) -> Callable[[Path], nn.Module]:
    def load(folder: Path) -> nn.Module:
        return getattr(_definitions(), function)()

    return load


def _definitions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pretrained", SHARED / "pretrained.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _trained(name: str) -> Callable[[Path], nn.Module]:
    return lambda folder: networks.network(name, folder)


def _shared(part: str) -> Callable[[], str | None]:
    return lambda: None if (SHARED / part).exists() else f"../shared/data/{part} is not there"


def _fashion_needs() -> str | None:
    try:
        data.load("fashion-mnist")
    except FileNotFoundError as error:
        return str(error)
    return None


def _of_trained(name: str, title: str) -> Subject:
    if name.startswith("fashion"):
        return Subject(title, _trained(name), _clothes, _fashion_needs)
    return Subject(title, _trained(name), _flowers, _shared("flowers"))


SUBJECTS = {
    "mobilenet": Subject(
        "MobileNet v1 0.25, 400 photos", _pretrained("mobilenet_v1_025"), _photos, _shared("photos")
    ),
    "resnet20": Subject(
        "ResNet-20, 800 CIFAR images", _pretrained("cifar_resnet20"), _cifar, _shared("nets")
    ),
    **{
        f"{images}_{kind}{bn}": _of_trained(f"{images}_{kind}{bn}", f"{title}, {kind}, {words}")
        for images, title in (("fashion", "Fashion-MNIST"), ("flowers", "Flowers"))
        for kind in ("plain", "depthwise")
        for bn, words in (("_bn", "BatchNorm"), ("", "no BatchNorm"))
    },
}  # fmt: skip
