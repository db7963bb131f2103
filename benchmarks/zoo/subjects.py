"""A network of the zoo, at seeded or at real weights, with the photos that calibrate and judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from icepoint import Recipe
from icepoint.models.zoo import seeded
from icepoint.vision import import_torchvision

from . import pictures
from .families import CALIBRATION_PHOTOS, ZOO

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass(frozen=True)
class Subject:
    """`calibration` and `photos` are float32 (n, 3, size, size), no photo in both."""

    model: nn.Module
    calibration: torch.Tensor
    photos: torch.Tensor
    recipe: Recipe | None

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
    """At seeded weights; or at those that torchvision downloads, on photos as its transforms make them,
    which the file's recipe then does."""
    return _trained(name) if weights else _seeded(name, quick)


def _seeded(name: str, quick: bool) -> Subject:
    member = ZOO[name]
    size = member.quick_size if quick else member.size
    recipe = Recipe(_MEAN, _STD, resize={"fit": "stretch", "filter": "bilinear"}, size=(size, size))
    calibration, photos = _photos(name, recipe)
    model = seeded(name, images=calibration, **member.options)
    return Subject(model.requires_grad_(False), calibration, photos, recipe)


def _trained(name: str) -> Subject:
    models = import_torchvision().models
    weights = models.get_model_weights(name).DEFAULT
    model = models.get_model(name, weights=weights).eval().requires_grad_(False)
    if hasattr(model, "aux_classifier"):
        model.aux_classifier = None  # the second head of a segmentation network, which only training reads
    recipe = Recipe.of_transforms(weights.transforms(), weights.meta["categories"])
    if recipe.size is None:  # segmentation takes pictures of any shape, a frozen file those of one
        recipe = replace(recipe, size=(recipe.resize["shorter_side"],) * 2)
    return Subject(model, *_photos(name, recipe), recipe)


def _photos(name: str, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    found = pictures.images(CALIBRATION_PHOTOS + ZOO[name].photos, recipe)
    return found[:CALIBRATION_PHOTOS], found[CALIBRATION_PHOTOS:]


def tensor_of(answer: Any) -> torch.Tensor:
    """The answer that counts: of segmentation, which returns a dict, that named "out"."""
    return answer["out"] if isinstance(answer, dict) else answer
