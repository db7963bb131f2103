"""icepoint.quantize: any float model of supported layers, captured, calibrated and made integer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .bits import WeightBits
from .capture import Captured, Source
from .codes import check_num_bits
from .coverage import Coverage
from .modules import QModule
from .quantize_inputs import check_model, examples_of
from .quantized import QuantizedModel
from .recipe import Recipe
from .stages import Stage, stages_of
from .weights import check_scheme


def quantize(
    model: nn.Module,
    example_inputs: Any,
    calibration_data: Any,
    num_bits: int = 8,
    weights: str = "per_channel",
    recipe: Recipe | dict[str, Any] | None = None,
    strict: bool = True,
    weight_bits: int | Mapping[str, int] | None = None,
) -> QuantizedModel:
    """A model whose layers compute with integers, calibrated and ready to freeze.

    `model` is any network, in eval mode, of convolutions (1-d, transposed), linear layers, BatchNorm,
    pools and means, functions of one number, sums, products and constants, concatenation, slices,
    shuffles of channels and pixels, views, padding and up-sampling; branches may part and join.
    `coverage(model, example_inputs)` tells which operators become integer. `example_inputs`: one float32
    batch, a tuple with one for each argument, or a dict of keyword arguments. A softmax, log_softmax,
    sigmoid or argmax at the network's end is computed in double behind the integers, here and in the
    frozen file.
    `calibration_data`: a DataLoader or any iterable of batches (n, ...), or of tuples or dicts that begin
    with the inputs, as many as the model takes: of (x, label) a model of one input takes x, one of two
    takes both; one tensor or array of all images; with a recipe the path of a folder of pictures.
    It goes by once, one batch in memory at a time; Ctrl-C leaves `model` as it was.
    `weights`: "per_channel", "per_tensor_affine" or "per_channel_affine". `num_bits` (2..8) are those
    of all codes; `weight_bits` those of the weights where they differ, an int or {pattern: int} over
    the layer names that report() shows, as {"classifier.*": 4}.
    ValueError, before anything runs, with the whole list of what has no integer form; with strict=False
    such operators stay float, the coverage lists them, and freeze() refuses.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)], weight_bits={"3": 4})
    >>> q.freeze().save("model.ice")
    PosixPath('model.ice')
    """
    bits, scheme = check_num_bits(num_bits, "quantize.num_bits"), check_scheme(weights)
    recipe = Recipe.of(recipe)
    WeightBits(weight_bits, bits)
    check_model(model, "quantize")
    args, kwargs, examples = examples_of(example_inputs, "quantize")
    source = Source(model, args, kwargs)

    def stages(captured: Captured) -> list[Stage]:
        return stages_of(captured, bits, scheme, WeightBits(weight_bits, bits))

    captured = source.read()
    if captured.missing and (strict or captured.broken):
        name = type(model).__name__
        raise ValueError(Coverage(captured).refusal(f"quantize: {name} has parts without an integer form"))
    quantized = QuantizedModel(source, stages, examples, recipe).eval()
    if not any(isinstance(stage.layer, QModule) and stage.steps for stage in quantized.stages):
        told = f"quantize: {type(model).__name__} has no layer that computes in integers"
        raise ValueError(Coverage(captured).refusal(told) if captured.missing else told)
    quantized._observe(calibration_data)
    quantized.fix()
    return quantized
