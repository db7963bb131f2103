"""Arrays as decimal text, block by block: the weights of a large network are never one string in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 16  # numbers
_LINE = 20  # of them


def decimals(array: np.ndarray, suffix: str = "") -> Iterator[bytes]:
    """The numbers in C order, "," between them and line breaks; integers, or float32 as they read back.

    >>> b"".join(decimals(np.array([1, -2, 30], np.int8)))
    b'   1,  -2,  30'
    >>> b"".join(decimals(np.array([0.1, 2], np.float32), suffix="f"))
    b'0.10000000149011612f,2.0f'
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    for first in range(0, flat.size, _BLOCK):
        some = flat[first : first + _BLOCK]
        text = _bytes(some) if flat.itemsize == 1 else _numbers(some, suffix)
        yield text if first + _BLOCK < flat.size else text.rstrip(b",\n")


def _bytes(codes: np.ndarray) -> bytes:
    """Each of 256 codes has its five characters: a table instead of a million conversions."""
    first = -128 if codes.dtype == np.int8 else 0
    words = [b"%4d," % code for code in range(first, first + 256)]
    table = np.frombuffer(b"".join(words), np.uint8).reshape(256, 5)
    text = table[codes.astype(np.int16) - first]
    whole = len(codes) // _LINE * _LINE
    lines = text[:whole].reshape(-1, _LINE * 5)
    lines = np.concatenate([lines, np.full((len(lines), 1), ord("\n"), np.uint8)], 1)
    return lines.tobytes() + text[whole:].tobytes()


def _numbers(values: np.ndarray, suffix: str) -> bytes:
    words = [f"{value!r}{suffix}," for value in values.tolist()]
    lines = ("".join(words[i : i + _LINE]) for i in range(0, len(words), _LINE))
    return "\n".join(lines).encode()
