"""Calibration data in any form as batches of a model's inputs, one at a time and checked."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .calibrate import batch_inputs
from .pictures import pictures_in, read_pictures
from .recipe import Recipe
from .vision import pixels_to_input, read_image

SAMPLE = 32  # images that the report measures
BATCH = 32  # images cut from one array, or read from a folder, at a time
_WHO = "quantize.calibration_data"


class Batches:
    """Iterates over `data` as tuples of float32 inputs (n, ...), one for each of `examples`.

    data: a DataLoader or another iterable of batches, each a tensor or a tuple, list or dict that
    begins with the inputs; one tensor or NumPy array of all images, float32 or, with a recipe, uint8
    pixels; the path of a `.npy` or `.npz` of such an array; the path of a folder of pictures, which
    needs a recipe. Arrays and folders go by in batches of 32, files without being read as a whole.
    `names` are those of the inputs, for dicts; `check` raises ValueError for inputs that the network
    does not take. ValueError, with the batch or the file, for these and for anything else. `sample`
    holds up to 32 images of the first batch once it has gone by.

    >>> [x.shape[0] for (x,) in Batches(torch.zeros(40, 3, 8, 8), [torch.zeros(1, 3, 8, 8)], None)]
    [32, 8]
    """

    def __init__(
        self,
        data: Any,
        examples: Sequence[torch.Tensor],
        recipe: Recipe | None,
        names: Sequence[str] = (),
        check: Callable[[Sequence[torch.Tensor]], Any] | None = None,
    ):
        self.examples, self.recipe, self.names = list(examples), recipe, names
        self._check = check
        self.sample: tuple[torch.Tensor, ...] | None = None
        self._data = self._opened(data)

    def __length_hint__(self) -> int:
        """How many batches there are, 0 where nobody knows."""
        return operator.length_hint(self._data, 0)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for count, batch in enumerate(self._data):
            try:
                inputs = batch_inputs(batch, len(self.examples), self.names)
                if self._check is not None:
                    self._check(inputs)
            except ValueError as error:
                raise ValueError(f"{_WHO}: batch {count}: {error}") from error
            yield inputs
            if self.sample is None:  # calibrate has taken the batch, so it is a good one
                self.sample = tuple(x[:SAMPLE].detach().clone() for x in inputs)

    def _opened(self, data: Any) -> Iterable[Any]:
        if isinstance(data, (str, os.PathLike)):
            path = Path(data)
            if path.is_dir():
                return _Cut(pictures_in(path), self._pictures)
            data = _array_of(path)
        if isinstance(data, (torch.Tensor, np.ndarray)):
            self._check_one_input(f"a {type(data).__name__} of all images")
            is_pixels = data.dtype == (torch.uint8 if isinstance(data, torch.Tensor) else np.uint8)
            return _Cut(data, self._pixels if is_pixels else torch.as_tensor)
        # A data set can be read by index alone, which `for` takes too.
        if isinstance(data, Mapping) or not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
            raise ValueError(
                f"{_WHO}: expected batches (a DataLoader, list or generator), one tensor or array of all "
                f"images, or the path of a folder of pictures, found {type(data).__name__}"
            )
        return data

    def _check_one_input(self, found: str) -> None:
        if len(self.examples) != 1:
            raise ValueError(
                f"{_WHO}: the model has {len(self.examples)} inputs, expected batches of as many tensors, "
                f"found {found}"
            )

    def _recipe(self, what: str) -> Recipe:
        self._check_one_input(what)
        if self.recipe is None:
            raise ValueError(
                f"{_WHO}: {what} become inputs by a recipe, found none; give recipe=Recipe(mean, std)"
            )
        return replace(self.recipe, size=tuple(self.examples[0].shape[-2:]))

    def _pictures(self, paths: Sequence[Path]) -> torch.Tensor:
        recipe = self._recipe("pictures")
        return pixels_to_input(read_pictures(paths, recipe, recipe.size), recipe)

    def _pixels(self, pixels: torch.Tensor | np.ndarray) -> torch.Tensor:
        return self._recipe("uint8 pixels")(pixels)


def first_image(
    data: str | os.PathLike[str], recipe: Recipe | None, shape: Sequence[int] | None = None
) -> torch.Tensor:
    """The first image (1, ...) of a folder, or of an array's file, as an example input.

    With `shape` zeros of it, unless the recipe resizes: for data that only becomes of this size.
    """
    if shape is not None and (recipe is None or recipe.resize is None):
        return torch.zeros(1, *shape)
    path = Path(data)
    first = read_image(pictures_in(path)[0])[None] if path.is_dir() else _array_of(path)[:1]
    if first.dtype != np.uint8:
        return torch.as_tensor(first)
    if recipe is None:
        raise ValueError(f"{_WHO}: pictures become inputs by a recipe, found none; give mean and std")
    return recipe(first)


class _Cut:
    """`items` in slices of BATCH, each through `make` when its turn comes."""

    def __init__(self, items: Any, make: Any):
        self._items, self._make = items, make

    def __len__(self) -> int:
        return -(-len(self._items) // BATCH)

    def __iter__(self) -> Iterator[torch.Tensor]:
        for first in range(0, len(self._items), BATCH):
            yield self._make(self._items[first : first + BATCH])


def _array_of(path: Path) -> np.ndarray:
    """The array of a .npy file, mapped and not read, or of a .npz: `x`, or the only one that it has."""
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"{_WHO}: {path}: expected a folder of pictures, or a .npy or .npz file")
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
        raise ValueError(f"{_WHO}: {path}: {error}") from error
