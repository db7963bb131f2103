"""Hostile pictures, paths and models for the executable: one line, exit code 1, little memory and time."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from icepoint import vision
from png_writer import GREY, PALETTE, RGB, chunk, noise, png
from small_model import encode, npy_file, refuse, run


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "model.ice"
    path.write_bytes(encode())
    return path


def jpeg(**options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(out, "JPEG", **options)
    return out.getvalue()


def patched(data: bytes, where: bytes, offset: int, new: bytes) -> bytes:
    at = data.index(where) + offset
    return data[:at] + new + data[at + len(new) :]


def idat_bomb(side: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")


def scan_bomb() -> bytes:
    """A progressive JPEG whose last scan is repeated 5000 times."""
    data = jpeg(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * 5000 + data[-2:]


SOF = b"\xff\xc0"  # marker, length (2), precision (1), height (2), width (2), components (1)
GOOD_PNG, GOOD_JPEG = png(noise(8, 8, 1), 8, GREY), jpeg()
PICTURES = {
    "signature.png": (GOOD_PNG[:8], ""),
    "cut.png": (GOOD_PNG[:60], "ends before the picture"),
    "no_end.png": (GOOD_PNG[:-20], ""),
    "zero.png": (patched(GOOD_PNG, b"IHDR", 4, bytes(4)), ""),
    "wide.png": (patched(GOOD_PNG, b"IHDR", 4, b"\x7f\xff\xff\xff"), ""),
    "bomb.png": (idat_bomb(60000), "60000 x 60000 pixels are more than"),
    "crc.png": (patched(GOOD_PNG, b"IDAT", 30, b"\0\1\2"), ""),
    "depth.png": (png(noise(8, 8, 3, high=2), 1, RGB), ""),
    "no_palette.png": (png(noise(8, 8, 1), 8, PALETTE), ""),
    "palette.png": (png(noise(8, 8, 1), 8, PALETTE, chunk(b"PLTE", bytes(6))), "there are 2 colours"),
    "start.jpg": (GOOD_JPEG[:3], "ends before the picture"),
    "cut.jpg": (GOOD_JPEG[:-40], "ends before the picture"),
    "no_end.jpg": (GOOD_JPEG[:-2], "ends before the picture"),
    "zero.jpg": (patched(GOOD_JPEG, SOF, 7, b"\0\0"), ""),
    "bomb.jpg": (patched(GOOD_JPEG, SOF, 5, b"\xff\0\xff\0"), "pixels are more than"),
    "depth.jpg": (patched(GOOD_JPEG, SOF, 4, b"\x0c"), ""),
    "words.png": (b"not a picture at all", "unknown kind of file, expected .png"),
    "empty.png": (b"", "unknown kind of file"),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_that_both_refuse(model, tmp_path, name):
    data, words = PICTURES[name]
    path = tmp_path / name
    path.write_bytes(data)
    refuse(model, path, words)
    with pytest.raises(ValueError, match=name):
        vision.read_image(path)


def test_a_jpeg_of_endless_scans(model, tmp_path):
    path = tmp_path / "scans.jpg"
    path.write_bytes(scan_bomb())
    refuse(model, path, "more than 200 scans")


def test_another_size_is_refused_in_words(model, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png(noise(9, 8, 1), 8, GREY))
    refuse(model, path, "the picture has 8 x 9 pixels, the model takes 8 x 8 and its recipe has no resize")


# ---- the environment, for inputs and for the model itself


def odd_paths(folder):
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to(folder / "loop")
    return {
        "folder": folder, "fifo": folder / "fifo", "device": "/dev/zero", "missing": folder / "missing",
        "loop": folder / "loop", "under_a_file": folder / "empty" / "x", "empty": folder / "empty",
        "long": folder / ("x" * 300), "nothing": "",
    }  # fmt: skip


def test_paths_that_are_no_files(model, tmp_path):
    for name, path in odd_paths(tmp_path).items():
        line = run("run", model, path, ok=False, timeout=20)
        assert os.path.basename(path) in line, name
        run("inspect", path, ok=False, timeout=20)


def test_unreadable_files(model, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    path = tmp_path / "closed.npy"
    path.write_bytes(npy_file())
    path.chmod(0)
    assert "Permission denied" in run("run", model, path, ok=False)


def test_outputs_that_cannot_be_written(model, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(npy_file())
    for option in ("--raw", "--output"):
        assert "cannot save" in run("run", model, path, option, tmp_path / "nowhere" / "y.npy", ok=False)


def test_a_model_without_recipe_takes_no_pictures(tmp_path):
    model, picture = tmp_path / "model.ice", tmp_path / "x.png"
    model.write_bytes(encode(pictures=False))
    picture.write_bytes(GOOD_PNG)
    refuse(model, picture, "the model has no input recipe and takes no pictures")
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 8, 8), np.float32))
    run("run", model, tmp_path / "x.npy")
    refuse_eval = run("eval", model, tmp_path, ok=False)
    assert "no input recipe" in refuse_eval


def test_a_damaged_model_is_refused_by_every_command(model, tmp_path):
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    broken = tmp_path / "broken.ice"
    broken.write_bytes(data)
    for command in ("inspect", "verify", "bench"):
        assert "digest" in run(command, broken, ok=False)
    assert "digest" in run("run", broken, "x.npy", ok=False)
    assert "digest" in run("eval", broken, "x", ok=False)
