"""Accuracy of a frozen model over labelled pictures: the numbers and the digest of `icepoint eval`."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .distributed import together
from .frozen import FrozenModel
from .idx import read_idx
from .pictures import class_pictures, picture_codes
from .progress import progress_bar
from .recipe import Recipe

Labelled = tuple[np.ndarray, Sequence[int]]  # uint8 input codes (n, ...) and n labels


@dataclass(frozen=True)
class Evaluation:
    """`confusion`: int64 (classes, classes), [truth, answer]. `output_sha256`: of all output codes, in order.

    The answer is the first of the greatest codes; `seconds` are those inside the model, of several workers
    those of the slowest.
    """

    classes: list[str]
    confusion: np.ndarray
    output_sha256: str
    seconds: float

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        return self.correct / self.images

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds

    def mistakes(self) -> list[tuple[int, int, int]]:
        """(truth, answer, how often), the commonest first."""
        wrong = np.argwhere(self.confusion * (1 - np.eye(len(self.classes), dtype=np.int64)))
        found = [(int(t), int(a), int(self.confusion[t, a])) for t, a in wrong]
        return sorted(found, key=lambda m: (-m[2], m[0], m[1]))


def evaluate_folder(model: FrozenModel, folder: str | os.PathLike[str], batch: int = 64) -> Evaluation:
    """Over FOLDER/<class>/<picture>, by the model's own recipe; ValueError where it has none.

    The folders are the recipe's classes, or in the order of their names the outputs. One batch of
    pictures is in memory at a time.
    """
    recipe = _recipe(model)
    found = class_pictures(folder, recipe.classes)

    def read(first: int) -> Labelled:
        part = found[first : first + batch]
        return picture_codes(model._native(), [path for path, _ in part]), [label for _, label in part]

    return _evaluate(model, recipe, read, range(0, len(found), batch), len(found))


def evaluate_idx(
    model: FrozenModel, images: str | os.PathLike[str], labels: str | os.PathLike[str], batch: int = 64
) -> Evaluation:
    """Over the two IDX files of a data set such as MNIST, plain or .gz."""
    recipe = _recipe(model)
    pixels, truth = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(pixels) != len(truth):
        raise ValueError(f"{images} holds {len(pixels)} images, {labels} {len(truth)} labels")
    if not len(pixels):
        raise ValueError(f"there are no images in {images}")

    def read(first: int) -> Labelled:
        part = slice(first, first + batch)
        return model._native().picture_codes(pixels[part, ..., None]), truth[part]

    return _evaluate(model, recipe, read, range(0, len(pixels), batch), len(pixels))


def _recipe(model: FrozenModel) -> Recipe:
    """The recipe of a model that gives one number a class."""
    described = model.describe()
    inputs, outputs = described["inputs"], described["outputs"]
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"the model has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each"
        )
    recipe = Recipe.of_file(described["recipe"])
    if recipe is None:
        raise ValueError("the model has no input recipe and takes no pictures")
    if len(outputs[0]["shape"]) != 1:
        raise ValueError(f"the model's output is {outputs[0]['shape']}, expected one number for each class")
    return recipe


def _evaluate(
    model: FrozenModel, recipe: Recipe, read: Callable[[int], Labelled], firsts: range, total: int
) -> Evaluation:
    """Over the batches that begin with the images `firsts`; several workers take them in turn."""
    count = model.describe()["outputs"][0]["shape"][0]
    confusion, digest, seconds = np.zeros((count, count), np.int64), hashlib.sha256(), 0.0
    with together() as workers, progress_bar("evaluating", total) as advance:
        workers.same(f"{model.digest} {firsts} {total}", "evaluate was given another file or other images")
        for i in range(0, len(firsts), workers.size):
            mine = []
            for first in firsts[i + workers.rank : i + workers.rank + 1]:  # the last ones may have none
                codes, truth = read(first)
                if max(truth) >= count:
                    raise ValueError(f"labels: {max(truth)} is not in 0..{count - 1}")
                start = time.perf_counter()
                (y,), (reals,) = model._native().both([codes])
                seconds += time.perf_counter() - start
                mine = [(y, reals.argmax(1), np.asarray(truth))]  # argmax: the first of equals
            for y, answers, truth in itertools.chain(*workers.gather(mine)):
                np.add.at(confusion, (truth, answers), 1)
                digest.update(y.tobytes())
                advance(len(truth))
        seconds = max(workers.gather(seconds))
    names = [recipe.classes[i] if i < len(recipe.classes) else str(i) for i in range(count)]
    return Evaluation(names, confusion, digest.hexdigest(), seconds)
