"""Why a road to the graph is closed: torch's own errors in words, with the user's line."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence

from torch import nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from .reads import is_torch_s, is_user_s


class Refusal(Exception):
    """Why a road does not lead to a graph; `final`: and no other one will."""

    def __init__(self, reason: str, line: str = "", final: bool = False):
        super().__init__(reason)
        self.reason, self.line, self.final = reason, line, final

    def __str__(self) -> str:
        return self.reason + (f" ({self.line})" if self.line else "")


_STEERED = "a value that it computes steers its Python code"


@contextlib.contextmanager
def torch_s_logs_off() -> Iterator[None]:
    """Torch logs the errors of its tracing with a traceback; the error itself is told to the user."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Torch's own errors as Refusal; its warnings and logs are not for the user."""
    try:
        # torch.export prints the graph that it had when it met a value that steers.
        with (
            torch_s_logs_off(), warnings.catch_warnings(),
            contextlib.redirect_stdout(None), contextlib.redirect_stderr(None),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            yield
    except Refusal:
        raise
    except Exception as error:  # torch raises its internals' own types
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if isinstance(error, GuardOnDataDependentSymNode):
            reason = _STEERED
        raise Refusal(reason.rstrip("."), line_of(error)) from error


def line_of(error: BaseException) -> str:
    """The user's innermost line in the error's traceback: 'net.py:12: `if x.sum() > 0:`'.

    Of a network of torch's modules alone the innermost module.
    """
    frames = traceback.extract_tb(error.__traceback__)
    generated = "<string>", "<lambda>"  # torch's own wrapper around what it traces
    users = [f for f in frames if is_user_s(f.filename) and (f.filename, f.name) != generated]
    if users:
        return place(users[-1])
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [m for m in owners if isinstance(m, nn.Module) and is_torch_s(m) and not list(m.children())]
    return f"in {modules[-1]}" if modules else ""


def place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno}" + (f": `{frame.line}`" if frame.line else "")


def in_words(model: nn.Module, refused: Sequence[Refusal]) -> str:
    """One message of all roads' reasons."""
    name, last = type(model).__name__, refused[-1]
    if last.final:
        return f"quantize: cannot capture {name}: {last}"
    if last.reason == _STEERED:
        return (
            f"quantize: cannot capture {name}: {last}; a frozen graph cannot depend on values: compute "
            "both ways and choose with torch.where, or take this out of the model"
        )
    return f"quantize: torch.export cannot capture {name}: " + "; ".join(dict.fromkeys(map(str, refused)))
