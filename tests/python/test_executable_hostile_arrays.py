"""Hostile .npy, IDX and .pt files for the executable: one line, exit code 1, little memory, little time."""

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch

from small_model import encode, npy_file, refuse


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "model.ice"
    path.write_bytes(encode())
    return path


NPY = {
    "version": (npy_file(version=9), "npy version: 9 is not in 1..3"),
    "length": (npy_file()[:8] + b"\xff\xff" + npy_file()[10:], "npy header: length 65535"),
    "start": (npy_file()[:9], "not a .npy file"),
    "fortran": (npy_file(fortran_order="True"), "Fortran order"),
    "double": (npy_file(descr="'<f8'"), "dtype '<f8', expected float32 or uint8"),
    "big_endian": (npy_file(descr="'>f4'"), "dtype '>f4'"),
    "structured": (npy_file(descr="[('a', '<f4')]"), "expected a quoted word"),
    "object": (npy_file(descr="'|O'", payload=pickle.dumps(np.arange(3))), "dtype '|O'"),
    "negative": (npy_file(shape="(-8, -8)"), "a dimension has to be a whole number"),
    "huge": (npy_file(shape="(4294967296, 4294967296)"), "does not fill"),
    "digits": (npy_file(shape="(99999999999999999999, 1)"), "below 10^18"),
    "hidden_overflow": (npy_file(shape="(0, 4294967296, 4294967296)", payload=b""), "does not fill"),
    "rank": (npy_file(shape="(1, 1, 1, 1, 1, 1, 1, 8, 8)"), "rank above 8"),
    "short": (npy_file(payload=bytes(63)), "does not fill the 63 bytes"),
    "long": (npy_file(payload=bytes(65)), "does not fill the 65 bytes"),
    "twice": (npy_file("{'shape': (8, 8), 'shape': (8, 8)}"), "occurs twice"),
    "missing": (npy_file("{'descr': '|u1', 'shape': (8, 8)}"), "expected descr, fortran_order, shape"),
    "code": (npy_file("__import__('os').abort()"), "no '{'"),
    "unknown_key": (npy_file(extra="1"), "unknown key 'extra'"),
    "control": (npy_file("{'\x1b[31m\n': 1}"), "unknown key '\\x1b[31m\\x0a'"),
    "wrong_pixels": (npy_file(shape="(4, 16)"), "pixels of shape (4, 16) are not pictures"),
    "wrong_floats": (npy_file(descr="'<f4'", shape="(2, 8)"), "float32 of shape (2, 8), expected (1, 8, 8)"),
}  # fmt: skip


@pytest.mark.parametrize("name", NPY)
def test_npy(model, tmp_path, name):
    data, words = NPY[name]
    path = tmp_path / f"{name}.npy"
    path.write_bytes(data)
    refuse(model, path, words)


def idx(*dims: int, payload: bytes, kind: int = 8, rank: int | None = None) -> bytes:
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, kind, len(dims) if rank is None else rank, *dims) + payload


def gzip_bomb() -> bytes:
    """An honest IDX header of one image, then 4 GiB of zeros in 4 MB: one deflate block, many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    opening = packer.compress(idx(1, 8, 8, payload=bytes(64))) + packer.flush(zlib.Z_FULL_FLUSH)
    return opening + 256 * (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH))


MAX = 2**32 - 1
GOOD_GZ = gzip.compress(idx(1, 8, 8, payload=bytes(64)))
IDX = {
    "header": (lambda: idx(1, 8, 8, payload=b"")[:9], "ends early"),
    "short": (lambda: idx(1, 8, 8, payload=bytes(63)), "more than the file can hold"),
    "long": (lambda: idx(1, 8, 8, payload=bytes(65)), "bytes follow the last element"),
    "huge": (lambda: idx(MAX, MAX, MAX, payload=bytes(64)), "is more than"),
    "large": (lambda: idx(2**15, 2**8, 2**8, payload=bytes(64)), ""),
    "hidden": (lambda: idx(0, MAX, MAX, MAX, payload=b""), "is more than"),
    "rank0": (lambda: idx(payload=bytes(64)), "IDX rank: 0 is not in 1..4"),
    "rank255": (lambda: idx(payload=bytes(64), rank=255), "IDX rank: 255"),
    "bomb.gz": (gzip_bomb, "bytes follow the last element"),
    "claim.gz": (lambda: gzip.compress(idx(2**14, 2**8, 2**8, payload=b"")), "more than the file can hold"),
    "cut.gz": (lambda: GOOD_GZ[:-12], "early"),
    "no_crc.gz": (lambda: GOOD_GZ[:-8], "early"),
    "crc.gz": (lambda: GOOD_GZ[:-8] + b"\0\0\0\0" + GOOD_GZ[-4:], "damaged gzip data"),
    "tail.gz": (lambda: GOOD_GZ + b"x", "bytes follow"),
    "text.gz": (lambda: gzip.compress(b"hello, world"), "expected 00 00"),
}  # fmt: skip


@pytest.mark.parametrize("name", IDX)
def test_idx(model, tmp_path, name):
    make, words = IDX[name]
    path = tmp_path / name
    path.write_bytes(make())
    refuse(model, path, words)


# ---- .pt


def saved(x) -> bytes:
    out = io.BytesIO()
    torch.save(x, out)
    return out.getvalue()


def repacked(data: bytes, change) -> bytes:
    """The archive with each record as `change(name, bytes)` wants it; None drops it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            record = change(name.split("/", 1)[1], old.read(name))
            if record is not None:
                new.writestr(name, record)
    return out.getvalue()


