"""The networks that are searched: those of the accuracy comparison, two of the notebook, a perceptron."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from icepoint import data, models
from icepoint.training import save_checkpoint, train_classifier

from ..accuracy.subjects import SUBJECTS as COMPARED
from ..accuracy.subjects import Images, Subject
from ..environments import REPOSITORY

_SEED = 1
_WIDE_TRAINING = 20_000  # digits
_MNIST = REPOSITORY.parent / "shared" / "data" / "mnist"
_CALIBRATION = 500  # of the 60,000 training digits, evenly spread


def _digits() -> Images:
    found = data.load("mnist", data_dir=_MNIST)
    places = np.linspace(0, len(found.train_images), _CALIBRATION, endpoint=False).astype(int)
    return Images(
        found.train_images[places][..., None], found.test_images[..., None],
        found.test_labels.astype(np.int64), data.RECIPES["mnist"],
    )  # fmt: skip


def _checkpoint(kind: str, file: str) -> Callable[[Path], nn.Module]:
    def load(folder: Path) -> nn.Module:
        model = getattr(models, kind)()
        model.load_state_dict(torch.load(REPOSITORY / "ckpt" / file, weights_only=True))
        return model.eval()

    return load


def _wide(folder: Path) -> nn.Module:
    """A perceptron whose 11.6 million weights a CPU reads from memory for every image; trained once."""
    torch.manual_seed(_SEED)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 4096), nn.ReLU(), nn.Linear(4096, 2048), nn.ReLU(), nn.Linear(2048, 10)
    )
    path = folder / "mnist_wide.pt"
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        found = data.load("mnist", data_dir=_MNIST)
        images, labels = found.train_images[:_WIDE_TRAINING], found.train_labels[:_WIDE_TRAINING]
        images, labels = data.normalize(images, "mnist"), torch.from_numpy(labels).long()
        train_classifier(model, images, labels, epochs=2, seed=_SEED, learning_rate=0.05)
        save_checkpoint(model, path)
    return model.eval()


def _needs() -> str | None:
    return None if _MNIST.is_dir() else "../shared/data/mnist is not there"


SUBJECTS = {
    "net": Subject("Net, MNIST", _checkpoint("Net", "mnist_cnn.pt"), _digits, _needs),
    "netbn": Subject("NetBN, MNIST", _checkpoint("NetBN", "mnist_cnnbn.pt"), _digits, _needs),
    "wide": Subject("a wide perceptron, MNIST", _wide, _digits, _needs),
    **COMPARED,
}
