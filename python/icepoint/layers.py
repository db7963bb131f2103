"""From float modules to QModules: which layer a step becomes, and what behind it becomes part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .capture import Add, Concat, Mul, Step
from .capture.functions import Function, channels_of, is_function
from .capture.operators import Affine, Clamp, Pad, PermuteChannels, Resize, Slice
from .modules import (
    QAdaptiveAvgPool2d,
    QAdd,
    QAffine,
    QAvgPool2d,
    QBatchNorm2d,
    QClamp,
    QConcat,
    QConv2d,
    QConvBNReLU,
    QConvTranspose2d,
    QFunction,
    QLinear,
    QMaxPooling2d,
    QMeanLinear,
    QModule,
    QMul,
    QPad,
    QPermuteChannels,
    QPixelShuffle,
    QReLU,
    QReLU6,
    QSlice,
    QUpsample,
)
from .modules.function import RANGES
from .modules.mean_linear import MeanLinear
from .modules.weighted import QWeighted

Options = dict[str, Any]  # num_bits and, where the layer has them, weights, weight_bits, activation, folded
Reader = Callable[[Step], Step | None]  # the only step that reads a step's result

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_MAPS = (*_NORMS, Affine)
_CLAMPS = (nn.ReLU, nn.ReLU6, Clamp)


def is_integer(module: nn.Module) -> bool:
    """Whether a float module has a layer of integers."""
    return type(module) in _LAYERS or isinstance(module, (*WEIGHTED, *_MAPS, Function))


def layer_of(step: Step, reader: Reader, options: Options) -> tuple[QModule, list[Step]]:
    """The layer of a step, and all the steps that it stands for, this one first.

    What works channel by channel folds into the weights before it, a clamp into the range of what
    computes, and functions of one number in a row are one table. Only the only reader joins.
    """
    module, options = step.module, dict(options)
    if isinstance(module, WEIGHTED):
        return _weighted(step, reader, options)
    if _begins_table(step, reader):
        return _function(step, reader, options)
    if isinstance(module, _MAPS):
        steps = [step, *following_maps(step, reader)]
        steps, options = _with_clamp(steps, reader, options)
        maps = [s.module for s in steps if isinstance(s.module, _MAPS)]
        if isinstance(module, _NORMS):
            return QBatchNorm2d(module, behind=maps[1:], **options), steps
        return QAffine(maps, axis=module.axis, **options), steps
    steps = [step]
    if isinstance(module, Add):
        steps, options = _with_clamp(steps, reader, options)
    return _LAYERS[type(module)](module, options), steps


def _weighted(step: Step, reader: Reader, options: Options) -> tuple[QModule, list[Step]]:
    steps = [step, *following_maps(step, reader)]
    maps = [s.module for s in steps[1:]]
    steps, options = _with_clamp(steps, reader, options)
    if isinstance(step.module, nn.Conv2d) and maps and isinstance(maps[0], _NORMS):
        options |= {"has_qin": False, "relu": False, "folded": maps[1:]}
        return _tuned(QConvBNReLU(step.module, maps[0], **options), step), steps
    kinds = {nn.Conv2d: QConv2d, nn.ConvTranspose2d: QConvTranspose2d, MeanLinear: QMeanLinear}
    kind = kinds.get(type(step.module), QLinear)
    return _tuned(kind(step.module, has_qin=False, folded=maps, **options), step), steps


def _tuned(layer: QWeighted, step: Step) -> QWeighted:
    layer.tuning = step.tuning
    return layer


def _begins_table(step: Step, reader: Reader) -> bool:
    """Whether a step is a function of one number, or a clamp in front of one."""
    chain = [step, *_following(step, reader, is_function)] if is_function(step.module) else []
    return any(not isinstance(s.module, _CLAMPS) for s in chain)


def _function(step: Step, reader: Reader, options: Options) -> tuple[QModule, list[Step]]:
    steps = [step, *_following(step, reader, is_function)]
    modules = [s.module for s in steps]
    last = modules[-1]
    options["output_range"] = RANGES.get(last.name) if isinstance(last, Function) else None
    names = [m.name if isinstance(m, Function) else s.kind for m, s in zip(modules, steps, strict=True)]
    function = modules[0] if len(modules) == 1 else nn.Sequential(*modules)
    return QFunction(function, name="_".join(names), channels=channels_of(function), **options), steps


def _following(step: Step, reader: Reader, wanted: Callable[[nn.Module], bool]) -> list[Step]:
    """The wanted steps in a row behind this one, as long as nobody else reads between."""
    found: list[Step] = []
    while (behind := reader(step)) is not None and wanted(behind.module):
        found.append(behind)
        step = behind
    return found


def following_maps(step: Step, reader: Reader) -> list[Step]:
    """What works channel by channel behind a step and nobody else reads: it folds into its weights."""
    return _following(step, reader, _is_map)


def _is_map(module: nn.Module) -> bool:
    return isinstance(module, _MAPS)


def _with_clamp(steps: list[Step], reader: Reader, options: Options) -> tuple[list[Step], Options]:
    """The steps and options with the clamp behind them, if there is one."""
    behind = reader(steps[-1])
    if behind is None or not isinstance(behind.module, _CLAMPS):
        return steps, options
    clamp = behind.module
    named = {nn.ReLU: "relu", nn.ReLU6: "relu6"}
    activation = (clamp.low, clamp.high) if isinstance(clamp, Clamp) else named[type(clamp)]
    return [*steps, behind], options | {"activation": activation}


#: What stands by itself: the float module's class, and (module, options) to the layer.
_LAYERS: dict[type[nn.Module], Callable[[Any, Options], QModule]] = {
    nn.ReLU: lambda m, o: QReLU(**o),
    nn.ReLU6: lambda m, o: QReLU6(**o),
    Clamp: lambda m, o: QClamp(m.low, m.high, **o),
    nn.MaxPool2d: lambda m, o: QMaxPooling2d(m, **o),
    nn.AvgPool2d: lambda m, o: QAvgPool2d(m, **o),
    nn.AdaptiveAvgPool2d: lambda m, o: QAdaptiveAvgPool2d(m, **o),
    Add: lambda m, o: QAdd(alpha=m.alpha, **o),
    Mul: lambda m, o: QMul(**o),
    Concat: lambda m, o: QConcat(m.axis, **o),
    Slice: lambda m, o: QSlice(m.axis, m.start, m.stop, m.step, **o),
    PermuteChannels: lambda m, o: QPermuteChannels(m.order, **o),
    nn.PixelShuffle: lambda m, o: QPixelShuffle(m, **o),
    nn.PixelUnshuffle: lambda m, o: QPixelShuffle(m, **o),
    Pad: lambda m, o: QPad(m.padding, m.mode, m.value, m.channels, **o),
    Resize: lambda m, o: QUpsample(m.size, m.mode, m.align_corners, **o),
}
