"""The short way into a frozen model: plain float32 tensors, without torch's dispatcher between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_is_compiling = torch.compiler.is_compiling
_empty = torch.empty
_float32 = torch.float32
_dispatch_modes = torch._C._len_torch_dispatch_stack
_function_modes = torch._C._len_torch_function_stack


def direct_call(
    prepared: Any, input_shapes: Sequence[Sequence[int]], output_shapes: Sequence[Sequence[int]]
) -> Callable[[Any], Tensor | None]:
    """A function from (n, ...) to the model's output, or to None where the operator has to be asked.

    `prepared` is a _C.Model. Taken: one input that is a plain, contiguous float32 tensor on the CPU which
    needs no gradient, outside of compilers, tracers and torch's modes; all else, errors too, is the
    operator's.
    A small network takes a few microseconds, as much as the way through the operator costs.
    """
    if len(input_shapes) != 1 or len(output_shapes) != 1:
        return lambda x: None
    run = prepared.runner()
    image, result = torch.Size(input_shapes[0]), tuple(output_shapes[0])
    known: tuple[Any, int, tuple[int, ...]] = (None, 0, ())  # shape of the last input, its n, the output's

    def call(x: Any) -> Tensor | None:
        nonlocal known
        if _is_compiling() or type(x) is not Tensor:
            return None
        shape, n, dims = known
        if x.shape != shape:
            shape = x.shape
            if shape[1:] != image or len(shape) == 0 or shape[0] == 0:
                return None
            n, dims = shape[0], (shape[0], *result)
            known = (shape, n, dims)
        if (
            x.dtype is not _float32
            or x.requires_grad
            or not x.is_cpu
            or _dispatch_modes()
            or _function_modes()
        ):
            return None
        try:
            if not x.is_contiguous() or x.is_neg():
                return None
            address = x.data_ptr()
        except RuntimeError:  # a tensor without memory of its own: sparse, or a transform's wrapper
            return None
        if not address:
            return None
        y = _empty(*dims)
        if y.dtype is not _float32 or not y.is_cpu:  # torch.set_default_dtype, set_default_device
            return None
        run(address, n, y.data_ptr())
        return y

    return call
