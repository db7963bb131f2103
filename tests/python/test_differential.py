"""Python and the executable accept and refuse the same spoiled files, for the same reason."""

import hashlib
import random

import pytest

import icepoint
from icepoint import _C
from small_model import binary, digits, encode, run

SEED, FILES = 20, 60


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """`data` with a few bytes changed, sometimes cut, mostly with the digest put right again."""
    out = bytearray(data)
    length = 8 + int.from_bytes(data[:8], "little")
    for _ in range(rng.randint(1, 3)):
        end = rng.choice([length, len(out)])
        out[rng.randrange(99, end)] = rng.choice([*b'0123456789-,:"[]{}e.\\', rng.randrange(256)])
    if rng.random() < 0.1:
        del out[rng.randrange(1, len(out)) :]
    if rng.random() < 0.9 and len(out) > 99:
        out[35:99] = b"0" * 64
        out[35:99] = hashlib.sha256(out).hexdigest().encode()
    return bytes(out)


@pytest.mark.parametrize("seed", range(SEED, SEED + FILES))
def test_one_verdict(seed, tmp_path):
    assert binary()
    path = tmp_path / "model.ice"
    path.write_bytes(spoiled(encode(classes=digits(10)), random.Random(seed)))
    try:
        icepoint.load(path)
    except _C.ModelFileError as refused:
        line = run("inspect", path, ok=False)
        assert line.endswith(f"': {refused}")  # behind the path
    else:
        run("inspect", path)
