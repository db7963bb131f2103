"""The input recipe: how 8-bit pixels become the model's float input, and what the outputs are called."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .vision import Picture, pixels_of, pixels_to_input, prepare_pixels

_FITS = {"letterbox": {"fill"}, "crop": {"shorter_side"}, "stretch": set()}  # and what each has of its own
FILTERS = ("opencv_linear", "bilinear", "bicubic")


@dataclass(frozen=True)
class Recipe:
    """x = (pixel / divide - mean[c]) / std[c], in float32 and in this order; it travels in the file.

    `divide` is 255 (torchvision's ToTensor) or 1; `mean` and `std` have one number for each channel,
    std > 0; `classes` names the outputs, in order. Channels, height and width come from the model.

    `resize` says how a picture of any size becomes the model's; without it other sizes are refused:
    {"fit": "letterbox", "filter": ..., "fill": 114} scales it to fit, top left on grey `fill`;
    {"fit": "crop", "filter": ..., "shorter_side": 256} scales its shorter side and takes the centre, as
    torchvision's presets do; {"fit": "stretch", "filter": ...} does not keep its proportions. The filter is
    "opencv_linear" (OpenCV's INTER_LINEAR) or, as torchvision on PIL images, "bilinear" or "bicubic"
    (antialiased): docs/images.md. `size` is the model's (height, width), where it is known: a loaded model's
    recipe has it, and a recipe that resizes needs it to be called.

    >>> Recipe(mean=[0.1307], std=[0.3081])(torch.zeros(1, 1, dtype=torch.uint8))
    tensor([[[-0.4242]]])
    """

    mean: Sequence[float]
    std: Sequence[float]
    classes: Sequence[str] = ()
    divide: int = 255
    resize: Mapping[str, Any] | None = field(default=None, hash=False)
    size: tuple[int, int] | None = field(default=None, compare=False)

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
        if self.resize is not None:
            object.__setattr__(self, "resize", _checked_resize(self.resize))
        if self.size is not None:
            object.__setattr__(self, "size", _checked_size(self.size))
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
            raise ValueError(f"recipe: expected mean, std, classes, divide, resize, size; {error}") from error

    @classmethod
    def of_file(cls, found: dict[str, Any]) -> Recipe | None:
        """The recipe of a frozen file's description, size included; None for a model without one."""
        if not found:
            return None
        size = (found["height"], found["width"])
        return cls(**{k: v for k, v in found.items() if k not in ("channels", "height", "width")}, size=size)

    def for_input(self, shapes: Sequence[Sequence[int]]) -> dict[str, Any]:
        """The file's JSON for a model whose only input is an image (c, h, w)."""
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise ValueError(
                f"recipe: expected a model with one (c, h, w) input, found inputs {list(shapes)}"
            )
        channels, height, width = shapes[0]
        if channels != len(self.mean):
            raise ValueError(f"recipe: expected {channels} mean and std values, found {len(self.mean)}")
        if self.size not in (None, (height, width)):
            raise ValueError(
                f"recipe: expected a model that takes its size {self.size} (height, width), found "
                f"{(height, width)}; give example inputs of that size, or replace the recipe's by None"
            )
        found = {"channels": channels, "height": height, "width": width, "divide": self.divide,
                 "mean": self.mean, "std": self.std}  # fmt: skip
        found |= {"classes": self.classes} if self.classes else {}
        return found | ({"resize": self.resize} if self.resize else {})

    def __call__(self, pictures: Picture | torch.Tensor) -> torch.Tensor:
        """The model's float32 input of pictures, resized where the recipe says so.

        pictures: a file's path, a PIL image, uint8 NumPy pixels (h, w), (h, w, c), (n, h, w) or
        (n, h, w, c), which give (n, c, h, w); or a uint8 tensor (h, w), (c, h, w) or (n, c, h, w), which
        gives (c, h, w) or (n, c, h, w). ValueError for anything else, OSError for a file that is not there.
        """
        if not isinstance(pictures, torch.Tensor):
            return pixels_to_input(self._resized(pixels_of(pictures)), self)
        if pictures.dtype != torch.uint8:
            raise ValueError(f"Recipe: expected uint8 pixels, found {pictures.dtype}")
        x = pictures.unsqueeze(0) if pictures.dim() == 2 else pictures
        if self.resize is not None:
            batch = x.reshape(-1, *x.shape[-3:]).permute(0, 2, 3, 1).numpy()
            resized = torch.from_numpy(self._resized(batch)).permute(0, 3, 1, 2)
            x = resized.reshape(*x.shape[:-3], *resized.shape[1:])
        mean, std = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (self.mean, self.std))
        return (x.to(torch.float32) / self.divide - mean) / std

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        if self.resize is not None and self.size is None:
            raise ValueError(
                "Recipe: expected a size to resize to, found none; give Recipe(..., size=(height, width)) "
                "or take the recipe of a frozen model, which knows its own"
            )
        return prepare_pixels(pixels, self, *(self.size or (None, None)))

    @classmethod
    def of_transforms(cls, transforms: Any, classes: Sequence[str] | None = ()) -> Recipe:
        """The recipe of a torchvision preset, as `weights.transforms()` gives it; classes names the outputs.

        ImageClassification is resize and centre crop; SemanticSegmentation only resizes, so that pictures
        keep their proportions: a frozen model has one size, and takes the centre of what the preset gives.
        Both as torchvision does it on PIL images. ValueError for what a recipe cannot express.

        >>> from icepoint.vision import import_torchvision
        >>> weights = import_torchvision().models.MobileNet_V3_Small_Weights.IMAGENET1K_V1
        >>> recipe = Recipe.of_transforms(weights.transforms(), weights.meta["categories"])
        >>> recipe.size, recipe.resize
        ((224, 224), {'fit': 'crop', 'filter': 'bilinear', 'shorter_side': 256})
        """
        kind = type(transforms).__name__
        if kind not in ("ImageClassification", "SemanticSegmentation"):
            raise ValueError(
                "Recipe.of_transforms: expected torchvision's ImageClassification or SemanticSegmentation "
                f"preset (weights.transforms()), found {kind}; give Recipe(mean, std, resize=...) instead"
            )
        found = str(getattr(transforms.interpolation, "value", transforms.interpolation))
        if found not in ("bilinear", "bicubic"):
            raise ValueError(f"Recipe.of_transforms: expected bilinear or bicubic, found {found}")
        resize = {"fit": "crop", "filter": found}
        scaled, size = list(transforms.resize_size or ()), None
        if kind == "ImageClassification":
            crop = list(transforms.crop_size)
            size = (crop[0], crop[-1])
            if len(scaled) == 2 and tuple(scaled) == size:
                resize["fit"] = "stretch"
        if resize["fit"] == "crop":
            if len(scaled) != 1 or scaled[0] < max(size or (1,)):
                raise ValueError(
                    f"Recipe.of_transforms: expected a shorter side that covers the crop, found "
                    f"resize_size={scaled}" + (f", crop_size={list(size)}" if size else "")
                )
            resize["shorter_side"] = scaled[0]
        return cls(transforms.mean, transforms.std, classes or (), resize=resize, size=size)


def _checked_resize(found: Mapping[str, Any]) -> dict[str, Any]:
    own = _FITS.get(found.get("fit")) if isinstance(found, Mapping) else None
    if own is None or set(found) != {"fit", "filter", *own} or found["filter"] not in FILTERS:
        raise ValueError(
            'Recipe.resize: expected {"fit": "letterbox", "filter": F, "fill": 0..255}, {"fit": "crop", '
            '"filter": F, "shorter_side": pixels} or {"fit": "stretch", "filter": F} with F one of '
            f"{', '.join(FILTERS)}; found {found!r}"
        )
    numbers = {key: found[key] for key in own}
    if any(isinstance(value, bool) or not hasattr(value, "__index__") for value in numbers.values()):
        raise ValueError(f"Recipe.resize: expected whole numbers, found {found!r}")
    numbers = {key: operator.index(value) for key, value in numbers.items()}
    if not 0 <= numbers.get("fill", 0) <= 255 or numbers.get("shorter_side", 1) < 1:
        raise ValueError(f"Recipe.resize: expected a fill in 0..255, a shorter_side above 0, found {found!r}")
    return {"fit": found["fit"], "filter": found["filter"]} | numbers


def _checked_size(found: Sequence[int]) -> tuple[int, int]:
    size = tuple(operator.index(side) for side in found)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"Recipe.size: expected (height, width), found {found!r}")
    return size
