"""What icepoint.quantize is given: the example and the model's mode."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def one_example(example_inputs: Any) -> torch.Tensor:
    """The float32 batch (n, ...), n >= 1, that example_inputs is or holds; ValueError for anything else."""
    examples = list(example_inputs) if isinstance(example_inputs, (tuple, list)) else [example_inputs]
    if len(examples) != 1 or not isinstance(examples[0], torch.Tensor):
        types = ", ".join(type(x).__name__ for x in examples)
        raise ValueError(
            f"quantize.example_inputs: expected one tensor, found {len(examples)} inputs ({types})"
        )
    x = examples[0]
    if x.dtype != torch.float32 or x.dim() < 2 or not len(x):
        raise ValueError(
            "quantize.example_inputs: expected a float32 batch (n, ...), n >= 1, "
            f"found {x.dtype} {tuple(x.shape)}"
        )
    return x


def check_eval(model: nn.Module) -> None:
    """ValueError where a layer would still move, or drop, in train() mode."""
    moving = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    for name, module in model.named_modules():
        if module.training and isinstance(module, moving):
            raise ValueError(
                f"quantize: {name} ({type(module).__name__}) is in train() mode: call model.eval() first"
            )
