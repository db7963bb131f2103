"""Files and folders too large to hold in memory: written piece by piece, and still whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends well, and else leaves no trace.

    A link stays a link: what it points to is replaced. OSError where it cannot be written or `path` is no
    regular file. For bytes at hand there is _C.save_atomically.

    >>> with atomic_file("three.bin") as file:
    ...     file.write(b"abc")
    3
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"cannot save {str(path)!r}: it is no regular file")
    mode = target.stat().st_mode & 0o777 if target.exists() else _default_mode()
    handle, temporary = tempfile.mkstemp(prefix=".icepoint-", suffix=".tmp", dir=target.parent)
    try:
        with open(handle, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
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
    target = Path(os.path.realpath(path))
    if target.exists():
        if not target.is_dir():
            raise OSError(f"cannot save {str(path)!r}: it is no folder")
        others = sorted(set(os.listdir(target)) - may_hold)
        if others:
            raise OSError(
                f"cannot save {str(path)!r}: the folder holds {others[0]!r}, which is not of an export; "
                "give one that is new or empty"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".icepoint-", suffix=".tmp", dir=target.parent))
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        if target.exists():
            # Two folders cannot change places in one step; for a moment there is none of this name.
            old = Path(tempfile.mkdtemp(prefix=".icepoint-", suffix=".old", dir=target.parent))
            os.replace(target, old / target.name)
            os.replace(made, target)
            shutil.rmtree(old)
        else:
            os.replace(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _default_mode() -> int:
    return 0o666 & ~_umask()
