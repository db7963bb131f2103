"""The networks that are searched: those of the accuracy comparison, and the notebook's two on MNIST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from icepoint import data, models

from ..accuracy.subjects import SUBJECTS as COMPARED
from ..accuracy.subjects import Images, Subject
from ..environments import REPOSITORY

_CALIBRATION = 500  # of the 60,000 training digits, evenly spread


def _digits() -> Images:
    found = data.load("mnist", data_dir=REPOSITORY.parent / "shared" / "data" / "mnist")
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


def _needs() -> str | None:
    folder = REPOSITORY.parent / "shared" / "data" / "mnist"
    return None if folder.is_dir() else "../shared/data/mnist is not there"


SUBJECTS = {
    "net": Subject("Net, MNIST", _checkpoint("Net", "mnist_cnn.pt"), _digits, _needs),
    "netbn": Subject("NetBN, MNIST", _checkpoint("NetBN", "mnist_cnnbn.pt"), _digits, _needs),
    **COMPARED,
}