def with_program(edit) -> bytes:
    return repacked(
        saved(torch.zeros(1, 8, 8)), lambda name, data: edit(data) if name == "data.pkl" else data
    )


def without(record: str) -> bytes:
    return repacked(saved(torch.zeros(3)), lambda name, data: None if name == record else data)


STRIDES = b"K\x40K\x08K\x01\x87"  # (64, 8, 1) of a (1, 8, 8) tensor, in pickle's instructions


class Attack:
    def __reduce__(self):
        return os.system, ("touch owned",)


PT = {
    "dict": (lambda: saved({"a": torch.zeros(3)}), "one plain tensor"),
    "list": (lambda: saved([torch.zeros(3)]), "one plain tensor"),
    "double": (lambda: saved(torch.zeros(1, 8, 8).double()), "torch.DoubleStorage, expected one tensor"),
    "sparse": (lambda: saved(torch.eye(8).to_sparse()), "sparse"),
    "module": (lambda: saved(torch.nn.Flatten()), "torch.nn.modules.flatten.Flatten"),
    "attack": (lambda: saved(Attack()), "posix.system"),
    "expanded": (lambda: saved(torch.zeros(1).expand(2**28)), "needs more bytes than the file has"),
    "cut": (lambda: saved(torch.zeros(1, 8, 8))[:-100], "pt: "),
    "no_data": (lambda: without("data.pkl"), "data.pkl"),
    "no_storage": (lambda: without("data/0"), "data/0"),
    # The storage has 64 floats in the pickle's words, and 8 bytes in truth.
    "storage": (lambda: repacked(saved(torch.zeros(1, 8, 8)), lambda n, d: d[:8] if n == "data/0" else d),
                "reaches beyond its storage"),
    "offset": (lambda: with_program(lambda p: p.replace(b"QK\0K", b"QK\1K")), "storage"),
    "stride": (lambda: with_program(lambda p: p.replace(STRIDES, b"K\x40K\x7fK\x01\x87")), "storage"),
    "negative": (lambda: with_program(lambda p: p.replace(STRIDES, b"J\xff\xff\xff\xffK\x08K\x01\x87")),
                 "pt: "),
    "memo": (lambda: with_program(lambda p: p.replace(b"q\0", b"r\xff\xff\xff\x7f", 1)), "one plain tensor"),
    "empty_stack": (lambda: with_program(lambda p: b"\x80\x02R."), "pops more than it pushed"),
    "endless": (lambda: with_program(lambda p: b"\x80\x02" + b"(" * 100_000), "more than one tensor"),
    "zip": (lambda: repacked(saved(torch.zeros(3)), lambda n, d: None), "pt: "),
}  # fmt: skip


@pytest.mark.parametrize("name", PT)
def test_pt(model, tmp_path, name, monkeypatch):
    make, words = PT[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{name}.pt"
    path.write_bytes(make())
    refuse(model, path, words)
    assert not (tmp_path / "owned").exists()


def test_big_endian_and_legacy_pt(model, tmp_path):
    path = tmp_path / "big.pt"
    path.write_bytes(repacked(saved(torch.zeros(1, 8, 8)), lambda n, d: b"big" if n == "byteorder" else d))
    refuse(model, path, "big-endian")
    torch.save(torch.zeros(1, 8, 8), tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    refuse(model, tmp_path / "legacy.pt", "unknown kind of file")
