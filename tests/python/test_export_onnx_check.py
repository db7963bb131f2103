"""The check of an exported ONNX file: ties told from float sums and from what is neither; refusals."""

import json
import sys

import numpy as np
import pytest
import torch

import icepoint
from export_models import NET, encoded, reals
from icepoint.export.interpreter import run_layer
from icepoint.export.onnx.reals import judged
from icepoint.export.onnx.result import LayerCheck, OnnxCheck
from icepoint.export.onnx.ties import causes
from oracle import quantize_multiplier
from test_golden import GOLDEN

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the onnxruntime package is not installed")
runtime.set_default_logger_severity(4)


def add_of_halves() -> icepoint.FrozenModel:
    """Two maps with factors of 1/2 into one: every odd sum is a tie, upwards here and to even in float."""
    q = {"scale": 1.0, "zero_point": 0, "bits": 8}
    y = {"scale": 2.0, "zero_point": 0, "bits": 8}
    halves = {"a_multiplier": 1 << 19, "b_multiplier": 1 << 19, "shift": 20, "lo": 0, "hi": 255}
    graph = {
        "arithmetic": 1,
        "inputs": [{"name": "a", "shape": [64], **q}, {"name": "b", "shape": [64], **q}],
        "ops": [{"op": "qadd", "name": "sum", "inputs": [0, 1], **halves, **y}],
        "outputs": [2],
    }
    return encoded(graph, {})


def test_ties_are_counted_and_shown(tmp_path):
    frozen = add_of_halves()
    a, b = (torch.arange(64).float().expand(2, 64).contiguous() + shift for shift in (0, 1))
    check = frozen.check_onnx(frozen.export_onnx(tmp_path / "m.onnx"), a, b)
    codes = frozen.codes(a, b).numpy()
    expected = np.rint((a + b).numpy() / 2) - codes  # halves to even, less halves upwards
    assert 0 < np.count_nonzero(expected) < expected.size
    for optimized in (False, True):
        (layer,) = [one for one in check.of(optimized) if one.layer == "sum"]
        wrong = np.count_nonzero(expected)
        assert (layer.codes, layer.differ, layer.own, layer.ties) == (128, wrong, wrong, wrong)
        assert (layer.unexplained, layer.farthest) == (0, 0.0)
        assert check.histograms[optimized] == {-1: wrong, 0: 128 - wrong}
    text, page, told = str(check), check._repr_html_(), json.loads(json.dumps(check.to_dict()))
    assert f"{wrong:,} of 128 output codes differ: {wrong} by -1" in text
    assert f"{2 * wrong} of {2 * wrong} differences that arise in a layer" in text
    assert page.count("<svg") == 2 and page.count("<rect") == 4
    assert told["output_differences"]["on"] == {"-1": wrong, "0": 128 - wrong} and told["unexplained"] == 0


def test_a_report_takes_the_histograms_in(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU()).eval()
    x = torch.randn(8, 1, 9, 9, generator=torch.Generator().manual_seed(1))
    q = icepoint.quantize(model, x[:1], [x])
    report, frozen = q.measure(remedies=False), q.freeze()
    assert "onnx" not in report.to_dict()
    report.onnx = frozen.check_onnx(frozen.export_onnx(tmp_path / "m.onnx"), x)
    assert report.to_dict()["onnx"]["images"] == 8
    page = report.to_html(tmp_path / "report.html").read_text()
    assert "<h2>Exported to ONNX</h2>" in page and "output codes differ" in page


def test_what_is_no_tie_stays_unexplained(tmp_path):
    """A weight changed by one in the ONNX file, and a code changed by two at a tie."""
    frozen = icepoint.load(NET)
    path = frozen.export_onnx(tmp_path / "m.onnx")
    model = onnx.load(path)
    (weight,) = [c for c in model.graph.initializer if c.name == "qfc.weight"]
    array = onnx.numpy_helper.to_array(weight).copy()
    array[:, ::2] ^= 1
    weight.CopyFrom(onnx.numpy_helper.from_array(array, "qfc.weight"))
    onnx.save(model, path)
    check = frozen.check_onnx(path, *reals(frozen, 4))
    assert check.unexplained > 0 and "the others are not rounding" in str(check)
    assert {layer.layer for layer in check.layers if layer.unexplained} == {"qfc"}

    layer, xs = (
        add_of_halves().integers()["sum"],
        [np.array([[3, 3, 2]], np.uint8), np.array([[4, 4, 4]], np.uint8)],
    )
    assert run_layer({**layer, "shape": [3]}, *xs).tolist() == [[4, 4, 3]]
    found = causes(layer, xs, np.array([[-1, -2, 1]]))
    assert (found.ties, found.sums, found.unexplained) == (1, 0, 2)


