"""Finds calibration data that are not prepared as the training data were: pixels instead of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..capture import Captured
from ..recipe import Recipe
from .sums import LayerSums

_SPREAD = 6.0  # variance behind a first layer, over that in training or under it: pixels in 0..1 give 8 to 20
_SHIFT = 3.0  # median shift of the channels' means, in standard deviations of training
_TINY_VARIANCE = 1e-8  # such a channel was constant in training and tells nothing
_NEAR_STEPS = 12  # operators from the inputs on among which a first BatchNorm is looked for
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_LOUD = 100.0  # outputs of a classifier lie within some tens


@dataclass(frozen=True)
class Mismatch:
    """At which layer the data show that they are not the training's, and in words how."""

    layer: str
    says: str


def find_mismatch(
    original: Captured, layers: Sequence[LayerSums], sample: Sequence[torch.Tensor], recipe: Recipe | None
) -> Mismatch | None:
    """What is wrong with the preparation of the images; None where nothing tells.

    Three witnesses, in this order: the recipe, which says what inputs can be; the first BatchNorm of the
    `original` graph, whose running statistics are those of training; and pixels 0..255 as whole numbers with
    outputs beyond 100.
    """
    looks = _looks(sample[0])
    if recipe is not None and len(sample) == 1:
        found = _against_recipe(sample[0], recipe)
        if found:
            return Mismatch(layers[0].stage.name, f"{found}{looks}")
    first = _first_batchnorm(original, sample)
    if first is not None:
        name, bn, x = first
        found = _against_batchnorm(bn, x)
        return Mismatch(name, f"{found}{looks}") if found else None
    loudest = max(abs(end) for end in layers[-1].reached)
    if _is_pixels(sample[0]) and loudest > _LOUD:
        says = f"the network's outputs reach {loudest:,.0f}, far beyond what a classifier gives"
        return Mismatch(layers[0].stage.name, f"{says}{looks}")
    return None


def _first_batchnorm(
    original: Captured, sample: Sequence[torch.Tensor]
) -> tuple[str, nn.BatchNorm2d, torch.Tensor] | None:
    """The step in front of the first trained BatchNorm near the inputs, the BatchNorm, and what it gets."""
    values: dict[int, Any] = {**dict(enumerate(sample)), **original.sizes.values(sample)}
    makers: dict[int, str] = {}
    near = original.steps[:_NEAR_STEPS]
    if not any(isinstance(step.module, _NORMS) for step in near):
        return None
    with torch.no_grad():
        for step in near:
            xs = [values[v] for v in step.inputs]
            if isinstance(step.module, _NORMS) and _is_trained(step.module):
                return makers.get(step.inputs[0], step.name), step.module, xs[0]
            values[step.output], makers[step.output] = step.module(*xs), step.name
    return None


def _is_trained(bn: nn.BatchNorm2d) -> bool:
    """Whether its statistics are others than nn.BatchNorm2d makes them."""
    return not bool((bn.running_mean == 0).all() & (bn.running_var == 1).all())


def _against_recipe(x: torch.Tensor, recipe: Recipe) -> str | None:
    if x.dim() != 4 or x.shape[1] != len(recipe.mean):
        return None
    mean, std = torch.tensor(recipe.mean), torch.tensor(recipe.std)
    low, high = -mean / std, (255 / recipe.divide - mean) / std
    width = high - low
    least, greatest = x.amin((0, 2, 3)), x.amax((0, 2, 3))
    told = f"inputs by the recipe lie in {float(low.min()):.3g}..{float(high.max()):.3g}, "
    if bool((least < low - 0.1 * width).any() | (greatest > high + 0.1 * width).any()):
        return f"{told}these reach {float(least.min()):.3g}..{float(greatest.max()):.3g}"
    inside = bool(((x >= 0) & (x <= 1)).all())
    if inside and bool(((low < -0.2) & (high > 1.3)).all()):  # a picture has dark and bright places
        return f"{told}these lie in 0..1"
    return None


def _against_batchnorm(bn: nn.BatchNorm2d, x: torch.Tensor) -> str | None:
    """How what a BatchNorm gets (n, channels, ...) differs from training; None where it does not."""
    rows = x.double().movedim(1, 0).flatten(1)
    live = bn.running_var > _TINY_VARIANCE
    if not bool(live.any()):
        return None
    mean, var = (v.double()[live] for v in (bn.running_mean, bn.running_var + bn.eps))
    spread = float((rows[live].var(1, correction=0) / var).median())
    shift = float(((rows[live].mean(1) - mean).abs() / var.sqrt()).median())
    if 1 / _SPREAD <= spread <= _SPREAD and shift <= _SHIFT:
        return None
    return (
        f"in front of its BatchNorm the values spread {spread**0.5:.2g} times as far as in training, "
        f"and their means lie {shift:.2g} standard deviations away"
    )


def _is_pixels(x: torch.Tensor) -> bool:
    """Whether all values are whole numbers in 0..255, and not only zeros and ones."""
    return bool((x == x.round()).all()) and float(x.min()) >= 0 and 128 <= float(x.max()) <= 255


def _looks(x: torch.Tensor) -> str:
    if _is_pixels(x):
        return "; they are whole numbers in 0..255, pixels as a file has them"
    least, greatest = float(x.min()), float(x.max())
    if least >= 0 and 0.5 <= greatest <= 1:
        return "; they lie in 0..1, pixels that were divided by 255 and not normalized"
    if least >= 0 and 128 <= greatest <= 255:
        return "; they lie in 0..255, pixels that were not normalized"
    return ""
