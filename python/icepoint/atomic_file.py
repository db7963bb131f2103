"""Files and folders too large for memory, whole or not at all; bytes at hand go by C++'s save_atomically.

That one is C++'s own because the executable saves without Python; this one because a folder, or JSON of a
hundred megabytes, is written piece by piece.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

_count = itertools.count()


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends well, and else leaves no trace.

    A link stays a link: what it points to is replaced. OSError where it cannot be written or `path` is no
    regular file. For bytes at hand there is _C.save_atomically.

    >>> with atomic_file("three.bin") as file:
    ...     file.write(b"abc")
    3
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        raise OSError(f"cannot save {str(path)!r}: it is no regular file")
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    handle, temporary = _fresh(target.parent, _new_file)
    try:
        with open(handle, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())  # the bytes reach the disk before the name does
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], may_hold: frozenset[str]) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends well, and else leaves no trace.

    A folder that is there already is replaced, but only if it holds nothing beside `may_hold`: OSError else.

    >>> with atomic_folder("made", frozenset({"a.txt"})) as folder:
    ...     (folder / "a.txt").write_text("a")
    1
    """
    target = _target(path)
    if target.exists():
        if not target.is_dir():
            raise OSError(f"cannot save {str(path)!r}: it is no folder")
        others = sorted(set(os.listdir(target)) - may_hold)
        if others:
            raise OSError(
                f"cannot save {str(path)!r}: the folder holds {others[0]!r}, which is not of an export; "
                "give one that is new or empty"
            )
    _, made = _fresh(target.parent, os.mkdir)
    try:
        yield made
        _move(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _move(made: Path, target: Path) -> None:
    """`made` becomes `target`. Two folders cannot change places in one step: for a moment there is none."""
    if not target.exists():
        os.replace(made, target)
        return
    _, old = _fresh(target.parent, os.mkdir)
    os.replace(target, old)  # onto an empty folder
    try:
        os.replace(made, target)
    except BaseException:
        os.replace(old, target)
        raise
    shutil.rmtree(old)


def _target(path: str | os.PathLike[str]) -> Path:
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    return target


def _new_file(name: Path) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _fresh(folder: Path, make: Callable[[Path], Any]) -> tuple[Any, Path]:
    """What `make` makes of a name that nobody has; its mode is that of any new file."""
    while True:
        name = folder / f".icepoint-{os.getpid()}-py{next(_count)}.tmp"
        with contextlib.suppress(FileExistsError):  # left behind by a process of this number that was killed
            return make(name), name
