"""Python and the executable accept and refuse the same spoiled files, for the same reason."""

import hashlib
import json
import random

import pytest

import icepoint
from file_writer import metadata_of, spell, with_metadata
from icepoint import _C
from small_model import binary, digits, encode, run

SEED, FILES = 20, 60
FUNCTION = {"function": "argmax", "axis": 0, "keepdim": True}
RESIZE = {"fit": "letterbox", "filter": "bilinear", "fill": 114}
# What a stranger may write in both recipes, and its neighbours that are sound.
RECIPES = [
    ({"function": name, "axis": axis, **more}, resize)
    for name, axis, more in (
        ("softmax", 0, {}), ("softmax", 1, {}), ("softmax", -1, {}), ("softmax", 0.0, {}), ("softly", 0, {}),
        ("argmax", 0, {"keepdim": False}), ("argmax", 0, {"keepdim": 1}), ("argmax", 0, {}),
        ("sigmoid", 0, {}), ("log_softmax", 0, {"keepdim": False}), ("log_softmax", True, {}),
    )
    for resize in (
        None, RESIZE, {**RESIZE, "fill": 256}, {**RESIZE, "shorter_side": 9}, {**RESIZE, "filter": "lanczos"},
        {"fit": "crop", "filter": "bicubic", "shorter_side": 7}, {"fit": "stretch"},
    )
]  # fmt: skip


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
    facts = {"function": FUNCTION, "resize": RESIZE} if seed % 2 else {}
    path.write_bytes(spoiled(encode(classes=digits(10), **facts), random.Random(seed)))
    try:
        icepoint.load(path)
    except _C.ModelFileError as refused:
        line = run("inspect", path, ok=False)
        assert line.endswith(f"': {refused}")  # behind the path
    else:
        run("inspect", path)


@pytest.mark.parametrize(("function", "resize"), RECIPES, ids=str)
def test_one_verdict_on_recipes(function, resize, tmp_path):
    """Recipes spelled by hand into a sound file: Python, the executable and the writer agree."""
    facts = {"output_recipe": spell([function])}
    data = encode(classes=digits(10))
    if resize:
        facts["recipe"] = spell(json.loads(metadata_of(data)["recipe"]) | {"resize": resize})
    path = tmp_path / "model.ice"
    path.write_bytes(with_metadata(data, **facts))
    try:
        loaded = icepoint.load(path)
    except icepoint.ModelFileError as refused:
        assert run("inspect", path, ok=False).endswith(f"': {refused}")
        with pytest.raises(ValueError):
            encode(classes=digits(10), function=function, resize=resize)
    else:
        assert encode(classes=digits(10), function=function, resize=resize) == path.read_bytes()
        assert loaded.output_functions == (function,)
        assert loaded.describe()["recipe"].get("resize") == resize
        loaded.verify()
        run("verify", path)
