"""What a frozen model says of pictures: classes with their probabilities, and maps of a class a pixel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from .vision import Picture, pixels_of

if TYPE_CHECKING:
    from .frozen import FrozenModel


class Answer(NamedTuple):
    """One class of one picture; the probability is None of a model that ends in argmax."""

    name: str
    index: int
    probability: float | None


class Answers(Sequence[list[Answer]]):
    """The answers of pictures, the likeliest first; `names` holds the pictures' names.

    print(answers) shows byte for byte what `icepoint run --no-latency --top TOP model.ice ...` prints.
    """

    def __init__(self, names: Sequence[str], answers: Sequence[list[Answer]], text: str):
        self.names, self._answers, self._text = list(names), list(answers), text

    def __len__(self) -> int:
        return len(self._answers)

    def __getitem__(self, index: int) -> list[Answer]:  # type: ignore[override]
        return self._answers[index]

    def __iter__(self) -> Iterator[list[Answer]]:
        return iter(self._answers)

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


def classify(frozen: FrozenModel, pictures: Picture | Iterable[Picture], top: int = 1) -> Answers:
    """FrozenModel.classify."""
    if not isinstance(top, int) or top < 1:
        raise ValueError(f"classify: top is {top!r}, expected at least 1")
    native = frozen._native()
    names, reals = [], []
    for number, picture in enumerate(_each(pictures)):
        is_path = isinstance(picture, (str, os.PathLike))
        name = os.fsencode(picture) if is_path else f"[{number}]".encode()
        found = _reals(frozen, picture)
        n = len(found)
        names += [name] if n == 1 else [name + f"[{i}]".encode() for i in range(n)]
        reals.append(found)
    stacked = np.concatenate(reals) if reals else np.empty((0, *frozen.layers()[-1]["shape"]), np.float32)
    answers = [[Answer(*answer) for answer in one] for one in native.answers(stacked, top)]
    text = native.answers_text(names, stacked, top)
    return Answers([os.fsdecode(name) for name in names], answers, text.removesuffix("\n"))


def class_map(frozen: FrozenModel, picture: Picture) -> np.ndarray:
    """FrozenModel.class_map."""
    maps = frozen._native().class_maps(_reals(frozen, picture))
    return maps if len(maps) != 1 or (isinstance(picture, np.ndarray) and picture.ndim == 4) else maps[0]


def _reals(frozen: FrozenModel, picture: Picture) -> np.ndarray:
    """float32 (n, ...) of output 0 before its function; the input's codes come from the file's table."""
    native = frozen._native()
    _, reals = native.both([native.picture_codes(np.ascontiguousarray(pixels_of(picture)))])
    return reals[0]


def _each(pictures: Picture | Iterable[Picture]) -> Iterable[Picture]:
    one = isinstance(pictures, (str, os.PathLike, Image.Image, np.ndarray, torch.Tensor))
    return [pictures] if one or not isinstance(pictures, Iterable) else pictures
