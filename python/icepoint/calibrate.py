"""Calibration: shows a network's observers a few batches, and says which batch and layer was bad."""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .modules import QModule
from .modules.weighted import QWeighted
from .progress import progress_bar


def calibrate(
    model: nn.Module, calibration_data: Iterable[Any], max_batches: int | None = None, inputs: int = 1
) -> int:
    """Runs `model.quantize_forward` over the data without gradients; returns the number of batches.

    Each element is one batch, (n, ...), or a tuple, list or dict that begins with the `inputs` tensors
    that quantize_forward takes (a DataLoader's). One pass, one batch in memory at a time. The ranges do
    not depend on the order of batches or on how the data is split; calibrating again with the same data
    changes nothing. ValueError, with the batch, for no batch, an empty batch, NaN or infinity, another
    dtype than float32, a wrong shape, and for a network that is frozen already. Interrupting leaves the
    observers as after the last whole layer: calibrate again, or go on with the rest of the data.

    >>> from icepoint.models import Net
    >>> net = Net().eval(); net.quantize(); calibrate(net, [torch.randn(64, 1, 28, 28)])
    1
    """
    total = operator.length_hint(calibration_data, 0) or None
    if max_batches is not None:
        total = min(total or max_batches, max_batches)
    count = observe(model, enumerate(itertools.islice(calibration_data, max_batches)), total, inputs)
    check_some(count)
    return count


def observe(model: nn.Module, numbered: Iterable[tuple[int, Any]], total: int | None, inputs: int = 1) -> int:
    """calibrate over batches that come with their numbers, `total` of them, None where nobody knows.

    Of no batch it is 0.
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
    with torch.no_grad(), _weights_at_rest(layers), progress_bar("calibrating", total) as advance:
        for number, batch in numbered:
            try:
                model.quantize_forward(*batch_inputs(batch, inputs))
            except ValueError as error:
                raise ValueError(f"calibrate: batch {number}: {error}") from error
            except RuntimeError as error:  # torch's own, such as a wrong number of channels
                raise ValueError(f"calibrate: batch {number}: {error}") from error
            count += 1
            advance(1, f"batch {count}" if total is None else f"batch {count} of {total}")
    return count


def check_some(batches: int) -> None:
    """ValueError for no batch."""
    if batches == 0:
        raise ValueError("calibrate: calibration_data held no batch; expected at least one")


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


def batch_inputs(batch: Any, count: int = 1, names: Sequence[str] = ()) -> tuple[torch.Tensor, ...]:
    """The `count` inputs of one element of calibration data: the element itself, or its first parts.

    (x, label) is one input and a label, or two inputs: by `count`. Several inputs may also be the first
    part, ((x1, x2), label), or the keys `names` of a dict. float32 tensors; NumPy arrays become tensors
    of the same memory. ValueError for anything else.

    >>> [x.shape for x in batch_inputs({"image": torch.zeros(2, 3), "label": torch.zeros(2)})]
    [torch.Size([2, 3])]
    """
    if isinstance(batch, Mapping) and names and all(name in batch for name in names):
        batch = [batch[name] for name in names]
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch
    parts = list(parts) if isinstance(parts, (tuple, list)) and parts else [batch]
    if count > 1 and isinstance(parts[0], (tuple, list, Mapping)):
        return batch_inputs(parts[0], count, names)
    if len(parts) < count:
        raise ValueError(f"expected {count} tensors, one an input of the model, found {len(parts)}")
    return tuple(_float32(x) for x in parts[:count])


def _float32(x: Any) -> torch.Tensor:
    if isinstance(x, np.ndarray) and x.dtype == np.float32:
        x = torch.from_numpy(np.ascontiguousarray(x))
    if not isinstance(x, torch.Tensor):
        found = f"a NumPy array of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(f"expected a float32 tensor, or a tuple whose first part is one, found {found}")
    if x.dtype != torch.float32:
        raise ValueError(f"expected float32, found {x.dtype}")
    return x
