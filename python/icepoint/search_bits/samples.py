"""The labelled images of a search: read once, held, and parted so that no image calibrates and judges."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..calibrate import batch_inputs
from ..pictures import class_pictures, read_pictures
from ..recipe import Recipe

BATCH = 64  # images that a model is asked about at once
MOST_BYTES = 4 << 30
#: Without calibration data of its own, image 0, 5, 10... of the data calibrates and the rest judges.
EVERY = 5
_WHO = "search.data"


@dataclass(frozen=True)
class Samples:
    """float32 images (n, ...), a tensor for each input of the model, and labels (n, ...) if there are any."""

    images: list[torch.Tensor]
    labels: torch.Tensor | None

    def __len__(self) -> int:
        return len(self.images[0])

    def batches(self) -> list[tuple[torch.Tensor, ...]]:
        """(x, label) or (x,), and so on for several inputs, 64 images at a time."""
        columns = [*self.images, *([] if self.labels is None else [self.labels])]
        return list(zip(*(x.split(BATCH) for x in columns), strict=True))

    def parted(self) -> tuple[Samples, Samples]:
        """The part that calibrates and the one that judges."""
        numbers = torch.arange(len(self))
        return self._of(numbers % EVERY == 0), self._of(numbers % EVERY != 0)

    def _of(self, chosen: torch.Tensor) -> Samples:
        labels = None if self.labels is None else self.labels[chosen]
        return Samples([x[chosen] for x in self.images], labels)

    def digest(self) -> str:
        """SHA-256 of shapes, types and bytes."""
        found = hashlib.sha256()
        for x in [*self.images, *([] if self.labels is None else [self.labels])]:
            found.update(f"{x.dtype} {tuple(x.shape)};".encode())
            found.update(np.ascontiguousarray(x.numpy()).data)
        return found.hexdigest()

    @classmethod
    def of(cls, data: Any, inputs: int = 1) -> Samples:
        """Of a DataLoader, a list or a generator of batches (x, label) or x, or of all images as one batch.

        `inputs` tensors of a batch are those of the model, what follows them is the label. ValueError for
        images of several sizes, for none, for labels that are not one for each image, and for more
        than 4 GB.
        """
        xs: list[list[torch.Tensor]] = []
        ys: list[torch.Tensor] = []
        size = 0
        for count, batch in enumerate([data] if _is_one_batch(data, inputs) else _iterable(data)):
            try:
                images, label = _parted_batch(batch, inputs)
                if xs and [x.shape[1:] for x in images] != [x[0].shape[1:] for x in zip(*xs, strict=True)]:
                    raise ValueError("its images are of another size than those before")
                if xs and (label is None) != (not ys):
                    raise ValueError("labels are with some batches and not with all")
            except ValueError as error:
                raise ValueError(f"{_WHO}: batch {count}: {error}") from error
            # Rows behind each other: a user's own view() may rely on it.
            xs.append([x.detach().clone(memory_format=torch.contiguous_format) for x in images])
            ys += [] if label is None else [label]
            size += sum(x.nbytes for x in images)
            if size > MOST_BYTES:
                raise ValueError(f"{_WHO}: more than {MOST_BYTES >> 30} GB of images; give a part of them")
        if not xs or not sum(len(x[0]) for x in xs):
            raise ValueError(f"{_WHO}: held no image; expected at least one")
        return cls([torch.cat(column) for column in zip(*xs, strict=True)], torch.cat(ys) if ys else None)


def labelled(path: str | os.PathLike[str], recipe: Recipe | None, shape: Sequence[int] | None) -> Any:
    """(x, y) of a folder of class folders, or of the arrays x and y of a .npz; x alone where y is missing.

    Pictures and uint8 pixels (n, h, w, c) become inputs by `recipe`; `shape` (c, h, w) is the size that its
    resize brings pictures to. ValueError for anything else.
    """
    place = Path(path)
    if place.is_dir():
        found = class_pictures(place, () if recipe is None else recipe.classes)
        if recipe is None or shape is None:
            raise ValueError(f"{place}: pictures become inputs by a recipe and a size: mean, std and C,H,W")
        pixels = read_pictures([p for p, _ in found], recipe, (shape[-2], shape[-1]))
        return recipe(pixels), torch.tensor([label for _, label in found])
    if place.suffix != ".npz":
        raise ValueError(f"{place}: expected a folder of class folders, or a .npz with x and y")
    with np.load(place, allow_pickle=False) as arrays:
        if "x" not in arrays.files:
            raise ValueError(f"{place}: expected arrays named x and y, found {', '.join(arrays.files)}")
        x, y = arrays["x"], arrays["y"] if "y" in arrays.files else None
    if x.dtype == np.uint8:
        if recipe is None:
            raise ValueError(f"{place}: uint8 pixels become inputs by a recipe: give mean and std")
        x = recipe(x)
    x = torch.as_tensor(x)
    return x if y is None else (x, torch.as_tensor(y))


def _is_one_batch(data: Any, inputs: int) -> bool:
    """A tensor of all images, or a tuple of them and their labels."""
    if isinstance(data, (torch.Tensor, np.ndarray)):
        return True
    return isinstance(data, tuple) and len(data) in (inputs, inputs + 1) and all(
        isinstance(x, (torch.Tensor, np.ndarray)) for x in data
    )  # fmt: skip


def _iterable(data: Any) -> Iterable[Any]:
    if isinstance(data, (str, Mapping)) or not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        raise ValueError(
            f"{_WHO}: expected batches (x, label) as a DataLoader gives, found {type(data).__name__}"
        )
    return data


def _parted_batch(batch: Any, inputs: int) -> tuple[tuple[torch.Tensor, ...], torch.Tensor | None]:
    images = batch_inputs(batch, inputs)
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch
    parts = list(parts) if isinstance(parts, (tuple, list)) else [parts]
    nested = inputs > 1 and isinstance(parts[0], (tuple, list, Mapping))
    rest = parts[1:] if nested else parts[inputs:]
    if not rest:
        return images, None
    try:
        label = torch.as_tensor(rest[0])
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"expected a tensor of labels, found {type(rest[0]).__name__}") from error
    if label.dim() == 0 or len(label) != len(images[0]):
        raise ValueError(f"expected {len(images[0])} labels, one an image, found shape {tuple(label.shape)}")
    return images, label
