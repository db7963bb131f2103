"""`python -m icepoint train --bits N`: trains a network for few bits, and judges the saved file."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from .. import data, executable, models, training
from ..idx import write_idx
from ..progress import progress_bar
from ..quantize import quantize
from ..training.judged import Judged

EPOCHS, LEARNING_RATE, CALIBRATION = 2, 0.03, 2000


def train_bits(
    found: data.Dataset, dataset: str, model: str, weights: Path, bits: int, epochs: int, seed: int, out: Path
) -> Judged:
    """Trains the float network in `weights` on with `bits` of weights and activations; saves `out`.

    BatchNorm takes the batches' statistics for the first half of the steps. The learning rate goes one
    cycle up to 0.03, a third of what the float network was trained with, and that is the teacher.
    """
    images, labels = data.normalize(found.train_images, dataset), torch.from_numpy(found.train_labels).long()
    judge, truth = data.normalize(found.test_images, dataset), torch.from_numpy(found.test_labels).long()
    net = getattr(models, model)()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()

    def right(network) -> int:
        return round(len(judge) * training.accuracy(network, judge, truth))

    calibration, recipe = images[:CALIBRATION].split(200), data.RECIPES[dataset]
    untrained = right(quantize(net, images[:1], calibration, bits))
    half = epochs * -(-len(images) // training.BATCH_SIZE) // 2
    qat = training.prepare(net, images[:1], calibration, bits, input_recipe=recipe, batch_statistics=half)
    start = time.monotonic()
    with progress_bar(f"training {model} for {bits} bits", epochs * len(images)) as advance:
        losses = training.train_classifier(
            qat, images, labels, epochs=epochs, seed=seed, learning_rate=LEARNING_RATE, teacher=net,
            progress=lambda count, loss: advance(count, f"loss {loss:.3f}"),
        )  # fmt: skip
    seconds = time.monotonic() - start
    frozen = qat.freeze()
    out.parent.mkdir(parents=True, exist_ok=True)
    frozen.save(out)
    integers = f"weights, activations and pixels of {bits} bits"
    counted = _by_program(out, found)
    return Judged(integers, len(judge), right(net), untrained, right(qat), counted, seconds, losses[-1])


def _by_program(model: Path, found: data.Dataset) -> int | None:
    program = executable.program()
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "images.idx"), Path(folder, "labels.idx")
        for path, array in zip(paths, (found.test_images, found.test_labels), strict=True):
            write_idx(path, array)
        return round(len(found.test_images) * executable.accuracy_on_idx(program, model, *paths))
