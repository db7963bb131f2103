"""A network of the zoo, at seeded or at real weights, with the photos that calibrate and judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import nn

from icepoint.models.zoo import seeded
from icepoint.vision import import_torchvision

from . import pictures
from .families import CALIBRATION_PHOTOS, ZOO


@dataclass(frozen=True)
class Subject:
    """`calibration` and `photos` are float32 (n, 3, size, size), no photo in both."""

    model: nn.Module
    calibration: torch.Tensor
    photos: torch.Tensor
    recipe: Any = None

    def answer(self, x: torch.Tensor) -> torch.Tensor:
        return tensor_of(self.model(x))


class Plain(nn.Module):
    """The network with its one answer as a tensor, which is what an ONNX export takes."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return tensor_of(self.model(x))


def subject(name: str, quick: bool, weights: bool) -> Subject:
    """At seeded weights; or at those that torchvision downloads, on photos as its transforms make them."""
    return _trained(name) if weights else _seeded(name, quick)


def _seeded(name: str, quick: bool) -> Subject:
    member = ZOO[name]
    size = member.quick_size if quick else member.size
    calibration, photos = _parted(pictures.images(CALIBRATION_PHOTOS + member.photos, size))
    model = seeded(name, images=calibration, **member.options)
    return Subject(model.requires_grad_(False), calibration, photos)


def _trained(name: str) -> Subject:
    models = import_torchvision().models
    weights = models.get_model_weights(name).DEFAULT
    model = models.get_model(name, weights=weights).eval().requires_grad_(False)
    ready = weights.transforms()
    pixels = pictures.pixels(CALIBRATION_PHOTOS + ZOO[name].photos)
    return Subject(model, *_parted(torch.stack([ready(Image.fromarray(p)) for p in pixels])))


def _parted(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images[:CALIBRATION_PHOTOS], images[CALIBRATION_PHOTOS:]


def tensor_of(answer: Any) -> torch.Tensor:
    """The answer that counts: of segmentation, which returns a dict, that named "out"."""
    return answer["out"] if isinstance(answer, dict) else answer
