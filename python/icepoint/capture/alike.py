"""Whether two float modules compute the same: one network, read for two sizes, may hold other constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def alike(a: nn.Module, b: nn.Module) -> bool:
    """Whether both are of one class, with equal attributes and tensors, and so are their children.

    Of an attribute that cannot be compared only the same object counts as equal.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    tables = zip((a._parameters, a._buffers, _own(a)), (b._parameters, b._buffers, _own(b)), strict=True)
    if not all(x.keys() == y.keys() and all(_equal(x[k], y[k]) for k in x) for x, y in tables):
        return False
    children = dict(a.named_children()), dict(b.named_children())
    return children[0].keys() == children[1].keys() and all(
        alike(child, children[1][name]) for name, child in children[0].items()
    )


def _own(module: nn.Module) -> dict[str, Any]:
    """What a class's own __init__ set, but for tensors and children."""
    return {k: v for k, v in module.__dict__.items() if not k.startswith("_") and k != "training"}


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        # What a module around existing tensors does not need, such as a count of batches, lies on meta.
        return (a.is_meta and b.is_meta) or (a.dtype == b.dtype and torch.equal(a, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return isinstance(a, (bool, int, float, str)) and type(a) is type(b) and a == b
