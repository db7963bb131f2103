"""Reads IDX files, the format of MNIST, plain or gzip, and refuses in words what is malformed."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

# A megabyte-sized gz file can claim terabytes: nothing above this many bytes is unpacked.
MAX_BYTES = 1 << 31


def read_idx(path: str | Path, ndim: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes.

    The format (http://yann.lecun.com/exdb/mnist): two zero bytes, the type (8 is unsigned byte), the number
    of dimensions, each dimension as a big-endian 32-bit integer, then the bytes in row-major order.

    Args:
        path: the file, plain or gzip; which of the two is read from its first bytes, not from its name.
        ndim: the dimensions that the caller expects: 3 for images (n, height, width), 1 for labels (n,).
    Returns:
        A writable uint8 array with `ndim` dimensions.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a file, or it is cut short or goes on after its last byte.

    Example:
        >>> read_idx("t10k-labels-idx1-ubyte.gz", ndim=1)[:3]
        array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    with open(path, "rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_gzip else open(path, "rb") as stream:
            return _parse(path, stream, ndim)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: damaged or cut short ({error}); fetch the file again") from error


def _parse(path: Path, stream, ndim: int) -> np.ndarray:
    magic = stream.read(4)
    expected = bytes((0, 0, 8, ndim))
    if magic != expected:
        raise ValueError(
            f"{path}: begins with {magic.hex() or 'nothing'}, expected {expected.hex()}: IDX bytes "
            f"with {ndim} dimension{'s' if ndim > 1 else ''}"
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) != 4 * ndim:
        raise ValueError(f"{path}: the header ends after {4 + len(sizes)} bytes, expected {4 + 4 * ndim}")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * ndim, 4))
    count = math.prod(shape)
    if count > MAX_BYTES:
        raise ValueError(f"{path}: its header claims {shape}, {count} bytes; the limit is {MAX_BYTES}")
    data = stream.read(count)
    if len(data) != count:
        raise ValueError(f"{path}: holds {len(data)} of the {count} bytes that its header {shape} promises")
    if stream.read(1):
        raise ValueError(f"{path}: goes on after the {count} bytes that its header {shape} promises")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes uint8 images (n, h, w) or labels (n,) as the format that everybody's MNIST is in."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes())
