"""How a tracer hears of quantization, dequantization and QModules, and whose line called them.

`icepoint.freeze` runs a network's quantize_inference once and has to know which QModule saw which
tensor. The functions of the road announce themselves here; without a tracer that costs one lookup.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn


class Tracer(Protocol):
    """What listens while a network is traced."""

    def quantized(self, x: torch.Tensor, codes: torch.Tensor, qparams: tuple[float, int, int]) -> None:
        """`codes` are `x` under (scale, zero_point, num_bits)."""

    def dequantized(self, codes: torch.Tensor, x: torch.Tensor, qparams: tuple[float, int]) -> None:
        """`x` are the real values of `codes` under (scale, zero_point)."""

    def ran(self, module: nn.Module, xs: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
        """A QModule took the codes `xs` and gave the codes `y`."""

    def inside(self) -> contextlib.AbstractContextManager[None]:
        """While active, tensor operations are icepoint's own and not the network's."""


_current: contextvars.ContextVar[Tracer | None] = contextvars.ContextVar("icepoint_tracer", default=None)


def current() -> Tracer | None:
    """The tracer that listens in this thread, if any."""
    return _current.get()


@contextlib.contextmanager
def listening(tracer: Tracer) -> Iterator[None]:
    """Makes `tracer` the listener for the block."""
    token = _current.set(tracer)
    try:
        yield
    finally:
        _current.reset(token)


def traced(method: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A QModule's quantize_inference that announces itself and names the layer in its errors."""

    signature = inspect.signature(method)

    @functools.wraps(method)
    def quantize_inference(self: nn.Module, *xs: Any, **named: Any) -> torch.Tensor:
        tracer = _current.get()
        try:
            if tracer is None:
                return method(self, *xs, **named)
            with tracer.inside():
                y = method(self, *xs, **named)
        except ValueError as error:
            raise ValueError(f"{layer_path(self)}: {error}") from error
        # In the method's own order: a.quantize_inference(b=q2, a=q1) takes q1 first.
        tracer.ran(self, signature.bind(self, *xs, **named).args[1:], y)
        return y

    return quantize_inference


_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep


def _frames() -> Iterator[FrameType]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def user_line() -> str:
    """The innermost line on the stack that is neither icepoint's nor torch's: 'net.py:12: `x = x + 1`'.

    The networks in icepoint.models count as the user's: they are written the way a user writes.
    """
    models = os.path.join(_OURS, "models") + os.sep
    for frame in _frames():
        name = os.path.abspath(frame.f_code.co_filename)
        foreign = not name.startswith((_OURS, _TORCH)) or name.startswith(models)
        if foreign and "importlib" not in name and not name.endswith(("contextlib.py", "functools.py")):
            code = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            return f"{frame.f_code.co_filename}:{frame.f_lineno}" + (f": `{code}`" if code else "")
    return "an unknown line"


def place_of(method: Callable[..., Any]) -> str:
    """Where a method is written: 'net.py:12: `def quantize_inference(self, x):`'."""
    code = inspect.unwrap(getattr(method, "__func__", method)).__code__
    line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return f"{code.co_filename}:{code.co_firstlineno}" + (f": `{line}`" if line else "")


def _is_ours(frame: FrameType) -> bool:
    return os.path.abspath(frame.f_code.co_filename).startswith(_OURS)


def layer_path(module: nn.Module) -> str:
    """The name that a user knows `module` by, for an error: "block1.qconv (QConv2d)".

    A torch module does not know its own name. The networks that hold it are on the stack as locals
    of the callers; the outermost one gives the full path. Only errors pay for this search.
    """
    kind, path = type(module).__name__, ""
    for frame in _frames():
        # A method's own network, or the one that icepoint.calibrate or icepoint.freeze was given.
        for local in ("self", "module", "model") if _is_ours(frame) else ("self",):
            owner = frame.f_locals.get(local)
            if isinstance(owner, nn.Module) and owner is not module:
                path = next((name for name, child in owner.named_modules() if child is module), path)
    return f"{path} ({kind})" if path else kind
