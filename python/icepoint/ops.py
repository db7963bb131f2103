"""Loads torch.ops.icepoint.*, and gives the operators their shapes for torch.compile and their gradients.

The operators themselves are C++ (csrc/ops, schemas in library.cpp). Importing this module is enough to use
them; importing it from two copies of the package in one process is an ImportError.
"""

from __future__ import annotations

import sys

import torch

# Asked before the extension is loaded: torch would print its own complaint about a second registration.
if f"{__package__}._C" not in sys.modules and hasattr(torch.ops.icepoint, "run"):
    raise ImportError(
        "torch.ops.icepoint is already registered in this process, by another copy of icepoint or by an "
        "earlier import of this one. Restart Python (a notebook: its kernel) and import icepoint once."
    )

from . import _C, fake_kernels

__all__ = ["fake_quantize_backward"]


def _sum_to(each: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Gradients, one for each channel, as those of a parameter that may serve them all."""
    return (each.sum() if like.numel() == 1 else each).reshape(like.shape)


def fake_quantize_backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    scale: torch.Tensor,
    zero_point: torch.Tensor,
    qmin: int,
    qmax: int,
    axis: int | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Gradients of x, scale and zero_point of fake_quantize, given the gradient of its result.

    With v = x / scale, z the zero point and q = rne(v) + z, an element is inside where qmin <= q <= qmax.
    dx = 1 inside and 0 outside: the rounding is passed straight through (Bengio et al. 2013).
    dscale = rne(v) - v inside and clamp(q) - z outside (LSQ, Esser et al. 2020).
    dzero_point = 0 inside and -scale outside, only where zero_point is float32 (LSQ+, Bhalgat et al. 2020).
    NaN quantizes to the zero point whatever the parameters are, so all its gradients are 0.
    Sums are in double, and the same for every number of threads.

    Shapes: grad, x (...); scale, zero_point () or (1,) or, along `axis`, (channels,). float32.
    """
    learned = zero_point.is_floating_point()
    z = (
        zero_point.round().clamp(qmin, qmax).to(torch.int32) if learned else zero_point
    )  # as the forward reads it
    dx, dscale, dzero_point = torch.ops.icepoint.fake_quantize_backward(grad, x, scale, z, qmin, qmax, axis)
    return dx, _sum_to(dscale, scale), _sum_to(dzero_point, zero_point) if learned else None


def _setup_context(ctx, inputs, output) -> None:
    x, scale, zero_point, ctx.qmin, ctx.qmax, ctx.axis = inputs
    ctx.save_for_backward(x, scale, zero_point)


def _backward(ctx, grad):
    gradients = fake_quantize_backward(grad, *ctx.saved_tensors, ctx.qmin, ctx.qmax, ctx.axis)
    return *gradients, None, None, None


if not getattr(_C, "python_kernels", False):  # importlib.reload(ops) registers nothing twice
    fake_kernels.register()
    torch.library.register_autograd("icepoint::fake_quantize", _backward, setup_context=_setup_context)
    _C.python_kernels = True
