"""The photos that settle, calibrate and judge the zoo's networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from icepoint.models.zoo import natural_images
from icepoint.vision import pixels_to_input, read_image, to_channels

from ..environments import REPOSITORY

PHOTOS = REPOSITORY.parent / "shared" / "data" / "photos" / "images"
_MADE = 256  # pixels a side
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "divide": 255}


def files(count: int) -> list[Path]:
    """The first `count` photographs; none where there are fewer."""
    found = sorted(PHOTOS.glob("*.jpg"))[:count]
    return found if len(found) == count else []


def pixels(count: int) -> list[np.ndarray]:
    """uint8 (h, w, 3): photographs where they are, else natural_images at 50 grey levels a deviation."""
    found = files(count)
    if found:
        return [to_channels(read_image(path), 3) for path in found]
    made = (natural_images(count, _MADE) * 50.0 + 128.0).clamp(0.0, 255.0).to(torch.uint8)
    return list(made.permute(0, 2, 3, 1).numpy())


def images(count: int, size: int) -> torch.Tensor:
    """float32 (count, 3, size, size), normalized: the same pictures, scaled."""
    scaled = [Image.fromarray(p).resize((size, size), Image.Resampling.BILINEAR) for p in pixels(count)]
    return pixels_to_input(np.stack(scaled), _IMAGENET)
