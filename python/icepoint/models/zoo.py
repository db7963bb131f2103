"""torchvision's networks without a download: seeded weights, statistics of activations as of training."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from ..vision import import_torchvision

_OPEN = 1.0  # the mean of what goes into an activation, in deviations
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.Sigmoid)


def seeded(name: str, seed: int = 0, images: torch.Tensor | None = None, **options: Any) -> nn.Module:
    """A torchvision classifier or segmentation network in eval mode, the same for the same seed.

    It is torchvision.models.get_model(name, weights=None, **options), then run once over `images`
    (n, 3, h, w) float32, by default eight natural_images of 224 x 224, so that activations have the
    ranges of a trained network's, and answers differ between pictures:

    - every BatchNorm takes the mean and variance that its input has;
    - a convolution or linear layer that has a bias and no BatchNorm behind it (all of AlexNet, VGG and
      SqueezeNet; squeeze-and-excitation; classifiers) is scaled and shifted to outputs of deviation 1 a
      channel, as Krähenbühl et al., "Data-dependent Initializations of Convolutional Neural Networks"
      (2016): through random layers without it all pictures get about the same answer;
    - the outputs of both have the mean 1, so that five of six pass a ReLU; where no activation follows,
      those of the latter have the mean 0. For a normal x ReLU raises noise against signal by
      P(x > 0) / var(ReLU(x)) a layer: 1.47 at mean 0, where fifty random layers drown the answer in the
      rounding of 8 bits, 1.12 at mean 1 (docs/decisions/0024-weights-of-the-zoo.md).

    ValueError for a name that torchvision does not have.

    >>> seeded("resnet18", images=natural_images(2, 64))(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """
    models = import_torchvision().models
    segmentation = models.list_models(module=models.segmentation)
    names = models.list_models(module=models) + segmentation
    if name not in names:
        raise ValueError(f"seeded: {name!r} is none of {', '.join(names)}")
    if name in segmentation:
        options = {"weights_backbone": None, **options}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = models.get_model(name, weights=None, **options).eval()
    _settle(model, natural_images(8, 224, seed) if images is None else images)
    return model


def _settle(model: nn.Module, images: torch.Tensor) -> None:
    """One pass in which every layer takes the statistics of its own output, the first layers first."""
    leaves = [m for m in model.modules() if not any(True for _ in m.children())]
    norms = [m for m in leaves if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None  # the plain average, here of one batch
        nn.init.constant_(norm.bias, _OPEN)
    hooks = [
        layer.register_forward_hook(_standardize(_OPEN if isinstance(behind, _ACTIVATIONS) else 0.0))
        for layer, behind in pairwise([*leaves, nn.Identity()])
        if isinstance(layer, (nn.Conv2d, nn.Linear))
        and layer.bias is not None
        and not isinstance(behind, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def _standardize(centre: float) -> Callable[[Any, Any, torch.Tensor], torch.Tensor]:
    """A forward hook by which outputs (n, c, ...) get mean `centre` and deviation 1 a channel."""

    def hook(layer: nn.Conv2d | nn.Linear, _inputs: Any, y: torch.Tensor) -> torch.Tensor:
        axes = [axis for axis in range(y.dim()) if axis != 1]
        mean = y.mean(axes)
        deviation = y.std(axes, unbiased=False)
        scale = torch.where(deviation > 0.0, 1.0 / deviation, 1.0)
        layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        layer.bias.sub_(mean).mul_(scale).add_(centre)
        columns = (1, -1, *[1] * (y.dim() - 2))
        return (y - mean.reshape(columns)) * scale.reshape(columns) + centre

    return hook


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
