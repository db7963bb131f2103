"""What icepoint.quantize is given: the example, the model's mode, and the two kinds of recipe."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .capture import Structure
from .modules import QModule
from .recipe import Recipe


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
        if x.layout != torch.strided or x.device.type != "cpu":
            raise ValueError(
                f"{who}.example_inputs: expected a dense tensor on the CPU, found {x.layout} on {x.device}"
            )
    if len({len(x) for x in tensors}) > 1:
        raise ValueError(
            f"{who}.example_inputs: expected as many images in each input, found {[len(x) for x in tensors]}"
        )
    return args, kwargs, tensors


def examples_of_size(
    examples: Sequence[torch.Tensor], height: int | None, width: int | None
) -> list[torch.Tensor]:
    """Zeros of another height or width in the place of images (n, c, h, w); what has that size stays."""
    found = []
    for x in examples:
        size = [*x.shape[:2], height or x.shape[2], width or x.shape[3]] if x.dim() == 4 else x.shape
        found.append(x if list(size) == list(x.shape) else x.new_zeros(size))
    return found


def check_model(model: nn.Module, who: str) -> None:
    """ValueError unless `model` is a float32 network on the CPU, in eval mode and not quantized yet."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"{who}.model: expected an nn.Module, found {_described(model)}")
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(f"{who}.model: expected an nn.Module in Python, found TorchScript: give its source")
    moving = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    for name, module in model.named_modules():
        kind = f"{who}: {name or 'the model'} ({type(module).__name__})"
        if isinstance(module, QModule):
            raise ValueError(f"{kind} is quantized already: give the float model")
        if module.training and isinstance(module, moving):
            raise ValueError(f"{kind} is in train() mode: call model.eval() first")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            raise ValueError(f"{who}: {name} has no shape yet: run the model once on the example")
        if tensor.device.type != "cpu":
            raise ValueError(
                f"{who}: {name} lies on {tensor.device}; icepoint computes on the CPU: move the model there"
            )
        if isinstance(tensor, nn.Parameter) and tensor.dtype != torch.float32:
            raise ValueError(f"{who}: {name} is {tensor.dtype}, expected float32: call model.float() first")


def with_gradients(model: nn.Module) -> nn.Module:
    """The model; a copy where torch.inference_mode made its weights, through which autograd goes nowhere."""
    made_there = any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers()))
    return copy.deepcopy(model) if made_there else model


def split_recipes(recipe: Any, input_recipe: Any) -> tuple[Any, Recipe | None]:
    """What `recipe` says of the accuracy, and the recipe of pixels, which may stand there too."""
    if not isinstance(recipe, (Recipe, Mapping, type(None))):
        return recipe, Recipe.of(input_recipe)
    if recipe is not None and input_recipe is not None:
        raise ValueError("quantize: expected one recipe of pixels, found both recipe and input_recipe")
    return "accurate", Recipe.of(input_recipe if recipe is None else recipe)


def _described(model: Any) -> str:
    return f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
