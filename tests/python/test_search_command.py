"""python -m icepoint search: plan, files, resumption and errors, on a network of three layers."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import icepoint
from icepoint.cli import main
from icepoint.search_bits import evaluate

SEED = 63
SOURCE = '''
"""A user's own file."""
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
'''
RECIPE = ["--mean", "0.5", "--std", "0.25"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """net.py, its weights, images.npz and the same images as a folder of class folders."""
    path = tmp_path_factory.mktemp("user")
    (path / "own_searched.py").write_text(SOURCE)
    torch.manual_seed(SEED)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    )
    torch.save(net.state_dict(), path / "weights.pt")
    pixels = np.random.default_rng(SEED).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    with torch.no_grad():
        answers = net(icepoint.Recipe([0.5], [0.25])(pixels)).argmax(1).numpy()
    np.savez(path / "images.npz", x=pixels, y=answers)
    for name, image, label in zip(range(60), pixels, answers, strict=True):
        folder = path / "photos" / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{name:02}.png")
    return path


@pytest.fixture(autouse=True)
def _short_timing(monkeypatch, place):
    monkeypatch.setattr(evaluate, "ROUND_SECONDS", 1e-3)
    monkeypatch.chdir(place)


def command(*arguments):
    model = ["search", "own_searched.py:net", "--weights", "weights.pt", "--recipe", "fast"]
    return main([*model, "--weight-bits", "8", "5", "3", "--max-drop", "0.05", *arguments])


def test_a_search_tells_its_plan_saves_its_file_and_goes_on(place, capsys):
    arguments = ["--data", "images.npz", *RECIPE, "--state", "s.json", "--out", "found.ice"]
    assert command(*arguments, "--plot", "front.png", "--evaluations", "2") == 0
    out = capsys.readouterr().out
    assert out.index("search     the least bytes, with top1") < out.index("most bits")
    assert "every fifth image calibrates, the other 48 judge" in out
    assert "Stopped early: all evaluations used" in out
    assert (place / "front.png").read_bytes().startswith(b"\x89PNG")
    assert command(*arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["met"] and not found["stopped"] and found["drop"] <= 0.05
    frozen = icepoint.load("found.ice")
    assert frozen.digest == found["digest"] and len(frozen.file_bytes) == found["bytes"]
    assert list(frozen.recipe.mean) == [0.5]
    assert {
        op["name"]: op["fields"]["weight_bits"] for op in frozen.layers() if "weight_bits" in op["fields"]
    } == (found["weight_bits"])


def test_class_folders_and_calibration_data_of_their_own(capsys):
    folder = ["--data", "photos", "--input", "1,8,8", *RECIPE, "--calibrate", "images.npz", "--json"]
    assert command(*folder, "--metric", "agreement", "--out", "folder.ice") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 60 and found["float_metric"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "images.npz"], "by a recipe"),
        (["--data", "weights.pt", *RECIPE], "expected a folder of class folders, or a .npz"),
        (["--data", "photos", *RECIPE], "by a recipe and a size"),
        (["--data", "images.npz", *RECIPE, "--state", "own_searched.py"], "is no state of a search"),
    ],
)
def test_errors_are_one_line(capsys, arguments, message):
    assert command(*arguments, "--out", "none.ice") == 1
    err = capsys.readouterr().err
    assert err.startswith("icepoint search: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--max-drop", "-1"], ["--minutes", "0"], ["--cost", "watts"]])
def test_arguments_that_are_no_numbers_are_refused(capsys, arguments):
    with pytest.raises(SystemExit):
        command("--data", "images.npz", *arguments)
    assert arguments[0] in capsys.readouterr().err
