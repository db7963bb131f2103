"""The photos that settle, calibrate and judge the zoo's networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from icepoint import Recipe
from icepoint.models.zoo import natural_images
from icepoint.vision import pixels_to_input, prepare_pixels

from ..environments import REPOSITORY

PHOTOS = REPOSITORY.parent / "shared" / "data" / "photos" / "images"
_MADE = 256  # pixels a side
_IMAGENET = Recipe(
    mean=[0.485, 0.456, 0.406],
    std=[0.229, 0.224, 0.225],
    resize={"fit": "stretch", "filter": "bilinear"},
)


def files(count: int) -> list[Path]:
    """The first `count` photographs; none where there are fewer."""
    found = sorted(PHOTOS.glob("*.jpg"))[:count]
    return found if len(found) == count else []


def pixels(count: int) -> list[np.ndarray]:
    """uint8 (h, w, 3): photographs where they are, else natural_images at 50 grey levels a deviation."""
    found = files(count)
    if found:
        return [prepare_pixels(path, _IMAGENET)[0] for path in found]
    made = (natural_images(count, _MADE) * 50.0 + 128.0).clamp(0.0, 255.0).to(torch.uint8)
    return list(made.permute(0, 2, 3, 1).numpy())


def images(count: int, size: int) -> torch.Tensor:
    """float32 (count, 3, size, size), normalized: the same pictures, scaled."""
    scaled = [prepare_pixels(picture, _IMAGENET, size, size) for picture in pixels(count)]
    return pixels_to_input(np.concatenate(scaled), _IMAGENET)
