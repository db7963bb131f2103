"""Activations that are clamps, fused into the layer before them: in float, and as its range of codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..qparams import QParam

ACTIVATIONS = (None, "relu", "relu6")


def check_activation(activation: str | None) -> str | None:
    """`activation` where it is one of ACTIVATIONS, else ValueError."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: expected one of {ACTIVATIONS}, found {activation!r}")
    return activation


def activated(y: torch.Tensor, activation: str | None) -> torch.Tensor:
    """The activation in float; a new tensor, or `y` itself where there is none."""
    if activation is None:
        return y
    return F.relu(y) if activation == "relu" else F.relu6(y)


def activation_range(activation: str | None, q: QParam) -> tuple[int, int]:
    """Section 3 of docs/numerics.md: 0..qmax, from the zero point for ReLU, up to quantize(6) for ReLU6.

    >>> activation_range("relu6", QParam.of_range(-1.0, 9.2))
    (25, 175)
    """
    low = 0 if activation is None else q.zero_point
    high = q.qmax
    if activation == "relu6":
        high = int(q.quantize_tensor(torch.tensor([6.0], dtype=torch.float32)))
    return low, high
