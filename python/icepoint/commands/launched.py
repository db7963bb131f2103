"""Commands under torchrun: all processes run one command together, and the first speaks for them."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
from collections.abc import Callable, Iterator

import torch.distributed as dist

from ..distributed import LostWorkerError, together
from ..exit_code import exit_code
from .arguments import Arguments

#: What torchrun, and other launchers, tell each process.
_LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
#: For how long a worker waits for another that lives and does not answer; one that is dead shows at once.
TIMEOUT_VARIABLE, TIMEOUT_SECONDS = "ICEPOINT_WORKER_TIMEOUT", 600.0

Command = Callable[[Arguments], int]


def launched(command: Command) -> Command:
    """`command`, run by all processes of a launcher together where there is one, else as it is.

    Only the first prints. Where one fails the first tells why, and all return 1; where one is lost, each
    that remains tells. RuntimeError where they do not find each other.
    """

    @functools.wraps(command)
    def run(args: Arguments) -> int:
        if not all(name in os.environ for name in _LAUNCHER):
            return command(args)
        with _process_group() as rank, _silent_unless_first(rank):
            return exit_code(f"icepoint {args.command}", lambda: _told_by_first(command, args, rank))

    return run


def _told_by_first(command: Command, args: Arguments, rank: int) -> int:
    try:
        with together():
            return command(args)
    except LostWorkerError:
        raise
    except (ValueError, OSError, RuntimeError):
        if rank == 0:
            raise
        return 1


@contextlib.contextmanager
def _process_group() -> Iterator[int]:
    """The launcher's processes as torch's process group; yields the rank."""
    # gloo's threads free the tensors of a collective after it has returned, for which they need the GIL. In
    # Python 3.11 a thread that asks for the GIL while Python ends is unwound, which C++ answers with
    # std::terminate: "terminate called without an active exception", exit code -6. destroy_process_group
    # waits for them, but only if nobody holds the group then: Workers let go of it, and what capturing a
    # model imports, whose functions keep the group that they find as a default argument, comes before it.
    import torch.distributed.nn.functional  # noqa: F401

    seconds = _timeout()
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=seconds))
    try:
        yield dist.get_rank()
    finally:
        with contextlib.suppress(RuntimeError):  # a lost worker
            dist.barrier()  # the launcher ends all once one has ended: only when the first has told why
        dist.destroy_process_group()


def _timeout() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE, str(TIMEOUT_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise ValueError(f"{TIMEOUT_VARIABLE}: expected 1..86400 seconds, found {text!r}")
    return seconds


@contextlib.contextmanager
def _silent_unless_first(rank: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if rank:
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        yield
