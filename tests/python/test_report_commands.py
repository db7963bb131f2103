"""python -m icepoint report and compare: what they print, what they refuse, and the numbers behind it."""

import json

import numpy as np
import pytest
import torch

import icepoint
from icepoint.cli import main
from icepoint.compare import compare

NET = """
import torch
from torch import nn
def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), Rows(), nn.Linear(54, 5))
class Rows(nn.Module):
    def forward(self, x):
        return x.view(-1, 54)
"""
RECIPE = ["--mean", "0.4", "--std", "0.3"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a network, pixels, and the frozen files of two weight schemes."""
    place = tmp_path_factory.mktemp("compared")
    (place / "small_net.py").write_text(NET)
    pixels = np.random.default_rng(11).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.save(place / "px.npy", pixels)
    for name, scheme in (("a.ice", "per_channel"), ("b.ice", "per_tensor_affine")):
        arguments = ["--data", str(place / "px.npy"), *RECIPE, "--scheme", scheme, "--json"]
        assert main(["quantize", f"{place}/small_net.py:net", *arguments, "--out", str(place / name)]) == 0
    return place


def told(capsys, *arguments):
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_report_says_what_measure_says(place, capsys):
    page = place / "r.html"
    arguments = ["--data", place / "px.npy", *RECIPE, "--weight-bits", "3", "--no-remedies"]
    found = told(capsys, "report", f"{place}/small_net.py:net", *arguments, "--html", page)
    assert found["html"] == str(page) and page.read_text().startswith("<!doctype html>")
    rows = {row["layer"]: row for row in found["layers"]}
    assert rows["0"]["weight_bits"] == 3 and rows["0"]["causes"]["weight_rounding"]["share"] > 0.5
    assert {v["cause"] for v in found["verdicts"] if v["severity"] == "cost"} == {"weight_rounding"}
    assert not list(place.glob("small_net.ice"))  # it reports, and writes no model


def test_report_in_words_and_on_other_data(place, capsys):
    np.save(place / "bright.npy", np.full((4, 8, 8), 255, np.uint8))
    arguments = ["--data", str(place / "px.npy"), *RECIPE, "--on", str(place / "bright.npy")]
    assert main(["report", f"{place}/small_net.py:net", *arguments, "--no-remedies"]) == 0
    text = capsys.readouterr().out
    assert "operators become integer" in text and "error against float on 4 given images" in text


def test_compare_two_files(place, capsys):
    same = told(capsys, "compare", place / "a.ice", place / "a.ice", "--data", place / "px.npy")
    assert same["agreement"] == 1.0 and same["sqnr_db"] is None and same["code_difference"] == 0
    assert same["first_difference"] is None and same["layers_compared"] == 5
    found = told(capsys, "compare", place / "a.ice", place / "b.ice", "--data", place / "px.npy")
    first = found["first_difference"]
    assert first["layer"] == "0" and {"weight", "multiplier"} <= set(first["numbers"])
    a, b = (icepoint.load(place / name) for name in ("a.ice", "b.ice"))
    x = a.recipe(torch.from_numpy(np.load(place / "px.npy")).unsqueeze(1))
    ya, yb = a(x).double(), b(x).double()
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(float((ya**2).sum() / ((ya - yb) ** 2).sum())))
    assert (found["images"], found["changed"]) == (40, int((ya.argmax(1) != yb.argmax(1)).sum()))
    (scale,) = (op["scale"] for op in b.layers()[-1:])
    assert found["code_difference"] == round(float((ya - yb).abs().max()) / scale) > 0


def test_compare_a_float_model_with_its_file(place, capsys):
    found = told(capsys, "compare", f"{place}/small_net.py:net", place / "a.ice", "--data", place / "px.npy")
    assert found["sqnr_db"] > 30 and found["code_difference"] in range(1, 6) and not found["layers_compared"]
    both = [f"{place}/small_net.py:net"] * 2
    found = told(capsys, "compare", *both, "--data", place / "px.npy", *RECIPE)
    assert found["sqnr_db"] is None and found["code_difference"] is None
    assert main(["compare", str(place / "a.ice"), str(place / "b.ice"), "--data", str(place / "px.npy")]) == 0
    text = capsys.readouterr().out
    assert "% agree" in text and "the first of 5 that differs is 0" in text


@pytest.mark.parametrize("arguments, text", [
    (["a.ice", "b.ice", "--data", "nothing"], "nothing: expected a folder of pictures"),
    (["a.ice", "missing.ice", "--data", "px.npy"], "missing.ice"),
    (["a.ice", "b.ice", "--data", "px.npy", "--mean", "0.1"], "both --mean and --std"),
    (["small_net.py:net", "small_net.py:net", "--data", "px.npy"], "by a recipe, found none"),
])  # fmt: skip
def test_compare_refuses_in_one_line(arguments, text, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["compare", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("icepoint compare: ") and error.count("\n") == 1 and text in error


def test_compare_refuses_other_outputs_and_no_data():
    a, b, x = torch.nn.Linear(4, 3), torch.nn.Linear(4, 2), torch.ones(2, 4)
    with pytest.raises(ValueError, match="the same outputs, found"):
        compare(a, b, [(x,)])
    with pytest.raises(ValueError, match="held no image"):
        compare(a, a, [])
