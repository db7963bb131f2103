"""The loop that this package's recipes share: epochs of shuffled batches, one step of the optimizer each."""

from __future__ import annotations

from collections.abc import Callable

import torch


def run_epochs(
    count: int,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Goes through `count` images `epochs` times, each time in another order; the mean loss of each epoch.

    `loss_of` gets the places of a batch's images, int64 (n,), the last batch of an epoch perhaps smaller, and
    gives their mean loss, a scalar. `progress` is called after each batch with its images and its loss.

    >>> w = torch.nn.Parameter(torch.tensor(1.0))
    >>> sgd = torch.optim.SGD([w], lr=0.25)
    >>> constant = torch.optim.lr_scheduler.ConstantLR(sgd, 1.0)
    >>> run_epochs(3, 2, 2, torch.Generator().manual_seed(0), lambda _: w.square(), sgd, constant)
    [0.75, 0.046875]
    """
    mean_losses = []
    for _ in range(epochs):
        total = 0.0
        for places in torch.randperm(count, generator=generator).split(batch_size):
            loss = loss_of(places)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(places)
            if progress is not None:
                progress(len(places), loss.item())
        mean_losses.append(total / count)
    return mean_losses