def test_reals_are_compared_beside_the_codes_that_they_round_to(tmp_path):
    """An offset of a twentieth of a code in one class changes few codes, or none, and all of its reals."""
    torch.manual_seed(3)
    x = torch.randn(40, 1, 4, 4)
    frozen = icepoint.quantize(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5)), x[:1], x
    ).freeze()
    path = frozen.export_onnx(tmp_path / "m.onnx")
    check = frozen.check_onnx(path, x)
    assert check.unexplained == 0
    for optimized in (False, True):
        (fc,) = [layer for layer in check.of(optimized) if layer.reals]
        assert (fc.layer, fc.codes, fc.reals) == ("1", 200, 200) and 0 < fc.reals_error < 1e-3
        assert sum(check.histograms[optimized].values()) == 200
    assert "<p>1 leaves as float32, its codes here are those of its reals: " in check._repr_html_()

    model, layer = onnx.load(path), frozen.integers()["1"]
    (bias,) = [c for c in model.graph.initializer if c.name == "1.bias"]
    array = onnx.numpy_helper.to_array(bias).copy()
    array[3] += 2.0 ** layer["shift"][3] / layer["multiplier"][3] / 20
    bias.CopyFrom(onnx.numpy_helper.from_array(array, "1.bias"))
    onnx.save(model, path)
    changed = frozen.check_onnx(path, x)
    for optimized in (False, True):
        (fc,) = [layer for layer in changed.of(optimized) if layer.reals]
        assert fc.unexplained == fc.own == 40 and fc.reals_error < 1e-3
        assert sum(n for d, n in changed.histograms[optimized].items() if d) < 10
    assert "the others are not rounding" in str(changed)

    told = str(frozen.check_onnx(frozen.export_onnx(path, integers=True), x))
    assert (
        told.count("1 leaves as float32, its codes here are those of its reals: all 200 are the engine's")
        == 2
    )


def test_reals_judged_by_hand():
    """y = 3 a - 2 b + 5 of 1/4 each, codes of 1/2: at a half a float that is exact keeps the exact code."""
    multiplier, shift = quantize_multiplier(0.5)
    layer = {
        "op": "qlinear", "x_zero_point": [10], "x_scale": [0.5], "weight": np.array([[3, -2]], np.int8),
        "weight_scale": np.array([0.5], np.float32), "weight_zero_point": np.zeros(1, np.int32),
        "bias": np.array([5], np.int32), "multiplier": np.array([multiplier], np.int32),
        "shift": np.array([shift], np.int32), "zero_point": 100, "lo": 0, "hi": 255, "shape": [1],
    }  # fmt: skip
    xs = [np.array([[12, 7]] * 5, np.uint8)]  # acc = 6 + 6 + 5 = 17, the real 4.25, v = 8.5: the code 109
    near, far = np.nextafter(np.float32(4.25), np.float32(0)), np.float32(4.2)
    found = judged(layer, xs, np.array([[4.25], [near], [far], [np.nan], [-np.inf]], np.float32))
    assert found.codes[:3].tolist() == [[109], [108], [108]] and found.codes.dtype == np.uint8
    assert found.beyond.tolist() == [[False], [False], [True], [True], [True]]
    assert found.error == float(np.float32(4.25) - near) * 2


def test_float_sums_near_a_half_are_told_from_ties():
    """v = 10.5 + 2^-12: too far for one rounding of v, near enough for a sum of 2000 taps in float."""
    multiplier, shift = quantize_multiplier(2.0**-12)
    weight = np.tile(np.array([[100, -100]], np.int8), (1, 1000))
    layer = {
        "op": "qlinear", "x_zero_point": [0], "weight": weight, "weight_zero_point": np.zeros(1, np.int32),
        "bias": np.array([43009], np.int32), "multiplier": np.array([multiplier], np.int32),
        "shift": np.array([shift], np.int32), "zero_point": 0, "lo": 0, "hi": 255, "shape": [1],
    }  # fmt: skip
    x = np.full((1, 2000), 200, np.uint8)
    assert run_layer(layer, x).tolist() == [[11]]
    found = causes(layer, [x], np.array([[-1]]))
    assert (found.ties, found.sums, found.unexplained) == (0, 1, 0)
    assert found.farthest == 2.0**-12
    quiet = {**layer, "weight": 0 * weight[:, :2]}  # little to sum but the bias
    found = causes(quiet, [x[:, :2]], np.array([[-1]]))
    assert (found.ties, found.sums, found.unexplained) == (0, 0, 1)


def test_refusals_in_words(tmp_path, monkeypatch):
    frozen, other = icepoint.load(NET), icepoint.load(GOLDEN / "random_clamp.ice")
    path = other.export_onnx(tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="is of another model: expected digest 33e6afd2dffb"):
        frozen.check_onnx(path, torch.zeros(1, 1, 28, 28))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match=r"text\.onnx is no ONNX file"):
        frozen.check_onnx(tmp_path / "text.onnx", torch.zeros(1, 1, 28, 28))
    with pytest.raises(FileNotFoundError):
        frozen.check_onnx(tmp_path / "none.onnx", torch.zeros(1, 1, 28, 28))
    with pytest.raises(ValueError, match=r"check_onnx: expected float32 inputs, found torch\.uint8"):
        other.check_onnx(path, *[x.to(torch.uint8) for x in reals(other, 1)])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="check_onnx needs the onnxruntime package, which is not installed"):
        other.check_onnx(path, *reals(other, 1))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"needs the onnx package, which is not installed; pip install"):
        frozen.export_onnx(tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_rows_of_layers_without_differences_are_summed_only():
    quiet, loud = (
        LayerCheck("quiet", "clamp", True, codes=10),
        LayerCheck("loud", "qadd", True, 10, 2, 2, 1, 1),
    )
    rows = OnnxCheck("ONNX Runtime", 1, [quiet, loud], {True: {0: 18, 1: 2}}).rows()
    assert [row[0] for row in rows] == ["loud", "all layers"]
    assert rows[1][3:] == ["20", "2", "2", "1", "1", "0"]
