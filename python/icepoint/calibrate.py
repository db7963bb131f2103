"""Calibration: shows a network's observers a few batches, and says which batch and layer was bad."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from .modules import QModule
from .modules.weighted import QWeighted


def calibrate(model: nn.Module, calibration_data: Iterable[Any], max_batches: int | None = None) -> int:
    """Runs `model.quantize_forward` over the data without gradients; returns the number of batches.

    Each element is one batch, (n, ...), or a tuple whose first part is the input (a DataLoader's).
    The ranges do not depend on the order of batches or on how the data is split; calibrating again
    with the same data changes nothing. ValueError, with the batch, for no batch, an empty batch, NaN
    or infinity, another dtype than float32, a wrong shape, and for a network that is frozen already.
    Interrupting leaves the observers as after the last whole layer.

    >>> from icepoint.models import Net
    >>> net = Net().eval(); net.quantize(); calibrate(net, [torch.randn(64, 1, 28, 28)])
    1
    """
    layers = [m for m in model.modules() if isinstance(m, QModule)]
    if not layers:
        raise ValueError(f"calibrate: {type(model).__name__} has no QModule; call its quantize() first")
    if any(layer.frozen for layer in layers):
        raise ValueError(
            f"calibrate: {type(model).__name__} is frozen, its observers are at rest; "
            "call quantize() again for new ones"
        )
    count = 0
    with torch.no_grad(), _weights_at_rest(layers):
        for batch in calibration_data:
            if count == max_batches:
                break
            try:
                model.quantize_forward(batch_input(batch))
            except ValueError as error:
                raise ValueError(f"calibrate: batch {count}: {error}") from error
            except RuntimeError as error:  # torch's own, such as a wrong number of channels
                raise ValueError(f"calibrate: batch {count}: {error}") from error
            count += 1
    if count == 0:
        raise ValueError("calibrate: calibration_data held no batch; expected at least one")
    return count


@contextlib.contextmanager
def _weights_at_rest(layers: Iterable[QModule]) -> Iterator[None]:
    """Folds and fake-quantizes each weight once and not once a batch, for one float copy of them."""
    weighted = [layer for layer in layers if isinstance(layer, QWeighted)]
    try:
        for layer in weighted:
            layer.keep_weights(True)
        yield
    finally:
        for layer in weighted:
            layer.keep_weights(False)


def batch_input(batch: Any) -> torch.Tensor:
    """The input of one element of calibration data: the element, or its first part. ValueError."""
    x = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"expected a tensor, or a tuple whose first part is one, found {type(x).__name__}")
    if x.dtype != torch.float32:
        raise ValueError(f"expected float32, found {x.dtype}")
    return x
