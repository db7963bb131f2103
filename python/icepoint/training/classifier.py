"""Trains an image classifier by one plain, deterministic recipe, for checkpoints and demos alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from .._C import save_atomically
from .epochs import run_epochs

# The images are moved by up to this many pixels in each direction, anew in each epoch.
MAX_SHIFT = 2
BATCH_SIZE = 128


def train_classifier(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    epochs: int,
    seed: int,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
    teacher: nn.Module | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Trains `model` in place: SGD with Nesterov momentum, one learning-rate cycle, randomly shifted images.

    The learning rate climbs from learning_rate / 25 to its peak over the first 30 % of the steps and falls
    back along a cosine (L. Smith, N. Topin, "Super-Convergence", 2018). Nothing is chosen by looking at other
    digits: the network after the last step is the result. With the same seed, torch and thread count the
    result has the same bits.

    Args:
        model: maps float32 (n, c, h, w) to scores (n, classes).
        images: float32 (n, c, h, w), normalized; the border that a shift lays bare repeats the edge.
        labels: int64 (n,).
        epochs: passes over the images. The last batch of an epoch may be smaller.
        teacher: a network whose answers to the same shifted images take the place of the labels.
        seed: of the order and of the shifts; the model's initial weights are the caller's.
        progress: called after each batch with the number of images just seen and the batch's loss.
    Returns:
        The mean loss of each epoch.
    Raises:
        ValueError: no image, or not one label an image.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(
            f"train_classifier: {len(images)} images and {len(labels)} labels, expected one each"
        )
    optimizer = torch.optim.SGD(
        model.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    batches = -(-len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=epochs * batches)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(places: torch.Tensor) -> torch.Tensor:
        x = _shifted(images[places], generator)
        return F.cross_entropy(model(x), labels[places] if teacher is None else answers_of(teacher, x))

    model.train()
    losses = run_epochs(len(images), epochs, batch_size, generator, loss_of, optimizer, schedule, progress)
    model.eval()
    return losses


def accuracy(
    forward: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int = 1000,
) -> float:
    """The share of images, 0..1, whose largest score is the label's; `forward` is a model or any function."""
    with torch.no_grad():
        hits = sum(
            (forward(x).argmax(dim=1) == y).sum().item()
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        )
    return hits / len(images)


def answers_of(teacher: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The probabilities (n, classes) that a network in eval mode gives, to learn from: the loss is then their
    cross entropy (Hinton et al., "Distilling the knowledge in a neural network", 2015)."""
    with torch.no_grad():
        return teacher(x).softmax(1)


def save_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Writes `model.state_dict()` for `torch.load(path, weights_only=True)`: old file or whole new one.

    Equal weights give equal bytes: nothing of the file's name or of the time goes in.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    save_atomically(str(path), buffer.getvalue())


def _shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    # All shifts of a padded batch are windows (n, c, 2 S + 1, 2 S + 1, h, w) of one storage.
    n, _, h, w = images.shape
    size = 2 * MAX_SHIFT + 1
    dy, dx = torch.randint(size, (2, n), generator=generator)
    padded = F.pad(images, (MAX_SHIFT,) * 4, mode="replicate")
    windows = padded.unfold(2, h, 1).unfold(3, w, 1)
    return windows[torch.arange(n), :, dy, dx]
