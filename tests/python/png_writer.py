"""Writes PNG files by hand: Pillow cannot write every depth, interlacing or damage."""

import struct
import zlib

import numpy as np

from oracle_numbers import rng
from small_model import SEED

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # colour types


def noise(*shape, high=256) -> np.ndarray:
    return rng(SEED).integers(0, high, shape).astype(np.uint8)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def rows(samples: np.ndarray, depth: int) -> bytes:
    """Samples (h, w, c) packed to `depth` bits, each row behind filter 0."""
    out = b""
    for row in samples.reshape(len(samples), -1):
        bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
        out += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    return out


def png(
    samples: np.ndarray, depth: int, colour: int, extra: bytes = b"", interlaced=False, tail: bytes = b""
):
    h, w = samples.shape[:2]
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    if interlaced:
        passes = (samples[y::dy, x::dx] for x, y, dx, dy in ADAM7)
        data = b"".join(rows(part, depth) for part in passes if part.size)
    else:
        data = rows(samples, depth)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + tail
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def exif(orientation: int, order: str = ">") -> bytes:
    magic = b"MM" if order == ">" else b"II"
    return magic + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
