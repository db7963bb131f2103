"""The photos that settle, calibrate and judge the zoo's networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from icepoint import Recipe
from icepoint.models.zoo import natural_images

from ..environments import REPOSITORY

PHOTOS = REPOSITORY.parent / "shared" / "data" / "photos" / "images"
_MADE = 256  # pixels a side, as the photographs have


def files(count: int) -> list[Path]:
    """The first `count` photographs; none where there are fewer."""
    found = sorted(PHOTOS.glob("*.jpg"))[:count]
    return found if len(found) == count else []


def images(count: int, recipe: Recipe) -> torch.Tensor:
    """float32 (count, 3, h, w) as the recipe makes them: photographs where they are, else natural_images."""
    return torch.cat([recipe(picture) for picture in files(count) or _made(count)])


def _made(count: int) -> list[np.ndarray]:
    """uint8 (h, w, 3), 50 grey levels a deviation."""
    made = (natural_images(count, _MADE) * 50.0 + 128.0).clamp(0.0, 255.0).to(torch.uint8)
    return list(made.permute(0, 2, 3, 1).contiguous().numpy())
