"""Workers: the processes of a torch.distributed job that calibrate or evaluate one model together.

docs/distributed.md says what is shared and why the number of workers shows in no byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist

from ._C import get_num_threads, set_num_threads


class WorkerError(RuntimeError):
    """Another worker failed; the message says which one, and what it said."""


class LostWorkerError(WorkerError):
    """Another worker is gone, or did not answer in time."""


class Workers:
    """One process that is alone, the base of those that are several: `rank` of 0..`size` - 1."""

    rank, size = 0, 1

    def gather(self, value: Any) -> list[Any]:
        """What every worker gives, in the order of ranks; all must call it, each as often as the others.

        WorkerError where another one has failed, LostWorkerError where it is gone.
        """
        return [value]

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of all workers' integer tensors, exact as long as it fits.

        >>> Workers().sum(torch.tensor([1, 2]))
        tensor([1, 2])
        """
        if x.is_floating_point():
            raise ValueError(f"Workers.sum: expected integers, whose sums have no order, found {x.dtype}")
        return torch.stack(self.gather(x)).sum(0)

    def same(self, value: str, what: str) -> None:
        """ValueError, on every worker, unless all give the same value for `what`, which says what to do."""
        found = self.gather(value)
        others = [str(rank) for rank, its in enumerate(found) if its != found[0]]
        if others:
            raise ValueError(f"worker {', '.join(others)} of {self.size} differs from worker 0: {what}")

    def share(self, count: int, divisible: bool = True) -> Share:
        """This worker's part of `count` things; all of them unless they are `divisible`."""
        return Share(self, count, divisible)


class Share:
    """A slice of `count` things in a row, for each worker another one; of fewer things than workers all.

    >>> share = Workers().share(3)
    >>> share.joined(share.of(torch.arange(3)))
    tensor([0, 1, 2])
    """

    def __init__(self, workers: Workers, count: int, divisible: bool = True):
        self._workers, self.count = workers, count
        self._is_all = workers.size == 1 or count < workers.size or not divisible
        first, end = (count * (workers.rank + i) // workers.size for i in (0, 1))
        self._slice = slice(0, count) if self._is_all else slice(first, end)

    def of(self, things: Any) -> Any:
        """What is this worker's of a sequence or of a tensor's axis 0."""
        return things[self._slice]

    def joined(self, results: Any) -> Any:
        """The results for this worker's things, a list or a tensor, behind and before those of the others."""
        if self._is_all:
            return results
        parts = self._workers.gather(results)
        return torch.cat(parts) if isinstance(results, torch.Tensor) else list(itertools.chain(*parts))


class _Group(Workers):
    """The workers of torch's process group, or of one with gloo beside it where it has another backend."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        is_gloo = "gloo" in str(dist.get_backend())
        self._group = dist.group.WORLD if is_gloo else dist.new_group(backend="gloo")

    def leave(self) -> None:
        """Lets go of the process group, for good; ends it where it is one of its own.

        This object lives on where anything in a cycle of references knows it (a model, an exception), and a
        group that anybody holds keeps its threads after destroy_process_group: see commands/launched.py.
        """
        group = self.__dict__.pop("_group")
        if dist.is_initialized() and group is not dist.group.WORLD:
            dist.destroy_process_group(group)

    def gather(self, value: Any) -> list[Any]:
        return self._exchange(None, value)

    def tell(self, error: BaseException) -> None:
        """Gives all others, at their next gather, a WorkerError that says what went wrong here."""
        if not isinstance(error, WorkerError):  # which all have got
            with contextlib.suppress(WorkerError):
                self._exchange(_said(error), None)

    def _exchange(self, failure: str | None, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.size
        try:
            dist.all_gather_object(found, (failure, value), group=self._group)
        except RuntimeError as error:
            raise LostWorkerError(
                f"worker {self.rank} of {self.size}: another worker is gone or did not answer in time; every "
                f"worker must make the same calls (`with icepoint.distributed.alone()` runs one without the "
                f"others); torch said: {str(error).splitlines()[0]}"
            ) from error
        told = [f"worker {rank} of {self.size}: {text}" for rank, (text, _) in enumerate(found) if text]
        if told and failure is None:
            raise WorkerError(told[0])
        return [value for _, value in found]


_ALONE = Workers()
_current: ContextVar[Workers | None] = ContextVar("workers", default=None)


def workers() -> Workers:
    """Those who are at work with this process: inside of together() all of them, else it alone."""
    return _current.get() or _ALONE


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside, quantize, calibrate and evaluate run in this process without the others.

    >>> with alone():
    ...     workers().size
    1
    """
    token = _current.set(_ALONE)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def together() -> Iterator[Workers]:
    """Where torch.distributed is initialized, what is inside is done by all its processes, one thread each.

    An exception of one of them ends it in all: there as itself, in the others as a WorkerError, once they
    gather next. Nobody leaves before all are through. Without torch.distributed, inside of alone() and of
    another together() it changes nothing.
    """
    if _current.get() is not None or not (dist.is_available() and dist.is_initialized()):
        yield workers()
        return
    group = _Group()
    token = _current.set(group)
    try:
        with _one_thread():
            yield group
            group.gather(None)
    except BaseException as error:
        group.tell(error)
        raise
    finally:
        _current.reset(token)
        group.leave()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """torch's float sums change their last bits with the number of threads, and the cores are shared."""
    threads = torch.get_num_threads(), get_num_threads()
    torch.set_num_threads(1)
    set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads[0])
        set_num_threads(threads[1])


def digest(tensors: Iterable[torch.Tensor], *described: Any) -> str:
    """SHA-256 of tensors, by their bytes, and of the repr of anything else: what same() compares."""
    found = hashlib.sha256(repr(described).encode())
    for x in tensors:
        found.update(repr((x.dtype, tuple(x.shape))).encode())
        found.update(x.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    expected = isinstance(error, (ValueError, OSError))
    return text if expected and text else f"{type(error).__name__}: {text}".removesuffix(": ")
