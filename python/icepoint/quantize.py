"""icepoint.quantize: any float model that is a chain of supported layers, calibrated and made integer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .calibrate import calibrate
from .capture import FloatCall, Missing, Reshape, Step, capture_chain
from .codes import check_num_bits
from .freeze import freeze as freeze_road
from .frozen import FrozenModel
from .modules import (
    QAdaptiveAvgPool2d,
    QAvgPool2d,
    QBatchNorm2d,
    QConv2d,
    QConvBNReLU,
    QLinear,
    QMaxPooling2d,
    QModule,
    QReLU,
    QReLU6,
    QSigmoid,
)
from .qparams import QParam
from .quantize_inputs import batches_like, check_eval, one_example
from .recipe import Recipe
from .report import Report, make_report
from .weights import check_scheme


@dataclass
class Stage:
    """What one or several steps became: `layer` is a QModule, a Reshape, or a float module left over."""

    layer: nn.Module
    steps: list[Step]

    @property
    def path(self) -> str:
        return self.steps[0].path or self.steps[0].kind


class QuantizedModel(nn.Module):
    """A calibrated network of integers: float in, float out, the same numbers as the frozen model.

    In eval mode forward computes with the deployed integers. In train mode it is the differentiable
    simulation quantize_forward: weights, inputs and outputs fake-quantized in float. The float model's
    parameters are shared and never written.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        example: torch.Tensor,
        missing: Sequence[Missing],
        recipe: Recipe | None,
    ):
        super().__init__()
        self.stages = list(stages)
        self.missing = list(missing)
        self.recipe = recipe
        self._example = example.detach()
        self._sample = self._example
        for i, stage in enumerate(self.stages):
            name = stage.path.replace(".", "_")
            self.add_module(f"{name}_{i}" if hasattr(self, name) else name, stage.layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 (n, ...) in and out."""
        return self.quantize_forward(x) if self.training else self.quantize_inference(x)

    def quantize_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Observes until the integers are fixed, then simulates them in float, with gradients."""
        for stage in self.stages:
            x = stage.layer(x)
        return x

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 in and out, integers between (and float only where the report says so)."""
        q: QParam | None = None
        for stage in self.stages:
            x, q = run_stage(stage, x, q)
        return x if q is None else q.dequantize_tensor(x)

    def fix(self) -> None:
        """Fixes every layer's integers; called once the observers have seen the data."""
        q: QParam | None = None
        for stage in self.stages:
            layer = stage.layer
            if isinstance(layer, QModule):
                layer.freeze() if layer.has_qin else layer.freeze(q)
                q = layer.q_in if layer.keeps_qparams else layer.q_out

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


def run_stage(stage: Stage, x: torch.Tensor, q: QParam | None) -> tuple[torch.Tensor, QParam | None]:
    """One stage of quantize_inference: codes and their QParam in and out, or floats with None."""
    layer = stage.layer
    if isinstance(layer, QModule):
        if q is None:
            x = layer.q_in.quantize_tensor(x)
        return layer.quantize_inference(x), layer.q_in if layer.keeps_qparams else layer.q_out
    if isinstance(layer, Reshape):
        return layer(x), q
    return layer(x if q is None else q.dequantize_tensor(x)), None


def quantize(
    model: nn.Module,
    example_inputs: torch.Tensor | Sequence[torch.Tensor],
    calibration_data: Iterable[Any],
    num_bits: int = 8,
    weights: str = "per_channel",
    recipe: Recipe | dict[str, Any] | None = None,
    strict: bool = True,
) -> QuantizedModel:
    """A model whose layers compute with integers, calibrated and ready to freeze.

    `model` is a chain (Sequential or functional) of convolution, BatchNorm, ReLU, ReLU6, sigmoid,
    pooling, dropout, flatten and linear, in eval mode. `example_inputs`: one float32 batch or a tuple
    with one; `calibration_data`: any iterable of batches (n, ...), or of tuples whose first part is
    the input. `weights`: "per_channel", "per_tensor_affine" or "per_channel_affine".
    ValueError with the whole list of what has no integer form; with strict=False such operators stay
    float, the report lists them, and freeze() refuses.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)])
    >>> q.freeze().save("model.ice")
    PosixPath('model.ice')
    """
    bits, scheme, recipe = (
        check_num_bits(num_bits, "quantize.num_bits"),
        check_scheme(weights),
        Recipe.of(recipe),
    )
    example = one_example(example_inputs)
    check_eval(model)
    chain = capture_chain(model, example)
    if chain.missing and (strict or chain.broken):
        raise ValueError(
            _list_of(chain.missing, f"quantize: {type(model).__name__} has parts without an integer form")
        )
    stages = _stages(chain.steps, bits, scheme)
    if not any(isinstance(stage.layer, QModule) for stage in stages):
        raise ValueError(f"quantize: {type(model).__name__} has no layer that computes")
    quantized = QuantizedModel(stages, example, chain.missing, recipe).eval()
    seen: list[torch.Tensor] = []
    calibrate(quantized, batches_like(example, calibration_data, seen))
    quantized._sample = seen[0]
    quantized.fix()
    return quantized


def _list_of(missing: Sequence[Missing], title: str) -> str:
    return "\n".join([f"{title}:", *(f"  {i}. {item}" for i, item in enumerate(missing, 1))])


def _stages(steps: Sequence[Step], bits: int, scheme: str) -> list[Stage]:
    """Steps to stages: BatchNorm folds into the convolution before it, ReLU into what computes before it."""
    stages: list[Stage] = []
    integer = (
        False  # whether the value here is codes: the first layer of a run of integers observes its input
    )
    i = 0
    while i < len(steps):
        step = steps[i]
        taken = [step]
        own = {"has_qin": not integer, "num_bits": bits}
        if step.kind in ("conv2d", "linear") and not isinstance(step.module, FloatCall):
            bn = _following(steps, i + 1, ("batch_norm",)) if step.kind == "conv2d" else None
            taken += [bn] if bn else []
            act = _following(steps, i + len(taken), ("relu", "relu6", "hardtanh"))
            taken += [act] if act else []
            activation = None if act is None else ("relu" if act.kind == "relu" else "relu6")
            options = {**own, "weights": scheme, "activation": activation}
            if bn is not None:
                layer: nn.Module = QConvBNReLU(step.module, bn.module, relu=False, **options)
            else:
                layer = (QConv2d if step.kind == "conv2d" else QLinear)(step.module, **options)
        else:
            layer = step.module if isinstance(step.module, FloatCall) else _ALONE[step.kind](step.module, own)
        integer = isinstance(layer, QModule) or (integer and isinstance(layer, Reshape))
        stages.append(Stage(layer, taken))
        i += len(taken)
    return stages


def _following(steps: Sequence[Step], i: int, kinds: Sequence[str]) -> Step | None:
    found = i < len(steps) and steps[i].kind in kinds and not isinstance(steps[i].module, FloatCall)
    return steps[i] if found else None


#: What becomes of a step that stands alone: (float module, has_qin and num_bits) to the layer.
_ALONE: dict[str, Callable[[nn.Module, dict[str, Any]], nn.Module]] = {
    "batch_norm": lambda m, own: QBatchNorm2d(m, **own),
    "relu": lambda m, own: QReLU(**own),
    "relu6": lambda m, own: QReLU6(**own),
    "hardtanh": lambda m, own: QReLU6(**own),
    "sigmoid": lambda m, own: QSigmoid(**own),
    "max_pool2d": lambda m, own: QMaxPooling2d(m, **own),
    "avg_pool2d": lambda m, own: QAvgPool2d(m, **own),
    "adaptive_avg_pool2d": lambda m, own: QAdaptiveAvgPool2d(m, **own),
    **dict.fromkeys(("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze"), lambda m, own: m),
}
