"""Which lines of a user's forward read a size: they may fix it, or steer by it."""

from __future__ import annotations

import linecache
import os
import re
import sys
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch._subclasses import FakeTensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MODELS = os.path.join(_OURS, "models") + os.sep


def is_user_s(filename: str) -> bool:
    """Whether a file is neither torch's nor icepoint's; the networks in icepoint.models count as a user's."""
    name = os.path.abspath(filename)
    return not name.startswith((_TORCH, _OURS, "/<frozen")) or name.startswith(_MODELS)


def shown(filename: str) -> str:
    """How a message names a file: torch's own from `torch/` on, since where it is installed says nothing."""
    return filename.replace(_TORCH, "torch/") if filename.startswith(_TORCH) else filename


def is_torch_s(module: nn.Module) -> bool:
    """Whether a module's class is one of torch.nn's."""
    return type(module).__module__.startswith("torch.nn.")


class SizeReads(TorchFunctionMode):
    """While active, notes whether a user's code reads a size other than the number of images.

    Without such a read nothing in the graph can depend on height and width but the layers themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("__get__", "size", "numel") and not self.found:
            self.found = self._reads(name, func, args, kwargs or {}, sys._getframe(1))
        self.found = self.found or _makes_number(name, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    @staticmethod
    def _reads(name: str, func: Any, args: Any, kwargs: Any, frame: FrameType) -> bool:
        if not is_user_s(frame.f_code.co_filename):
            return frame.f_code.co_name == "_output_padding"  # a transposed convolution's output_size
        if name == "__get__":
            if func not in _SHAPES:
                return False
            code = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            return re.search(r"\.shape\b(?!\[0\])", code) is not None or ".shape" not in code
        dim = args[1] if len(args) > 1 else kwargs.get("dim")
        return name == "numel" or dim != 0


def _makes_number(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a function of torch.nn.functional makes a number of a size, which the graph would then hold."""
    if name == "interpolate":
        scaled = len(args) < 2 and kwargs.get("size") is None
        return bool(kwargs.get("recompute_scale_factor")) or (scaled and kwargs.get("mode") == "area")
    if not name.startswith("adaptive_"):
        return False
    size = args[1] if len(args) > 1 else kwargs.get("output_size")
    return isinstance(size, (tuple, list)) and None in size


class RealConstants(TorchFunctionMode):
    """While active under fake tensors, functions of real tensors alone are computed: a buffer's value."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if given and not any(isinstance(x, FakeTensor) for x in given):
            with _disable_current_modes():
                return func(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


_SHAPES = {torch.Tensor.shape.__get__, torch.Tensor.nbytes.__get__}
