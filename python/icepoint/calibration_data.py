"""Calibration data in any form as batches of a model's inputs, one at a time and checked."""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .calibrate import batch_inputs
from .calibration_files import array_of
from .distributed import Workers
from .lockstep import Lockstep
from .pictures import pictures_in, read_pictures
from .recipe import Recipe
from .vision import pixels_to_input

SAMPLE = 32  # images that the report measures
BATCH = 32  # images cut from one array, or read from a folder, at a time
#: What is held of the data for methods that look at it more than once: so many images and bytes at most.
HELD_IMAGES, HELD_BYTES = 256, 128 << 20


class Batches:
    """Iterates over `data` as tuples of float32 inputs (n, ...), one for each of `examples`.

    data: a DataLoader or another iterable of batches, each a tensor or a tuple, list or dict that
    begins with the inputs; one tensor or NumPy array of all images, float32 or, with a recipe, uint8
    pixels; the path of a `.npy` or `.npz` of such an array; the path of a folder of pictures, which
    needs a recipe. Arrays and folders go by in batches of 32, files without being read as a whole.
    Of several `workers`, who must be given the same data, each has the batches whose number leaves its rank
    when divided by theirs.
    `names` are those of the inputs, for dicts; `check` raises ValueError for inputs that the network
    does not take. ValueError, with the batch or the file, for these and for anything else, by `who`.
    Once batches have gone by, `held` has copies of the first images of the examples' size, or where there is
    none of the first one's, bounded by HELD_IMAGES and HELD_BYTES, and `sample` up to 32 of them.

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
        workers: Workers | None = None,
        who: str = "quantize.calibration_data",
    ):
        self._who = who
        self.examples, self.recipe, self.names = list(examples), recipe, names
        self._check, self._workers = check, workers or Workers()
        self.held: list[tuple[torch.Tensor, ...]] = []
        self.count = self.images = self._held_images = 0
        self._data = self._opened(data)

    def __length_hint__(self) -> int:
        """How many batches this worker has, 0 where nobody knows."""
        return -(-(operator.length_hint(self._data, 0) - self._workers.rank) // self._workers.size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        return (inputs for _, inputs in self.numbered())

    def numbered(self) -> Iterator[tuple[int, tuple[torch.Tensor, ...]]]:
        """This worker's batches with their numbers among all. What the others have is read only as far as
        it is held: every worker holds the same."""
        steps = Lockstep(self._workers)
        for number, batch in enumerate(self._data):
            mine = number % self._workers.size == self._workers.rank
            if mine or not (isinstance(batch, _Slice) and self._is_full):
                inputs = self._inputs(number, batch)
                if mine:
                    yield number, inputs
                self._hold(inputs)  # calibrate has taken the batch, so it is a good one
            self.count += 1
            self.images += len(batch) if isinstance(batch, _Slice) else len(inputs[0])
            steps.after(number, batch.items if isinstance(batch, _Slice) else inputs)
        steps.end(self.count)

    def _inputs(self, number: int, batch: Any) -> tuple[torch.Tensor, ...]:
        try:
            found = batch.read() if isinstance(batch, _Slice) else batch
            inputs = batch_inputs(found, len(self.examples), self.names)
            if self._check is not None:
                self._check(inputs)
        except ValueError as error:
            raise ValueError(f"{self._who}: batch {number}: {error}") from error
        return inputs

    @property
    def sample(self) -> tuple[torch.Tensor, ...] | None:
        columns = zip(*self.held, strict=True)
        return tuple(torch.cat(column)[:SAMPLE] for column in columns) if self.held else None

    @property
    def all_held(self) -> bool:
        """Whether every image that went by is in `held`."""
        return self.images == self._held_images

    @property
    def _is_full(self) -> bool:
        return bool(self.held) and self._held_images == _most_held(self.held[0])

    def _hold(self, inputs: tuple[torch.Tensor, ...]) -> None:
        if self.held and not _same_size(inputs, self.held[0]):
            if not _same_size(inputs, self.examples):
                return
            self.held, self._held_images = [], 0
        count = min(len(inputs[0]), _most_held(inputs) - self._held_images)
        if count > 0:
            self.held.append(tuple(x[:count].detach().clone() for x in inputs))
            self._held_images += count

    def _opened(self, data: Any) -> Iterable[Any]:
        if isinstance(data, (str, os.PathLike)):
            path = Path(data)
            if path.is_dir():
                return _Cut(pictures_in(path), self._pictures)
            data = array_of(path, self._who)
        if isinstance(data, (torch.Tensor, np.ndarray)):
            self._check_one_input(f"a {type(data).__name__} of all images")
            is_pixels = data.dtype == (torch.uint8 if isinstance(data, torch.Tensor) else np.uint8)
            return _Cut(data, self._pixels if is_pixels else torch.as_tensor)
        # A data set can be read by index alone, which `for` takes too.
        if isinstance(data, Mapping) or not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
            raise ValueError(
                f"{self._who}: expected batches (a DataLoader, list or generator), one tensor or array of "
                f"all images, or the path of a folder of pictures, found {type(data).__name__}"
            )
        return data

    def _check_one_input(self, found: str) -> None:
        if len(self.examples) != 1:
            raise ValueError(
                f"{self._who}: the model has {len(self.examples)} inputs, expected batches of as many "
                f"tensors, found {found}"
            )

    def _recipe(self, what: str) -> Recipe:
        self._check_one_input(what)
        if self.recipe is None:
            raise ValueError(
                f"{self._who}: {what} become inputs by a recipe, found none; give recipe=Recipe(mean, std)"
            )
        return replace(self.recipe, size=tuple(self.examples[0].shape[-2:]))

    def _pictures(self, paths: Sequence[Path]) -> torch.Tensor:
        recipe = self._recipe("pictures")
        return pixels_to_input(read_pictures(paths, recipe, recipe.size), recipe)

    def _pixels(self, pixels: torch.Tensor | np.ndarray) -> torch.Tensor:
        return self._recipe("uint8 pixels")(pixels)


def bounded(batches: Sequence[tuple[torch.Tensor, ...]]) -> list[torch.Tensor]:
    """The batches of the first one's size as one, (n, ...) for each input, with no more than may be held.

    The images lie in the order of their digests: what is made of them does not know how they came.
    """
    same = [batch for batch in batches if _same_size(batch, batches[0])]
    most = _most_held(batches[0])
    columns = [torch.cat(column)[:most] for column in zip(*same, strict=True)]
    digests = [_digest(image) for image in zip(*columns, strict=True)]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    # One layout: torch sums in another order in another one.
    return [x[order].contiguous() for x in columns]


def _digest(image: tuple[torch.Tensor, ...]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for x in image:
        found.update(x.contiguous().numpy())
    return found.digest()


def _most_held(inputs: Sequence[torch.Tensor]) -> int:
    size = sum(x[:1].nbytes for x in inputs)
    return max(1, min(HELD_IMAGES, HELD_BYTES // max(size, 1)))


def _same_size(xs: Sequence[torch.Tensor], ys: Sequence[torch.Tensor]) -> bool:
    return all(x.shape[1:] == y.shape[1:] for x, y in zip(xs, ys, strict=True))


@dataclass(frozen=True)
class _Slice:
    """A batch that is not read yet: pictures' paths, or rows of an array, and what makes inputs of them."""

    items: Any
    make: Callable[[Any], torch.Tensor]

    def __len__(self) -> int:
        return len(self.items)

    def read(self) -> torch.Tensor:
        return self.make(self.items)


class _Cut:
    """`items`, all of one size, in slices of BATCH."""

    def __init__(self, items: Any, make: Callable[[Any], torch.Tensor]):
        self._items, self._make = items, make

    def __len__(self) -> int:
        return -(-len(self._items) // BATCH)

    def __iter__(self) -> Iterator[_Slice]:
        for first in range(0, len(self._items), BATCH):
            yield _Slice(self._items[first : first + BATCH], self._make)
