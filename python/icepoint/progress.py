"""A progress bar on stderr, shown only where a person looks at it and has waited for a second."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .distributed import workers

_PATIENCE_SECONDS = 1.0


@contextlib.contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Yields `advance(steps, note="")`, which moves a bar of `total` steps, None where nobody knows.

    Nothing is drawn unless stderr is a terminal, nor in the first second; of several workers the first draws.

    Example:
        >>> with progress_bar("train", total=3) as advance:
        ...     for loss in (2.3, 1.1, 0.4):
        ...         advance(1, f"loss {loss}")
    """
    if not sys.stderr.isatty() or workers().rank:
        yield lambda steps, note="": None
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task(what, total=total, note="")

    def advance(steps: int, note: str = "") -> None:
        progress.update(task, advance=steps, note=note)

    # A thread, because one step can take longer than a second.
    late = threading.Timer(_PATIENCE_SECONDS, progress.start)
    late.daemon = True
    late.start()
    try:
        yield advance
    finally:
        late.cancel()
        late.join()
        progress.stop()
