"""Where a layer's error comes from: variants of its float computation, each one step nearer to the integers.

The error of a layer is y_integer - y_float. Between the two stands a chain of variants on the layer's real
inputs; the step from one to the next is the error of one cause, so the steps add up to the whole error,
sample by sample. (Their energies need not: two causes may work against each other.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ..modules import QConcat, QLinear, QModule
from ..modules.clamps import activated
from ..modules.weighted import QWeighted
from ..qparams import QParam
from ..stages import Stage, in_float, own_qparam
from ..weights import WeightQParam

CAUSES = (
    "inherited",
    "weight_clipping",
    "weight_rounding",
    "bias_rounding",
    "activation_clipping",
    "activation_rounding",
)
OWN = CAUSES[1:]  # what the layer itself adds

#: For people.
CAUSE_NAMES = {
    "inherited": "inherited from its inputs",
    "weight_clipping": "clipping of weights",
    "weight_rounding": "rounding of weights",
    "bias_rounding": "rounding of the bias",
    "activation_clipping": "clipping of its results",
    "activation_rounding": "rounding of its results",
}

Tensor = torch.Tensor


def own_range(stage: Stage) -> QParam | None:
    """What the codes of the stage's result mean, where the stage itself rounds to them."""
    name = own_qparam(stage.layer)
    if isinstance(stage.layer, QConcat) and not stage.layer.requantized:
        return None  # bytes move
    return getattr(stage.layer, name) if name else None


def ends_of(q: QParam) -> tuple[float, float]:
    """What the first and the last code stand for."""
    return -q.zero_point * q.scale, (q.qmax - q.zero_point) * q.scale


def reach(q: QParam) -> tuple[float, float]:
    """Least and greatest real number that rounds to a code: half a step beyond the first and the last."""
    return q.scale * (-0.5 - q.zero_point), q.scale * (q.qmax + 0.5 - q.zero_point)


def chain(stage: Stage, reals: Sequence[Any], result: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(cause, variant) in order, from the float computation on the `reals` to the integers' `result`.

    `reals` are what the integers that the layer gets stand for. A variant that is the tensor before it has
    no error of its cause. Weights: float; clipped to what their codes reach; as their codes, with the bias
    corrections of the layer's tuning; with the bias in steps of its scale. Result: clipped; rounded.
    """
    layer = stage.layer
    if isinstance(layer, QWeighted):
        for cause, y in _weighted(layer, reals[0]):
            yield cause, y
    else:
        y = in_float(stage, reals)
        yield "inherited", y
    q = own_range(stage)
    if q is not None:
        yield "activation_clipping", y.clamp(*reach(q))
    if isinstance(layer, QModule):
        yield "activation_rounding", result


def alone(stage: Stage, xs: Sequence[Any]) -> Any:
    """The stage's result on exact float inputs, with its own weights, bias and result in integers."""
    layer = stage.layer
    if isinstance(layer, QConcat) and layer.requantized:
        parts = zip(xs, layer.q_ins, strict=True)
        xs = [x if q.same_as(layer.q_out) else layer.q_out.fake_quantize(x) for x, q in parts]
        return in_float(stage, xs)
    if isinstance(layer, QWeighted):
        *_, (_, y) = _weighted(layer, xs[0])
    else:
        y = in_float(stage, xs)
    q = own_range(stage)
    return y if q is None else q.fake_quantize(y)


def _weighted(layer: QWeighted, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    (weight, bias), (tuned, tuned_bias) = layer.float_weights(), layer.tuned_weights()
    q = layer.q_weight

    def result(weight: Tensor, bias: Tensor | None) -> Tensor:
        return layer.compute(x, weight.detach(), None if bias is None else bias.detach().float())

    y = result(weight, bias)
    yield "inherited", activated(y, layer.activation)
    clipped = _clipped(weight.detach(), q)
    if clipped is not None:
        yield "weight_clipping", activated(result(clipped, bias), layer.activation)
    y = result(q.dequantize_tensor(q.codes(tuned)), tuned_bias)
    yield "weight_rounding", activated(y, layer.activation)
    if tuned_bias is not None:
        steps = layer.q_in.scale * q.scales.double()
        rounding = layer.integers["bias"].double() * steps - tuned_bias.detach().double()
        y = y + _along_channels(rounding.float(), layer, y)
        yield "bias_rounding", activated(y, layer.activation)


def _clipped(weight: Tensor, q: WeightQParam) -> Tensor | None:
    """The weight as far as its codes reach, half a step beyond the ends; None where that is all of it."""
    scale, zero_point = (
        v.view(-1, *[1] * (weight.dim() - 1)) for v in (q.scales.double(), q.zero_points.double())
    )
    low, high = (scale * (q.qmin - 0.5 - zero_point)).float(), (scale * (q.qmax + 0.5 - zero_point)).float()
    if bool(((weight >= low) & (weight <= high)).all()):
        return None
    return torch.maximum(torch.minimum(weight, high), low)


def _along_channels(values: Tensor, layer: QWeighted, y: Tensor) -> Tensor:
    return values.view([-1 if i == channel_axis(layer, y) else 1 for i in range(y.dim())])


def channel_axis(layer: Any, y: Tensor) -> int:
    """Which axis of a layer's result (n, ...) counts its channels: 1, or the last one of a linear layer."""
    return y.dim() - 1 if isinstance(layer, QLinear) else 1
