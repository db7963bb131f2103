"""What torch's compiled code uses in place of the dispatcher, for frozen(x): guards, and empty tensors.

Inductor's generated programs call both once a kernel. They are not public, so each has a way without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def _compiler_part(name: str) -> Any:
    return getattr(getattr(torch._C._dynamo, "guards", None), name, None)


def guard(x: torch.Tensor) -> Callable[[torch.Tensor], bool] | None:
    """like(y): whether y is a tensor as x is, with torch in the same state; None where torch has no guards.

    Compared are type, dtype, device, sizes, strides, requires_grad and the dispatch keys: what torch would do
    with y, inside tracers, modes and transforms too.
    """
    try:
        return _compiler_part("TensorGuards")(x, dynamic_dims_sizes=None, dynamic_dims_strides=None).check
    except (TypeError, AttributeError):
        return None


def _empty_strided(sizes: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty_strided(sizes, strides, dtype=dtype)


# empty(sizes, strides, dtype): an uninitialized tensor on the CPU.
empty = _compiler_part("_empty_strided_cpu") or _empty_strided
