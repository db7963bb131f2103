"""The executable and output functions: the reals of Python byte for byte, its probabilities, its classes."""

import numpy as np
import pytest
import torch

import icepoint
from small_model import SEED, codes_of, digits, encode, idx_file, rng, run, run_json

KINDS = ("softmax", "log_softmax", "sigmoid", "argmax")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def model(kind, tmp_path):
    """The path of a grey 8 x 8 model with ten named classes that ends in the function."""
    function = {"function": kind, **({} if kind == "sigmoid" else {"axis": 0})}
    function |= {"keepdim": False} if kind == "argmax" else {}
    path = tmp_path / "model.ice"
    resize = {"fit": "letterbox", "filter": "opencv_linear", "fill": 114}
    path.write_bytes(encode(classes=[f"class {i}" for i in digits(10)], function=function, resize=resize))
    return path


@pytest.fixture
def pixels(tmp_path):
    made = rng(SEED).integers(0, 256, (23, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", made)
    return made


def reals_of(model, pixels):
    """Python's answer to the same pictures, float32."""
    frozen = icepoint.load(model)
    return frozen(frozen.recipe(torch.from_numpy(pixels)[:, None])).to(torch.float32).numpy()


def test_output_is_pythons_and_raw_the_codes(model, pixels, tmp_path):
    want = reals_of(model, pixels)
    for threads, batch in ((1, 1), (3, 7), (2, 100)):
        files = (tmp_path / "pixels.npy", "--output", tmp_path / "y.npy", "--raw", tmp_path / "q.npy")
        run("run", model, *files, "--threads", threads, "--batch", batch)
        written = np.load(tmp_path / "y.npy")
        assert written.dtype == np.float32 and written.shape == want.shape
        assert written.tobytes() == want.tobytes()
        assert (np.load(tmp_path / "q.npy") == codes_of(model.read_bytes(), pixels[..., None])).all()


def test_classes_and_probabilities(model, kind, pixels, tmp_path):
    codes, reals = codes_of(model.read_bytes(), pixels[..., None]), reals_of(model, pixels)
    out = run_json("run", model, tmp_path / "pixels.npy", "--top", "3")
    table = run("run", model, tmp_path / "pixels.npy").splitlines()
    for line, row, code, real in zip(table[1:], out["results"], codes, reals, strict=True):
        best = sorted(range(10), key=lambda i: (-int(code[i]), i))[:3]
        indices = [answer["index"] for answer in row["top"]]
        assert [answer["class"] for answer in row["top"]] == [f"class {i}" for i in indices]
        assert f"class {best[0]}" in line
        if kind == "argmax":
            assert indices == best[:1] == [int(real)]
            assert "probability" not in row["top"][0] and "%" not in line
            continue
        assert indices == best
        found = [answer["probability"] for answer in row["top"]]
        shown = real[best].astype(np.float64)
        want = np.exp(shown) if kind == "log_softmax" else shown
        np.testing.assert_allclose(found, want, rtol=1e-15)
        assert f"{want[0] * 100:.2f} %" in line


def test_eval_counts_by_codes(model, pixels, tmp_path):
    answers = codes_of(model.read_bytes(), pixels[..., None]).argmax(1)
    labels = answers.astype(np.uint8)
    labels[::3] = (labels[::3] + 1) % 10
    (tmp_path / "x").write_bytes(idx_file(pixels))
    (tmp_path / "y").write_bytes(idx_file(labels))
    out = run_json("eval", model, "--idx", tmp_path / "x", tmp_path / "y")
    assert (out["images"], out["correct"]) == (len(labels), int((answers == labels).sum()))


def test_inspect_shows_the_function_and_verify_passes(model, kind):
    text = run("inspect", model)
    shape = "()" if kind == "argmax" else "(10)"
    over = "" if kind == "sigmoid" else " over axis 0"
    assert f"fc {shape}, {kind}{over}" in text, text
    assert "of any size: letterbox, filter opencv_linear, fill 114" in text
    assert run_json("inspect", model)["outputs"][0]["function"]["function"] == kind
    assert "gives the same bytes" in run("verify", model)
    assert run_json("bench", model, "--seconds", "0.05")["runs"]
