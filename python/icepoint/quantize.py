"""icepoint.quantize: any float model of supported layers, captured, calibrated and made integer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .bits import WeightBits
from .calibrate import calibrate
from .calibration_data import Batches
from .capture import Captured, Missing, Reshape, capture
from .codes import check_num_bits
from .freeze import freeze as freeze_road
from .frozen import FrozenModel
from .modules import QInput, QModule
from .qparams import QParam
from .quantize_inputs import check_eval, one_example
from .recipe import Recipe
from .report import Report, make_report
from .shared_ranges import WIDEST, Own, share_ranges
from .stages import Stage, real, stages_of
from .weights import check_scheme

Tensors = torch.Tensor | tuple[torch.Tensor, ...]


class QuantizedModel(nn.Module):
    """A calibrated network of integers: float in, float out, the same numbers as the frozen model.

    In eval mode forward computes with the deployed integers. In train mode it is the differentiable
    simulation quantize_forward: weights, inputs and outputs fake-quantized in float. The float model's
    parameters are shared and never written. Several outputs come as a tuple.
    """

    def __init__(
        self, captured: Captured, stages: Sequence[Stage], example: torch.Tensor, recipe: Recipe | None
    ):
        super().__init__()
        self.stages, self.outputs = list(stages), list(captured.outputs)
        self.missing = list(captured.missing)
        self.recipe = recipe
        self._example = example.detach()
        self._sample = self._example
        self._own: list[Own] = []  # what each layer observed itself, before any of it was shared
        for i, stage in enumerate(self.stages):
            name = stage.name.replace(".", "_")
            self.add_module(f"{name}_{i}" if hasattr(self, name) else name, stage.layer)

    def forward(self, x: torch.Tensor) -> Tensors:
        """float32 (n, ...) in and out."""
        return self.quantize_forward(x) if self.training else self.quantize_inference(x)

    def quantize_forward(self, x: torch.Tensor) -> Tensors:
        """Observes until the integers are fixed, then simulates them in float, with gradients."""
        return _single(self._walk(x, lambda stage, values: stage.layer(*values)))

    def quantize_inference(self, x: torch.Tensor) -> Tensors:
        """float32 in and out, integers between (and float only where the report says so)."""
        values = self._walk((x, None), lambda stage, values: stage.run(values))
        return _single([real(*value) for value in values])

    def calibrate(self, calibration_data: Any) -> int:
        """Widens the ranges by more data of any form that `quantize` takes, and fixes the integers anew.

        The same ranges as if `quantize` had seen all the data at once, in any order. Returns the number
        of batches. Where it raises, or is interrupted, the model computes with what it has seen by then.

        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
        >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)])
        >>> q.calibrate([torch.randn(16, 3, 8, 8)])
        1
        """
        self._restore()
        for layer in self.stages:
            if isinstance(layer.layer, QModule):
                layer.layer.thaw()
        try:
            return calibrate(self, Batches(calibration_data, [self._example], self.recipe))
        finally:
            self.fix()

    def fix(self, widest: float = WIDEST) -> None:
        """Fixes every layer's integers; called once the observers have seen the data.

        `widest` >= 1: a range that concatenated values share is at most so many times a member's own
        (shared_ranges); 0 shares nothing.
        """
        self._restore()
        self._own = share_ranges(self.stages, self.outputs, widest)
        self._walk(None, _fixed)

    def _restore(self) -> None:
        for own in self._own:
            own.restore()

    def get_extra_state(self) -> dict[str, Any]:
        return {"observed": [own.q.state() for own in self._own]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        for own, observed in zip(self._own, state["observed"], strict=True):
            own.q = QParam(own.q.num_bits).load(observed)

    def _walk(self, x: Any, step: Callable[[Stage, list[Any]], Any]) -> list[Any]:
        """Carries `x` through the stages by `step`, each value kept only as long as someone reads it."""
        values = {0: x}
        for stage in self.stages:
            values[stage.output] = step(stage, [values[v] for v in stage.inputs])
            for value in stage.frees:
                del values[value]
        return [values[v] for v in self.outputs]

    def freeze(self) -> FrozenModel:
        """The frozen model. ValueError with the whole list where a layer has no integer form."""
        if self.missing:
            raise ValueError(_list_of(self.missing, "freeze: these operators would stay float"))
        return freeze_road(self, self._example, self.recipe)

    def report(self) -> Report:
        """What became integer and the error of every layer, on up to 32 calibration images; prints it."""
        report = make_report(self.stages, self.missing, self._sample)
        report.show()
        return report


def quantize(
    model: nn.Module,
    example_inputs: torch.Tensor | Sequence[torch.Tensor],
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
    `example_inputs`: one float32 batch or a tuple with one;
    `calibration_data`: a DataLoader or any iterable of batches (n, ...), or of tuples or dicts that begin
    with the input; one tensor or array of all images; with a recipe the path of a folder of pictures.
    It goes by once, one batch in memory at a time; Ctrl-C leaves `model` as it was.
    `weights`: "per_channel", "per_tensor_affine" or "per_channel_affine". `num_bits` (2..8) are those
    of all codes; `weight_bits` those of the weights where they differ, an int or {pattern: int} over
    the layer names that report() shows, as {"classifier.*": 4}.
    ValueError with the whole list of what has no integer form; with strict=False such operators stay
    float, the report lists them, and freeze() refuses.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)], weight_bits={"3": 4})
    >>> q.freeze().save("model.ice")
    PosixPath('model.ice')
    """
    bits, scheme = check_num_bits(num_bits, "quantize.num_bits"), check_scheme(weights)
    recipe, bits_of_weights = Recipe.of(recipe), WeightBits(weight_bits, bits)
    example = one_example(example_inputs)
    check_eval(model)
    captured = capture(model, example)
    if captured.missing and (strict or captured.broken):
        raise ValueError(
            _list_of(captured.missing, f"quantize: {type(model).__name__} has parts without an integer form")
        )
    stages = stages_of(captured, bits, scheme, bits_of_weights)
    if not any(isinstance(stage.layer, QModule) and stage.steps for stage in stages):
        raise ValueError(f"quantize: {type(model).__name__} has no layer that computes")
    quantized = QuantizedModel(captured, stages, example, recipe).eval()
    batches = Batches(calibration_data, [example], recipe)
    calibrate(quantized, batches)
    (quantized._sample,) = batches.sample
    quantized.fix()
    return quantized


def _fixed(stage: Stage, given: list[QParam | None]) -> QParam | None:
    """Freezes a stage's layer for the qparams of its inputs; returns those of its output, None of a float."""
    layer = stage.layer
    if isinstance(layer, QInput):
        layer.freeze()
    elif isinstance(layer, QModule):
        layer.freeze(given[0] if len(given) == 1 else given)
    else:
        return given[0] if isinstance(layer, Reshape) else None
    return layer.q_in if layer.keeps_qparams else layer.q_out


def _single(outputs: Sequence[torch.Tensor]) -> Tensors:
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _list_of(missing: Sequence[Missing], title: str) -> str:
    return "\n".join([f"{title}:", *(f"  {i}. {item}" for i, item in enumerate(missing, 1))])
