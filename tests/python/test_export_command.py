"""`python -m icepoint export`: what it writes, prints and refuses."""

import json

import numpy as np
import pytest

import icepoint
from icepoint.cli import main
from icepoint.export.interpreter import load
from test_golden import GOLDEN

NET = GOLDEN / "net_8bit_per_channel.ice"


def test_everything_at_once(tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the onnxruntime package is not installed")
    monkeypatch.chdir(tmp_path)
    digits = np.random.default_rng(0).normal(0, 1, (5, 1, 28, 28)).astype(np.float32)
    np.save("digits.npy", digits)
    names = ["--onnx", "q.onnx", "--onnx-integers", "i.onnx", "--c-header", "n.h", "--integers", "n.json"]
    command = ["export", str(NET), *names, "--folder", "hw"]
    assert main([*command, "--json", "--data", "digits.npy", "--images", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["digest"] == icepoint.load(NET).digest and told["written"]["folder"] == "hw"
    for key in ("onnx", "onnx_integers"):
        assert told["checks"][key]["images"] == 3 and told["checks"][key]["unexplained"] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "digits.npy",
        "hw",
        "i.onnx",
        "n.h",
        "n.json",
        "q.onnx",
    ]
    want = icepoint.load(NET).integers()(digits)
    np.testing.assert_array_equal(load("n.json")(digits), want)

    assert main([*command, "--images", "2"]) == 0  # on the self-check and random codes
    text = capsys.readouterr().out
    assert text.count("0 of 20 output codes differ") == 4 and "saved  hw" in text
    assert main(["export", str(NET), "--onnx", "q.onnx", "--no-check"]) == 0
    assert capsys.readouterr().out == "saved  q.onnx\n"


def test_npz_by_its_ending(tmp_path):
    path = tmp_path / "n.npz"
    assert main(["export", str(NET), "--integers", str(path)]) == 0
    assert list(load(path)) == [layer["name"] for layer in icepoint.load(NET).layers()]


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "nothing to write: give --onnx"),
        (["--integers", "x.txt"], "--integers: expected a name that ends in .json or .npz, found x.txt"),
        (["--c-header", "no/such/folder/x.h"], "No such file or directory"),
    ],
)
def test_refusals_are_one_line(options, words, capsys):
    assert main(["export", str(NET), *options]) == 1
    found = capsys.readouterr().err
    assert found.startswith("icepoint export: ") and found.count("\n") == 1 and words in found


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "example: python -m icepoint export" in capsys.readouterr().out
