"""Photographs changed at random while a network trains on them: moved, recoloured, mixed."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def augment(pixels: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """float32 (n, 3, size, size) in 0..255 out of (n, 3, h, w), every picture changed at random.

    Flipped, zoomed, stretched, turned and shifted, with grey 114 beyond the edge, as in the lab's
    letterbox; then saturation, contrast, brightness and colour.
    """
    n = len(pixels)

    def uniform(low: float, high: float, channels: int = 1) -> torch.Tensor:
        return torch.rand(n, channels, 1, 1, generator=generator) * (high - low) + low

    zoom, stretch = uniform(-0.35, 0.1).exp(), uniform(-0.12, 0.12).exp()
    turn, shift = uniform(-0.2, 0.2), uniform(-0.18, 0.18, 2)
    flip = 1 - 2 * (uniform(0, 1) < 0.5).float()
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    rows = [cos * flip * stretch, -sin, shift[:, :1], sin * flip, cos / stretch, shift[:, 1:]]
    affine = torch.cat(rows, dim=1).view(n, 2, 3)
    grid = F.affine_grid(affine, [n, 3, size, size], align_corners=False)
    x = F.grid_sample(pixels.float() - 114, grid, align_corners=False) + 114

    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * uniform(0.6, 1.4)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * uniform(0.7, 1.3) + mean * uniform(0.75, 1.25) + uniform(-12, 12, 3)
    return x.clamp(0, 255)


def mixed(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(n, c, h, w): into every picture up to a half of another one of the batch, as mixup's inputs are made
    (H. Zhang et al., 2018). Nobody has to know what they show: the teacher is asked.
    """
    share = torch.rand(len(x), 1, 1, 1, generator=generator) / 2
    return x.lerp(x.roll(1, 0), share)
