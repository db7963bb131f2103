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
    if stage.gives_accumulators:
        return None
    name = own_qparam(stage.layer)
    if isinstance(stage.layer, QConcat) and not stage.layer.requantized:
        return None  # bytes move
    return getattr(stage.layer, name) if name else None


def has_own_error(stage: Stage) -> bool:
    """Whether the stage's own integers differ from its float computation: it rounds results or weights."""
    return own_range(stage) is not None or stage.gives_accumulators


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
    corrections of the layer's tuning; with the bias in steps of its scale. Result: clipped; rounded, which
    is where copies of a channel differ on purpose (the tuning's dither).
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
    """The stage's result on exact float inputs, with its own weights, bias and result in integers.

    Where the layer's tuning corrects the bias, the mean of the weights' error in each channel is taken away
    over these very inputs: the tuning's own correction is for inputs that have errors already.
    """
    layer = stage.layer
    if isinstance(layer, QConcat) and layer.requantized:
        parts = zip(xs, layer.q_ins, strict=True)
        xs = [x if q.same_as(layer.q_out) else layer.q_out.fake_quantize(x) for x, q in parts]
        return in_float(stage, xs)
    y = _weighted_alone(layer, xs[0]) if isinstance(layer, QWeighted) else in_float(stage, xs)
    q = own_range(stage)
    return y if q is None else q.fake_quantize(y)


def _weighted_alone(layer: QWeighted, x: Tensor) -> Tensor:
    weight, bias = layer.float_weights()
    y = _computed(layer, x, _rounded_weight(layer), bias)
    if layer.tuning.bias is not None:
        error = y - _computed(layer, x, weight, bias)
        axis = channel_axis(layer, y)
        y = y - error.mean([i for i in range(y.dim()) if i != axis], keepdim=True)
    rounding = _bias_rounding(layer, y)
    return activated(y if rounding is None else y + rounding, layer.activation)


def _weighted(layer: QWeighted, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    weight, bias = layer.float_weights()
    yield "inherited", activated(_computed(layer, x, weight, bias), layer.activation)
    clipped = _clipped(weight.detach(), layer.q_weight)
    if clipped is not None:
        yield "weight_clipping", activated(_computed(layer, x, clipped, bias), layer.activation)
    y = _computed(layer, x, _rounded_weight(layer), layer.tuned_weights()[1])
    yield "weight_rounding", activated(y, layer.activation)
    rounding = _bias_rounding(layer, y)
    if rounding is not None:
        yield "bias_rounding", activated(y + rounding, layer.activation)


def _computed(layer: QWeighted, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return layer.compute(x, weight.detach(), None if bias is None else bias.detach().float())


def _rounded_weight(layer: QWeighted) -> Tensor:
    """What the weight's codes stand for."""
    q = layer.q_weight
    return q.dequantize_tensor(q.codes(layer.tuned_weights()[0]))


def _bias_rounding(layer: QWeighted, y: Tensor) -> Tensor | None:
    """What rounding the bias to steps of its scale adds to a result y (n, ...); None without a bias."""
    bias = layer.integer_bias(layer.tuned_weights()[1])
    if bias is None:
        return None
    steps = layer.q_in.scale * layer.q_weight.scales.double()
    error = (layer.integers["bias"].double() * steps - bias.detach().double()).float()
    return error.view([-1 if i == channel_axis(layer, y) else 1 for i in range(y.dim())])


def _clipped(weight: Tensor, q: WeightQParam) -> Tensor | None:
    """The weight as far as its codes reach, half a step beyond the ends; None where that is all of it."""
    scale, zero_point = (
        v.view(-1, *[1] * (weight.dim() - 1)) for v in (q.scales.double(), q.zero_points.double())
    )
    low, high = (scale * (q.qmin - 0.5 - zero_point)).float(), (scale * (q.qmax + 0.5 - zero_point)).float()
    if bool(((weight >= low) & (weight <= high)).all()):
        return None
    return torch.maximum(torch.minimum(weight, high), low)


def channel_axis(layer: Any, y: Tensor) -> int:
    """Which axis of a layer's result (n, ...) counts its channels: 1, or the last one of a linear layer."""
    return y.dim() - 1 if isinstance(layer, QLinear) else 1
