"""training.prepare: a float network as one that trains with the integers that will be deployed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from ..observers import Observer
from ..options import Bits
from ..quantize import quantize
from ..recipe import Recipe
from .qat import QATModel


def prepare(
    model: nn.Module,
    example_inputs: Any,
    calibration_data: Any,
    num_bits: int = 4,
    weights: str = "per_channel",
    weight_bits: Bits = None,
    activation_bits: Bits = None,
    input_recipe: Recipe | Mapping[str, Any] | None = None,
    observer: str | Observer | None = None,
    forward: str = "integer",
    batch_statistics: int | None = None,
    recipe: Any = "fast",
) -> QATModel:
    """A copy of `model` for quantization-aware training, calibrated; `model` stays as it is.

    `example_inputs` to `observer` and `recipe` are those of icepoint.quantize; the network has to be one that
    becomes integer as a whole, and may be in train mode. Training begins at the ranges, weights and biases
    that calibration by the recipe ends with: "max" is worth its time where data is scarce. "fast" takes the
    weights as they are and, where no observer is named, ranges of least squared error, as LSQ+ begins.
    `forward`: "integer" or "fake", and `batch_statistics`: None or a number of training steps, as QATModel
    has them. ValueError as quantize raises it.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))
    >>> x, labels = torch.randn(32, 3, 8, 8), torch.randint(5, (32,))
    >>> qat = prepare(model, x[:1], [x], num_bits=4)
    >>> optimizer = torch.optim.AdamW(qat.parameters(), lr=1e-3)
    >>> nn.functional.cross_entropy(qat(x), labels).backward()
    >>> optimizer.step()
    >>> bool((qat.eval()(x) == qat.freeze()(x)).all())
    True
    """
    try:
        copied = copy.deepcopy(model).eval()
    except RuntimeError as error:  # torch.nn.utils.weight_norm keeps a tensor with a gradient beside it
        raise ValueError(
            f"prepare.model: {str(error).split('.')[0]}; call remove_weight_norm first, or use "
            "torch.nn.utils.parametrizations.weight_norm"
        ) from error
    if observer is None and recipe == "fast":
        observer = "mse"
    quantized = quantize(
        copied, example_inputs, calibration_data, num_bits, weights, recipe,
        weight_bits=weight_bits, activation_bits=activation_bits, input_recipe=input_recipe,
        observer=observer,
    )  # fmt: skip
    return QATModel(quantized, forward, batch_statistics)
