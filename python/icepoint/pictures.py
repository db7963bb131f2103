"""Folders of pictures, in the order and by the rules of the `icepoint` executable."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .recipe import Recipe
from .vision import prepare_pixels, read_image

_ENDINGS = (".png", ".jpg", ".jpeg")


def pictures_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Every .png, .jpg and .jpeg below a folder, in the order of their paths' bytes, without hidden ones.

    ValueError where there is none; OSError where the folder cannot be read.
    """
    found = [path for entry in _entries(Path(folder)) for path in _below(entry)]
    if not found:
        raise ValueError(f"{folder}: holds no .png or .jpg file")
    return found


def class_pictures(folder: str | os.PathLike[str], classes: Sequence[str]) -> list[tuple[Path, int]]:
    """The pictures of FOLDER/<class>/<picture> with their labels, as `icepoint eval` finds them.

    A label is the folder's place in `classes`, or in the order of the names where there are none.
    ValueError for a file where a folder should be, or the reverse, and for a class that is not known.
    """
    found = []
    for position, entry in enumerate(_entries(Path(folder))):
        if not entry.is_dir():
            raise ValueError(f"{entry}: not a folder; expected FOLDER/<class>/<picture>")
        if classes and entry.name not in classes:
            raise ValueError(f"{entry}: the model has no class of this name")
        label = list(classes).index(entry.name) if classes else position
        for path in _entries(entry):
            if not _is_picture(path):
                raise ValueError(f"{path}: not a .png, .jpg or .jpeg file")
            found.append((path, label))
    if not found:
        raise ValueError(f"{folder}: there are no images")
    return found


def read_pictures(paths: Sequence[Path], recipe: Recipe, size: tuple[int, int]) -> np.ndarray:
    """uint8 (n, h, w, c) pixels of pictures, brought to `size` (h, w) by the recipe's resize.

    ValueError, with the file, for another size where the recipe has none.
    """
    return _each(paths, lambda picture: prepare_pixels(picture, recipe, *size))


def picture_codes(native: Any, paths: Sequence[Path]) -> np.ndarray:
    """uint8 input codes (n, channels, height, width) of pictures by the recipe in a prepared model's file.

    native: the _C.Model. ValueError, with the file, for a picture that the recipe does not take.
    """
    return _each(paths, lambda picture: native.picture_codes(picture[None]))


def _each(paths: Sequence[Path], make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `make` gives for each picture, (1, ...), one behind the other; its errors name the file."""
    made = []
    for path in paths:
        picture = read_image(path)
        try:
            made.append(make(picture))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return np.concatenate(made)


def _entries(folder: Path) -> list[Path]:
    # As bytes: the order of the executable, whatever the locale.
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=os.fsencode)


def _below(path: Path) -> list[Path]:
    if path.is_dir():
        return [found for entry in _entries(path) for found in _below(entry)]
    return [path] if _is_picture(path) else []


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS
