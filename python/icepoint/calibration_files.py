"""Calibration data in files: an array, or the first image of an array or of a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .pictures import pictures_in
from .recipe import Recipe
from .vision import read_image

_WHO = "--data"  # commands alone ask for the first image


def array_of(path: Path, who: str) -> np.ndarray:
    """The array of a .npy file, mapped and not read, or of a .npz: `x`, or the only one that it has.

    ValueError, by `who`, for any other file.
    """
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"{who}: {path}: expected a folder of pictures, or a .npy or .npz file")
    try:
        found = np.load(path, mmap_mode="c" if path.suffix == ".npy" else None, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found as arrays:
            names = arrays.files
            if "x" not in names and len(names) != 1:
                raise ValueError(f"expected an array named x, or one alone, found {', '.join(names)}")
            return arrays["x" if "x" in names else names[0]]
    except ValueError as error:
        raise ValueError(f"{who}: {path}: {error}") from error


def first_image(
    data: str | os.PathLike[str], recipe: Recipe | None, shape: Sequence[int] | None = None
) -> torch.Tensor:
    """The first image (1, ...) of a folder, or of an array's file, as an example input.

    With `shape` zeros of it, unless the recipe resizes: for data that only becomes of this size.
    """
    if shape is not None and (recipe is None or recipe.resize is None):
        return torch.zeros(1, *shape)
    path = Path(data)
    first = read_image(pictures_in(path)[0])[None] if path.is_dir() else array_of(path, _WHO)[:1]
    if first.dtype != np.uint8:
        return torch.as_tensor(first)
    if recipe is None:
        raise ValueError(f"{_WHO}: pictures become inputs by a recipe, found none; give --mean and --std")
    return recipe(first)
