"""Activations that are clamps, fused into the layer before them: in float, and as its range of codes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..qparams import QParam

#: None, "relu", "relu6", or the ends (low, high) of a clamp, of which one may be None.
Activation = str | tuple[float | None, float | None] | None

_NAMED = (None, "relu", "relu6")


def check_activation(activation: Activation) -> Activation:
    """`activation` where it is "relu", "relu6", None or a pair of ends low <= high, else ValueError."""
    if isinstance(activation, (tuple, list)) and len(activation) == 2:
        low, high = (None if end is None else float(end) for end in activation)
        finite = all(end is None or math.isfinite(end) for end in (low, high))
        if finite and (low, high) != (None, None) and (low is None or high is None or low <= high):
            return low, high
    elif isinstance(activation, (str, type(None))) and activation in _NAMED:
        return activation
    raise ValueError(f"activation: expected one of {_NAMED} or (low, high), found {activation!r}")


def activated(y: torch.Tensor, activation: Activation) -> torch.Tensor:
    """The activation in float; a new tensor, or `y` itself where there is none."""
    if activation is None:
        return y
    if isinstance(activation, tuple):
        return y.clamp(*activation)
    return F.relu(y) if activation == "relu" else F.relu6(y)


def activation_range(activation: Activation, q: QParam) -> tuple[int, int]:
    """Section 3 of docs/numerics.md: 0..qmax, narrowed to quantize(low)..quantize(high).

    >>> activation_range("relu6", QParam.of_range(-1.0, 9.2))
    (25, 175)
    >>> activation_range((-0.5, None), QParam.of_range(-1.0, 9.2))
    (13, 255)
    """
    low, high = {None: (None, None), "relu": (0.0, None), "relu6": (0.0, 6.0)}.get(activation, activation)
    return (0 if low is None else code_of(low, q)), (q.qmax if high is None else code_of(high, q))


def activation_name(activation: Activation) -> str:
    """For people: "relu", "clamp(-1, 1)".

    >>> activation_name((-1.0, None))
    'clamp(-1, inf)'
    """
    if not isinstance(activation, tuple):
        return activation or ""
    low, high = activation
    return f"clamp({'-inf' if low is None else f'{low:g}'}, {'inf' if high is None else f'{high:g}'})"


def code_of(real: float, q: QParam) -> int:
    """quantize(real): the code of one number."""
    return int(q.quantize_tensor(torch.tensor([real], dtype=torch.float32)))
