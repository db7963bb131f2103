"""What icepoint.quantize is given: the example and the model's mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .capture import Structure


def examples_of(example_inputs: Any, who: str) -> tuple[tuple[Any, ...], dict[str, Any], list[torch.Tensor]]:
    """The model's arguments, its keyword arguments, and the tensors in both.

    A tensor is the only argument; a tuple or list holds one for each; a dict with names holds keyword
    arguments. Tensors may be nested in them. ValueError unless they are float32 batches (n, ...) of the
    same n >= 1.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(example_inputs, Mapping) and all(isinstance(key, str) for key in example_inputs):
        kwargs = dict(example_inputs)
    elif isinstance(example_inputs, (tuple, list)) and not hasattr(example_inputs, "_fields"):
        args = tuple(example_inputs)
    else:
        args = (example_inputs,)
    try:
        structure = Structure.of((args, kwargs))
    except ValueError as error:
        raise ValueError(f"{who}.example_inputs: {error}") from error
    tensors = structure.leaves((args, kwargs))
    if not tensors:
        raise ValueError(f"{who}.example_inputs: expected tensors, found {type(example_inputs).__name__}")
    for x in tensors:
        if x.dtype != torch.float32 or x.dim() < 2 or not len(x):
            raise ValueError(
                f"{who}.example_inputs: expected a float32 batch (n, ...), n >= 1, "
                f"found {x.dtype} {tuple(x.shape)}"
            )
    if len({len(x) for x in tensors}) > 1:
        raise ValueError(
            f"{who}.example_inputs: expected as many images in each input, found {[len(x) for x in tensors]}"
        )
    return args, kwargs, tensors


def check_eval(model: nn.Module) -> None:
    """ValueError where a layer would still move, or drop, in train() mode."""
    moving = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    for name, module in model.named_modules():
        if module.training and isinstance(module, moving):
            raise ValueError(
                f"quantize: {name} ({type(module).__name__}) is in train() mode: call model.eval() first"
            )
