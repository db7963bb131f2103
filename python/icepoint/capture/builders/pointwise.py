"""What works element by element: clamps, functions of one number, sums and products."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import nn

from ...modules.function import Slopes
from ..functions import Aten, Function, PowerOf
from ..images import on_image
from ..operators import Add, Affine, Clamp, Div, Mul
from ..steps import Input, Unsupported
from .common import Arguments, Builder, Built, Shape, number, own, words, x_of

#: Operators of one tensor and numbers: each is a table of 256 codes.
UNARY = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "celu", "cos", "cosh", "elu",
    "erf", "erfc", "exp", "exp2", "expm1", "floor", "frac", "gelu", "hardshrink", "hardsigmoid",
    "hardswish", "leaky_relu", "log", "log10", "log1p", "log2", "log_sigmoid", "logit", "mish",
    "reciprocal", "round", "rsqrt", "selu", "sgn", "sigmoid", "sign", "silu", "sin", "sinc", "sinh",
    "softplus", "softshrink", "sqrt", "square", "tan", "tanh", "threshold", "trunc",
)  # fmt: skip


def unary(name: str) -> Builder:
    return partial(_unary, name)


def _unary(name: str, a: Arguments, _shape: Shape) -> Built:
    x_of(a)
    options = {key: value for key, value in a.items() if not isinstance(value, Input)}
    for key, value in options.items():
        if isinstance(value, torch.Tensor):
            raise Unsupported(f"its {key} is a tensor; numbers are supported")
    return [Function(name, Aten(name, options))]


def prelu(a: Arguments, shape: Shape) -> Built:
    function = Function("prelu", Slopes(own(a["weight"], "weight")))
    return on_image(function) if len(shape) == 3 and a["weight"].numel() > 1 else [function]


def power(a: Arguments, _shape: Shape) -> Built:
    """x ** number, or number ** x."""
    base, exponent = a["self"], a["exponent"]
    known = number(base if isinstance(exponent, Input) else exponent)
    if known is None:
        raise Unsupported("it takes powers of computed values with computed exponents; one must be a number")
    f = PowerOf(known) if isinstance(exponent, Input) else Aten("pow", {"exponent": known})
    return [Function("pow", f)]


def rrelu(a: Arguments, _shape: Shape) -> Built:
    """In eval mode a leaky ReLU of the mean slope."""
    slope = (float(a["lower"]) + float(a["upper"])) / 2
    return [Function("leaky_relu", Aten("leaky_relu", {"negative_slope": slope}))]


def relu(_a: Arguments, _shape: Shape) -> Built:
    return [nn.ReLU()]


def relu6(_a: Arguments, _shape: Shape) -> Built:
    return [nn.ReLU6()]


def clamp(low: str, high: str) -> Builder:
    """The builder of a clamp whose ends are the arguments `low` and `high`."""

    def build(a: Arguments, _shape: Shape) -> Built:
        return _clamp(*(_end(a.get(name)) for name in (low, high)))

    return build


def maximum(a: Arguments, _shape: Shape) -> Built:
    return _clamp(_end(_constant_of(a, "takes the maximum of two computed values")), None)


def minimum(a: Arguments, _shape: Shape) -> Built:
    return _clamp(None, _end(_constant_of(a, "takes the minimum of two computed values")))


def _constant_of(a: Arguments, does: str) -> Any:
    constants = [a[name] for name in ("self", "other") if not isinstance(a[name], Input)]
    if not constants:
        raise Unsupported(f"it {does}; a number is supported")
    return constants[0]


def _end(value: Any) -> float | None:
    if value is None:
        return None
    end = number(value)
    if end is None or math.isnan(end):
        raise Unsupported("it clamps to a tensor or NaN; numbers are supported")
    return None if math.isinf(end) else end


def _clamp(low: float | None, high: float | None) -> Built:
    if low is not None and high is not None and low > high:
        raise Unsupported(f"it clamps to {low:g}..{high:g}, whose ends are in the wrong order")
    if low == 0.0 and high in (None, 6.0):
        return [nn.ReLU() if high is None else nn.ReLU6()]
    return [] if low is None and high is None else [Clamp(low, high)]


# Sums, differences, products, quotients.


def add(a: Arguments, shape: Shape) -> Built:
    return _sum(a, shape, 1.0, number(a.get("alpha", 1)))


def sub(a: Arguments, shape: Shape) -> Built:
    return _sum(a, shape, 1.0, -number(a.get("alpha", 1)))


def rsub(a: Arguments, shape: Shape) -> Built:
    """other - alpha self"""
    return _sum(a, shape, -number(a.get("alpha", 1)), 1.0)


def _sum(a: Arguments, shape: Shape, first: float, second: float) -> Built:
    """first self + second other."""
    x, other = a["self"], a["other"]
    if isinstance(x, Input) and isinstance(other, Input):
        if first != 1.0:
            raise Unsupported("it subtracts from a computed value in the reverse order; write a - b")
        return _joined(Add(second), x, other)
    if isinstance(x, Input):
        return _affine(x, shape, first, _scaled(other, second))
    return _affine(other, shape, second, _scaled(x, first))


def mul(a: Arguments, shape: Shape) -> Built:
    x, other = a["self"], a["other"]
    if isinstance(x, Input) and isinstance(other, Input):
        return _joined(Mul(), x, other)
    return _affine(x, shape, other, 0.0) if isinstance(x, Input) else _affine(other, shape, x, 0.0)


def div(a: Arguments, shape: Shape) -> Built:
    x, other = a["self"], a["other"]
    if a.get("rounding_mode") is not None:
        raise Unsupported(f"it rounds its quotients ({a['rounding_mode']})")
    if isinstance(x, Input) and isinstance(other, Input):
        return _joined(Div(), x, other)
    if isinstance(other, Input):
        return [Function("reciprocal", Aten("reciprocal", {})), *_affine(other, shape, x, 0.0)]
    inverse = 1.0 / other.double() if isinstance(other, torch.Tensor) else 1.0 / other if other else math.inf
    return _affine(x, shape, inverse, 0.0)


def neg(a: Arguments, shape: Shape) -> Built:
    return _affine(x_of(a), shape, -1.0, 0.0)


def _scaled(value: Any, factor: float) -> Any:
    return value.double() * factor if isinstance(value, torch.Tensor) else value * factor


def _affine(x: Input, shape: Shape, gain: Any, offset: Any) -> Built:
    """gain x + offset, one of them a constant: of numbers, or of one number a channel."""
    constant = gain if isinstance(gain, torch.Tensor) else offset
    if number(constant) is not None:
        gain, offset = number(gain), number(offset)
        if not (math.isfinite(gain) and math.isfinite(offset)):
            raise Unsupported("its constant is not finite")
        return [Affine(gain, offset)]
    if x.shape != shape:
        raise Unsupported(f"it broadcasts {words(x.shape)} to {words(shape)}")
    if not bool(torch.isfinite(constant).all()):
        raise Unsupported("its constant is not finite")
    axis = _axis_of(constant, shape)
    along = constant.reshape(-1)
    affine = Affine(along, 0.0, axis) if constant is gain else Affine(gain, along, axis)
    return on_image(affine) if len(shape) == 3 and axis == 1 else [affine]


def _axis_of(constant: torch.Tensor, shape: Shape) -> int:
    """1 for one number a channel, -1 for one number a feature of (n, t, f); refuses anything else."""
    sizes = (1,) * (len(shape) - constant.dim()) + tuple(constant.shape)
    wide = [axis for axis, size in enumerate(sizes) if size != 1]
    if wide == [1] and len(shape) <= 4:
        return 1
    if wide == [2] and len(shape) == 3:
        return -1
    raise Unsupported(
        f"it joins {words(shape)} with a constant of shape {tuple(constant.shape)}; "
        "a number, or one number a channel, is supported",
        f"add or multiply by one more input of the model in its place, {words(shape)}",
    )


def _joined(module: nn.Module, a: Input, b: Input) -> Built:
    """Integers join equal shapes, or one value a channel with an image or a sequence; nothing else."""
    small = [(x.shape, y.shape) for x, y in ((a, b), (b, a)) if all(d == 1 for d in x.shape[2:])]
    spreads = len(a.shape) == len(b.shape) in (3, 4) and a.shape[:2] == b.shape[:2] and bool(small)
    if a.shape != b.shape and not spreads:
        raise Unsupported(
            f"it broadcasts {words(a.shape)} and {words(b.shape)}; "
            "equal shapes, or (n, c, 1, 1) over (n, c, h, w), are supported",
            _repeated(a, b) or _repeated(b, a),
        )
    module.spreads = a.shape != b.shape and len(a.shape) == 3
    return [module]


def _repeated(gate: Input, x: Input) -> str | None:
    """What helps where a map of one channel meets all of them."""
    n, channels, *sides = x.shape
    return f"repeat its channel: torch.cat([gate] * {channels}, 1)" if gate.shape == (n, 1, *sides) else None
