"""icepoint.quantize: any float model of supported layers, captured, calibrated and made integer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .accuracy import Evidence, GraphStep, Method
from .capture import Source
from .coverage import Coverage
from .distributed import digest, together
from .modules import QModule
from .observers import Observer
from .observing import check_same
from .options import Bits, Options
from .quantize_inputs import check_model, examples_of, split_recipes, with_gradients
from .quantized import QuantizedModel
from .recipe import Recipe


@torch.inference_mode(False)  # the graph's own tensors are made here, and methods differentiate through them
def quantize(
    model: nn.Module,
    example_inputs: Any,
    calibration_data: Any,
    num_bits: int = 8,
    weights: str = "per_channel",
    recipe: str | Sequence[str | GraphStep] | Recipe | Mapping[str, Any] = "accurate",
    strict: bool = True,
    weight_bits: Bits = None,
    activation_bits: Bits = None,
    input_recipe: Recipe | Mapping[str, Any] | None = None,
    observer: str | Observer | None = None,
    power_of_two: bool = False,
    outputs: str = "accumulators",
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
    It goes by one batch in memory at a time, and methods look at its first 256 images (128 MiB) as often
    as they like; of more, the ranges behind a method are observed on another pass, of a generator on these
    images alone. Ctrl-C leaves `model` as it was.
    `weights`: "per_channel", "per_tensor_affine" or "per_channel_affine". `num_bits` (2..8) are those
    of all codes; `weight_bits` those of the weights where they differ, an int or {pattern: int} over
    the layer names that report() shows, as {"classifier.*": 4}.
    `observer` chooses the ranges of activations: "min_max", "moving_average", "percentile", "mse",
    "entropy", "pixels" (docs/observers.md), or an observer as an example, Percentile(99.9). `power_of_two`
    makes all scales powers of two, for hardware that only shifts.
    `outputs`: "accumulators": what a network gives that ends in a convolution or linear layer without an
    activation are the reals of its int32 accumulators, before these are rounded to codes; "codes": those of
    the codes, in 2^num_bits levels (docs/decisions/0037). The codes themselves are the same.
    Where torch.distributed is initialized all its processes call quantize with the same arguments; each
    observes its own batches of the data, and all get the same model (docs/distributed.md).
    ValueError, before anything runs, with the whole list of what has no integer form; with strict=False
    such operators stay float, the coverage lists them, and freeze() refuses.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)], weight_bits={"3": 4})
    >>> q.freeze().save("model.ice")
    PosixPath('model.ice')
    """
    options = Options(num_bits, weights, weight_bits, activation_bits, observer, power_of_two, outputs)
    method, pixels = split_recipes(recipe, input_recipe)
    method = Method.of(method)
    check_model(model, "quantize")
    args, kwargs, examples = examples_of(example_inputs, "quantize")
    source = Source(with_gradients(model), args, kwargs)
    graph = source.read()
    name = type(model).__name__
    if graph.missing and (strict or graph.broken):
        raise ValueError(Coverage(graph).refusal(f"quantize: {name} has parts without an integer form"))
    stages = options.stages(graph, as_given=True)
    if not any(isinstance(stage.layer, QModule) and stage.steps for stage in stages):
        told = f"quantize: {name} has no layer that computes in integers"
        raise ValueError(Coverage(graph).refusal(told) if graph.missing else told)
    with together() as workers:
        if workers.size > 1:
            described = (repr(options), method.name, pixels, [x.shape for x in examples])
            weights_seen = digest([*model.parameters(), *model.buffers()], described)
            workers.same(weights_seen, "quantize was given another model, other weights or other options")
        q = method.apply(Evidence(source, graph, options, examples, pixels, calibration_data))
        check_same(q.stages)
    return q
