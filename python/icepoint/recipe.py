"""The input recipe: how 8-bit pixels become the model's float input, and what the outputs are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Recipe:
    """x = (pixel / divide - mean[c]) / std[c], in float32 and in this order; it travels in the file.

    `divide` is 255 (torchvision's ToTensor) or 1; `mean` and `std` have one number for each channel,
    std > 0; `classes` names the outputs, in order. Channels, height and width come from the model.

    >>> Recipe(mean=[0.1307], std=[0.3081])(torch.zeros(1, 1, dtype=torch.uint8))
    tensor([[[-0.4242]]])
    """

    mean: Sequence[float]
    std: Sequence[float]
    classes: Sequence[str] = ()
    divide: int = 255

    def __post_init__(self) -> None:
        mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
        if mean.ndim != 1 or mean.shape != std.shape or not mean.size:
            raise ValueError(
                "Recipe: expected as many mean as std values, one a channel, "
                f"found {self.mean!r} and {self.std!r}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError(
                f"Recipe: expected finite means and std > 0, found {self.mean!r} and {self.std!r}"
            )
        if self.divide not in (1, 255) or isinstance(self.divide, (bool, float)):
            raise ValueError(f"Recipe.divide: expected 1 or 255, found {self.divide!r}")
        if isinstance(self.classes, str) or not all(isinstance(name, str) for name in self.classes):
            raise ValueError(f"Recipe.classes: expected a sequence of strings, found {self.classes!r}")
        # Tuples of float32 values: what the file holds, so that a loaded recipe equals the given one.
        object.__setattr__(self, "mean", tuple(float(v) for v in mean.astype(np.float32)))
        object.__setattr__(self, "std", tuple(float(v) for v in std.astype(np.float32)))
        object.__setattr__(self, "classes", tuple(self.classes))

    @classmethod
    def of(cls, recipe: Recipe | dict[str, Any] | None) -> Recipe | None:
        """A Recipe, the keywords of one, or None; ValueError for a keyword that it does not have."""
        if recipe is None or isinstance(recipe, Recipe):
            return recipe
        try:
            return cls(**recipe)
        except TypeError as error:
            raise ValueError(f"recipe: expected mean, std, classes, divide; {error}") from error

    def for_input(self, shapes: Sequence[Sequence[int]]) -> dict[str, Any]:
        """The file's JSON for a model whose only input is an image (c, h, w)."""
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise ValueError(
                f"recipe: expected a model with one (c, h, w) input, found inputs {list(shapes)}"
            )
        channels, height, width = shapes[0]
        if channels != len(self.mean):
            raise ValueError(f"recipe: expected {channels} mean and std values, found {len(self.mean)}")
        found = {"channels": channels, "height": height, "width": width, "divide": self.divide,
                 "mean": self.mean, "std": self.std}  # fmt: skip
        return found | ({"classes": self.classes} if self.classes else {})

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """float32 (c, h, w) or (n, c, h, w) of uint8 pixels (h, w), (c, h, w) or (n, c, h, w)."""
        if pixels.dtype != torch.uint8:
            raise ValueError(f"Recipe: expected uint8 pixels, found {pixels.dtype}")
        x = pixels.unsqueeze(0) if pixels.dim() == 2 else pixels
        mean, std = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (self.mean, self.std))
        return (x.to(torch.float32) / self.divide - mean) / std
