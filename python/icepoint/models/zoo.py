"""torchvision's classifiers without a download: seeded weights, BatchNorm statistics as of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..vision import import_torchvision


def seeded(name: str, seed: int = 0, images: torch.Tensor | None = None, **options: Any) -> nn.Module:
    """torchvision.models.<name>(weights=None, **options) in eval mode, the same for the same seed.

    Every BatchNorm has the mean and variance that its input has over `images` (n, 3, h, w) float32, by
    default eight natural_images of 224 x 224, so that activations have the ranges of a trained
    network's. ValueError for a name that torchvision does not have.

    >>> seeded("resnet18", images=natural_images(2, 64))(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """
    models = import_torchvision().models
    if name not in models.list_models(module=models):
        raise ValueError(f"seeded: {name!r} is none of {', '.join(models.list_models(module=models))}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.get_model(name, weights=None, **options).eval()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None  # the plain average, here of one batch
    with torch.no_grad():
        model(natural_images(8, 224, seed) if images is None else images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


def natural_images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Normalized colour pictures (count, 3, size, size) whose spectrum falls as a photograph's, 1 / f.

    Mean 0 and deviation 1 a picture and channel; three quarters of each channel are common to all
    three (Field, "Relations between the statistics of natural images", 1987).
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 4, size, size, generator=generator)
    noise = torch.cat([noise[:, :3] + 3.0 * noise[:, 3:]], 1)
    f = torch.fft.fftfreq(size)[:, None] ** 2 + torch.fft.rfftfreq(size)[None, :] ** 2
    f[0, 0] = 1.0
    x = torch.fft.irfft2(torch.fft.rfft2(noise) / f.sqrt(), s=(size, size))
    return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)
