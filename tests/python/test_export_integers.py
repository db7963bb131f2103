"""The integers as JSON, NPZ and a folder: read back, replayed, written whole, and refused in words."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import icepoint
from export_models import NET, encoded, of_sums, reals
from file_writer import metadata_of
from icepoint.atomic_file import atomic_file, atomic_folder
from icepoint.export.array_text import decimals
from icepoint.export.interpreter import load
from random_graphs import random_graph, random_inputs
from random_ops import ADDERS
from test_golden import GOLDEN
from test_output_functions import function_of


@pytest.mark.parametrize("op", sorted(ADDERS))
def test_json_and_npz_alone_are_the_model(op, tmp_path):
    for seed in (7, 8):
        frozen = encoded(*random_graph(seed, op))
        inputs = random_inputs(seed, {"inputs": frozen.describe()["inputs"]}, 2)
        want = frozen.trace(*map(torch.from_numpy, inputs))
        for path in (frozen.export_json(tmp_path / "m.json"), frozen.export_npz(tmp_path / "m.npz")):
            read = load(path)
            found = read.trace(*inputs)
            assert list(found) == list(want)
            for name, codes in want.items():
                np.testing.assert_array_equal(found[name], codes)
            for name, layer in frozen.integers().items():  # scales too, to the last bit
                for key, value in layer.items():
                    np.testing.assert_array_equal(read[name][key], value)


def test_json_is_json_with_all_that_the_file_says(tmp_path):
    frozen = encoded(*random_graph(3, "qlinear"))
    functions = [function_of("argmax", 0), *[None] * (len(frozen.describe()["outputs"]) - 1)]
    frozen = encoded(*random_graph(3, "qlinear"), functions)
    told = json.loads(frozen.export_json(tmp_path / "m.json").read_text(encoding="utf-8"))
    assert told["digest"] == frozen.digest and told["arithmetic"] == 1
    assert told["outputs"][0]["function"] == functions[0]
    proof = {layer["name"]: layer["accumulator"] for layer in told["layers"] if "accumulator" in layer}
    assert proof == json.loads(metadata_of(frozen.file_bytes)["overflow_proof"])


def test_the_same_model_gives_the_same_bytes(tmp_path):
    frozen = icepoint.load(NET)
    for name in ("export_json", "export_npz", "export_c_header"):
        first, second = (getattr(frozen, name)(tmp_path / f"m{k}.npz") for k in (1, 2))
        same = first.read_bytes().replace(b"m1", b"m2").replace(b"M1", b"M2")
        assert same == second.read_bytes()


def test_other_arithmetic_is_refused(tmp_path):
    path = icepoint.load(NET).export_json(tmp_path / "m.json")
    path.write_text(path.read_text().replace('"arithmetic":1', '"arithmetic":2'))
    with pytest.raises(ValueError, match=r"m\.json: arithmetic 2, this interpreter knows 1"):
        load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"layers": []}')
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    for name in ("a.json", "a.npz"):
        with pytest.raises(ValueError, match=f"{name}: expected integers that icepoint exported"):
            load(tmp_path / name)


def test_decimals_of_extremes():
    whole = np.array([-(2**31), 2**31 - 1, 0], np.int32)
    assert b"".join(decimals(whole)) == b"-2147483648,2147483647,0"
    for dtype in (np.int8, np.uint8):
        every = np.arange(256).astype(dtype).repeat(400)  # more than one block
        text = b"".join(decimals(every)).decode()
        np.testing.assert_array_equal(np.array(json.loads(f"[{text}]"), dtype), every)
    reals = np.array([2.0**-100, 2.0**100, 1 / 3], np.float32)
    np.testing.assert_array_equal(
        np.array(json.loads(f"[{b''.join(decimals(reals)).decode()}]"), np.float32), reals
    )


def test_the_folder_replays_itself_without_icepoint(tmp_path):
    frozen = icepoint.load(GOLDEN / "random_qconcat.ice")
    folder = frozen.export_folder(tmp_path / "made")
    command = [sys.executable, "-m", "interpreter", "integers.npz", "vectors.npz"]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "every code is equal" in done.stdout
    used = "\n".join(p.read_text() for p in (folder / "interpreter").glob("*.py"))
    assert "icepoint import" not in used and "import torch" not in used

    with np.load(folder / "vectors.npz") as vectors:
        arrays = dict(vectors)
    inputs = [arrays[str(i)] for i in range(len(frozen._inputs))]
    for k, codes in enumerate(frozen.trace(*map(torch.from_numpy, inputs)).values()):
        np.testing.assert_array_equal(arrays[str(k)], codes)
    text = (folder / "README.md").read_text()
    for layer in frozen.layers():
        assert f"| `{layer['name']}` | {layer['op']} |" in text
        if "overflow" in layer:
            assert f"{layer['overflow']['lo']}..{layer['overflow']['hi']}" in text
    assert frozen.digest in text

    arrays["1"][0].reshape(-1)[0] ^= 1
    np.savez(folder / "vectors.npz", **arrays)
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert done.returncode == 1 and "codes differ" in done.stderr


def test_reals_of_accumulators_travel(tmp_path):
    """JSON and NPZ alone give them, the read-me tells them, the vectors check them."""
    frozen = of_sums(icepoint.load(NET))
    (x,) = reals(frozen, 5)
    want = frozen(x).numpy()
    assert not np.array_equal(want, icepoint.load(NET)(x).numpy())
    for path in (frozen.export_json(tmp_path / "m.json"), frozen.export_npz(tmp_path / "m.npz")):
        read = load(path)
        assert read.outputs[0]["accumulators"] is True
        np.testing.assert_array_equal(read(x.numpy()), want)
        np.testing.assert_array_equal(read.codes(x.numpy()), frozen.codes(x).numpy())

    folder = frozen.export_folder(tmp_path / "made")
    text = (folder / "README.md").read_text()
    assert "| of acc |" in text and "real = float32(acc * (x_scale * weight_scale[c]))" in text
    plain = (icepoint.load(NET).export_folder(tmp_path / "plain") / "README.md").read_text()
    assert "| of codes |" in plain and "real = float32" not in plain
    command = [sys.executable, "-m", "interpreter", "integers.npz", "vectors.npz"]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    with np.load(folder / "vectors.npz") as vectors:
        arrays = dict(vectors)
    (q,) = frozen.describe()["inputs"]
    inputs = (arrays["0"].astype(np.float32) - np.float32(q["zero_point"])) * np.float32(q["scale"])
    np.testing.assert_array_equal(arrays["output.0"], frozen(torch.from_numpy(inputs)).numpy())
    arrays["output.0"][0, 3] = np.nextafter(arrays["output.0"][0, 3], np.float32(np.inf))
    np.savez(folder / "vectors.npz", **arrays)
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert done.returncode == 1 and "qfc: 1 of 20 reals differ" in done.stderr


def test_sums_of_the_vectors_lie_in_the_proved_range(tmp_path):
    frozen = icepoint.load(NET)
    folder = frozen.export_folder(tmp_path / "made")
    with np.load(folder / "vectors.npz") as vectors:
        for k, layer in enumerate(frozen.layers(), 1):
            assert (f"acc.{k}" in vectors.files) == ("overflow" in layer)
            if "overflow" in layer:
                acc = vectors[f"acc.{k}"]
                assert acc.shape[1:] == tuple(layer["shape"])
                assert layer["overflow"]["lo"] <= acc.min() and acc.max() <= layer["overflow"]["hi"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    frozen = icepoint.load(GOLDEN / "random_clamp.ice")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(OSError, match=r"the folder holds 'thesis\.txt', which is not of an export"):
        frozen.export_folder(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    assert frozen.export_folder(tmp_path / "new") == frozen.export_folder(tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "new"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "old.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder", frozenset()) as folder:
        (folder / "a").write_text("a")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["old.bin"] and path.read_bytes() == b"old"
    link = tmp_path / "link.bin"
    link.symlink_to(path)
    path.chmod(0o600)
    with atomic_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="it is no regular file"), atomic_file(tmp_path):
        pass
