"""python -m icepoint: help, JSON, exit codes, and training that gives the same bytes twice."""

import json
import subprocess
import sys

import pytest
import torch

import icepoint
from icepoint import data
from icepoint.cli import main


@pytest.fixture(scope="module")
def frozen_file(tmp_path_factory):
    torch.manual_seed(0)
    net = icepoint.models.Net()
    net.quantize()
    images = torch.randn(8, 1, 28, 28)
    with torch.no_grad():
        net.quantize_forward(images)
    return net.freeze(recipe=data.RECIPES["mnist"]).save(tmp_path_factory.mktemp("cli") / "Net.ice")


@pytest.mark.parametrize("command", ["train", "quantize", "evaluate", "bench", "inspect", "verify"])
def test_help_has_an_example_and_json(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert f"example: python -m icepoint {command}" in text and "--json" in text


def test_runs_as_a_module(frozen_file):
    command = [sys.executable, "-m", "icepoint", "verify", str(frozen_file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["passed"] is True and found["digest"] == icepoint.load(frozen_file).digest
    assert done.stderr == ""


def test_inspect(frozen_file, capsys):
    assert main(["inspect", str(frozen_file)]) == 0
    text = capsys.readouterr().out
    model = icepoint.load(frozen_file)
    assert model.digest in text and "28 x 28" in text
    for layer in model.layers():
        assert layer["name"] in text
    assert main(["inspect", str(frozen_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == model.describe()


def test_bench(frozen_file, capsys):
    threads = icepoint.get_num_threads()
    try:
        arguments = [str(frozen_file), "--batch", "3", "--threads", "1", "--seconds", "0.01", "--per-layer"]
        assert main(["bench", *arguments]) == 0
        text = capsys.readouterr().out
        layers = icepoint.load(frozen_file).layers()
        assert "batch 3, 1 thread," in text and all(layer["name"] in text for layer in layers)
        assert main(["bench", *arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    finally:
        icepoint.set_num_threads(threads)
    assert (found["batch"], found["threads"], found["isa"]) == (3, 1, icepoint.isa())
    assert found["runs"] >= 5
    assert 0 < found["min_us"] <= found["median_us"] <= found["p90_us"] <= found["p99_us"]
    assert [layer["layer"] for layer in found["layers"]] == [layer["name"] for layer in layers]
    assert [layer["macs"] for layer in found["layers"]] == [3 * (layer.get("macs") or 0) for layer in layers]
    assert sum(layer["us"] for layer in found["layers"]) > 0


def test_verify(frozen_file, capsys):
    assert main(["verify", str(frozen_file)]) == 0
    assert "the self-check passed" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["bench", "inspect", "verify"])
def test_errors_are_one_line_and_exit_code_1(command, tmp_path, capsys):
    torn = tmp_path / "torn.ice"
    torn.write_bytes(b"\x00" * 7)
    for path in (torn, tmp_path / "absent.ice", tmp_path):
        assert main([command, str(path)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"icepoint {command}: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--epochs", "0"],
        ["train", "--model", "Vgg"],
        ["train", "--seed", "x"],
        ["bench", "net.ice", "--seconds", "nan"],
        ["bench", "net.ice", "--batch", "0"],
        [],
    ],
)
def test_arguments_that_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code != 0 and "usage:" in capsys.readouterr().err


@pytest.fixture
def few_digits(monkeypatch):
    """MNIST with 300 + 100 digits: the command is judged here, not the network."""
    whole = data.load("mnist", embedded=True)
    few = data.Dataset(
        whole.train_images[::13],
        whole.train_labels[::13],
        whole.test_images[::10],
        whole.test_labels[::10],
        "few",
    )
    monkeypatch.setattr(data, "load", lambda *args, **kwargs: few)
    return few


@pytest.mark.parametrize("model", ["Net", "NetBN"])
def test_train_is_deterministic_and_loads_strictly(few_digits, tmp_path, capsys, model):
    results = []
    for name in ("first.pt", "second.pt"):
        out = tmp_path / name
        assert main(["train", "--model", model, "--epochs", "2", "--out", str(out), "--json"]) == 0
        results.append((json.loads(capsys.readouterr().out), out.read_bytes()))
    assert results[0][1] == results[1][1]
    found = results[0][0]
    assert found["train_loss"] == results[1][0]["train_loss"] and len(found["train_loss"]) == 2
    assert (found["model"], found["epochs"], found["seed"], found["threads"]) == (model, 2, 1, 1)
    net = getattr(icepoint.models, model)()
    net.load_state_dict(torch.load(tmp_path / "first.pt", weights_only=True))
    net.eval()
    with torch.no_grad():
        hits = net(data.normalize(few_digits.test_images)).argmax(1).numpy() == few_digits.test_labels
    assert hits.mean() == found["test_accuracy"]


def test_few_digits_do_not_replace_the_committed_weights(few_digits, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1"]) == 0
    assert "few" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["mnist_5k_cnn.pt"]


def test_train_says_what_is_missing(tmp_path, capsys):
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "net.pt")]) == 1
    assert "train-images-idx3-ubyte" in capsys.readouterr().err
