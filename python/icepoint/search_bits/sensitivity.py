"""How much noise each layer's few bits alone put on the outputs, measured with the integers themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..accuracy.sweep import images_that_fit
from ..modules.weighted import QWeighted
from ..plans import Plan
from ..progress import progress_bar
from ..qparams import QParam
from ..stages import Stage, Value, real
from ..tuning import Tuning
from ..weights import WeightQParam
from .items import ACTIVATIONS, Item, items_of
from .order import Options
from .plan import Clock

IMAGES = 32  # that are looked at; sums over all their logits: more change little

Recall = Callable[[str, Callable[[], Any]], Any]


def measure_noise(
    plan: Plan,
    images: Sequence[torch.Tensor],
    options: Options,
    corrected: bool,
    clock: Clock,
    recall: Recall,
) -> dict[Item, dict[int, float]]:
    """For each option the energy of the outputs' change over the outputs' own, everything else as it is.

    Where fewer bits of weights make a multiplier of 2^29 or more, an option has no integers and no noise.
    The network is walked once. At each layer only that layer gets other integers, and only what lies
    behind it is computed again, so the cost is half a pass for each option. `corrected`: the mean shift
    of a channel is taken back, as the recipe's bias correction will do. `recall(name, make)` gives what
    `make` would, and asks it only where nobody knows.
    """
    total = sum(map(len, options.values()))
    with torch.no_grad(), progress_bar("measuring noise", total) as advance:
        values: dict[int, Any] = {v: (x, None) for v, x in plan.values_of(images).items()}
        walk = _Walk(plan, values)
        found: dict[Item, dict[int, float]] = {}
        for index, stage in enumerate(plan.stages):
            given = [values[v] for v in stage.inputs]
            result = stage.run(given)
            for item in items_of(stage):
                if not (bits := options.get(item)):
                    continue
                clock.check()
                told = recall(
                    f"noise {index} {item.kind} {item.name} {','.join(map(str, bits))}",
                    lambda i=index, s=stage, k=item.kind, bs=bits, g=given, r=result: [
                        _noise(walk, i, s, k, b, g, r, corrected) for b in bs
                    ],
                )
                sums = found.setdefault(item, dict.fromkeys(bits, 0.0))  # once for each run of the module
                for b, noise in zip(bits, told, strict=True):
                    if noise is None:
                        sums.pop(b, None)
                    elif b in sums:
                        sums[b] += noise
                advance(len(bits), item.name)
            values[stage.output] = result
            for value in stage.frees:
                del values[value]
    return {item: _rising(noise) for item, noise in found.items()}


def chosen_images(plan: Plan, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The first of the images, as many as noise is measured on and memory allows."""
    count = min(IMAGES, len(images[0]), images_that_fit(plan, images))
    return [x[:count] for x in images]


def _rising(noise: Mapping[int, float]) -> dict[int, float]:
    """By falling bits, never less than for more bits: a lucky measurement is no reason to skip some."""
    most, found = 0.0, {}
    for b in sorted(noise, reverse=True):
        most = found[b] = max(most, noise[b])
    return found


class _Walk:
    """The rest of a network behind any stage; `values` are those that live before it."""

    def __init__(self, plan: Plan, values: dict[int, Any]):
        self._plan, self._values = plan, values
        self._expected = self._outputs(0, dict(values))
        self._signal = sum(float(y.square().sum()) for y in self._expected) or 1.0

    def noise(self, index: int, result: Value) -> float:
        """What is left of the outputs' energy as error where stage `index` gives `result`."""
        values = {**self._values, self._plan.stages[index].output: result}
        found = self._outputs(index + 1, values)
        errors = (float((y - z).square().sum()) for y, z in zip(self._expected, found, strict=True))
        return sum(errors) / self._signal

    def _outputs(self, first: int, values: dict[int, Any]) -> list[torch.Tensor]:
        for stage in self._plan.stages[first:]:
            values[stage.output] = stage.run([values[v] for v in stage.inputs])
            for value in stage.frees:
                values.pop(value)
        return [real(*values[v]).double() for v in self._plan.captured.outputs]


def _noise(walk: _Walk, index: int, stage: Stage, *change: Any) -> float | None:
    """What _changed puts on the outputs; None where it has no integers."""
    try:
        result = _changed(stage, *change)
    except ValueError:
        return None
    return walk.noise(index, result)


def _changed(
    stage: Stage, kind: str, bits: int, given: Sequence[Value], result: Value, corrected: bool
) -> Value:
    """What the stage gives with other bits."""
    if kind == ACTIVATIONS:
        return _coarser(*result, bits)
    assert isinstance(stage.layer, QWeighted)
    with _weight_bits(stage.layer, bits, real(*given[0]) if corrected else None):
        return stage.run(given)


def _coarser(codes: torch.Tensor, q: QParam | None, bits: int) -> Value:
    """The same codes, moved to where the range's coarser codes lie: no reader has to be frozen anew."""
    assert q is not None
    low, high = (float(y) for y in q.dequantize_tensor(torch.tensor([0, q.qmax])))
    coarse = QParam.of_range(low, high, bits, q.power_of_two)
    return q.quantize_tensor(coarse.fake_quantize(q.dequantize_tensor(codes))), q


@contextlib.contextmanager
def _weight_bits(layer: QWeighted, bits: int, x: torch.Tensor | None) -> Iterator[None]:
    """The layer with weights of other bits; `x`, its real inputs, for the mean shift that they make."""
    q_weight, tuning = layer.q_weight, layer.tuning
    before = layer.fake_weights()[0]
    try:
        layer.q_weight = WeightQParam(bits, q_weight.scheme, q_weight.power_of_two)
        layer.tuning = Tuning(bias=tuning.bias, dither=tuning.dither)  # learned rounding is for the old codes
        _freeze(layer)
        if x is not None:
            y = layer.compute(x, before - layer.fake_weights()[0], None).double()
            shift = y.mean((0, *range(2, y.dim()))) if layer.channel_axis == 1 else y.flatten(0, -2).mean(0)
            layer.tuning = replace(layer.tuning, bias=shift if tuning.bias is None else tuning.bias + shift)
            _freeze(layer)
        yield
    finally:
        layer.q_weight, layer.tuning = q_weight, tuning
        _freeze(layer)


def _freeze(layer: QWeighted) -> None:
    layer.freeze(None if layer.has_qin else layer.q_in)
