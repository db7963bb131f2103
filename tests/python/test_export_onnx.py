"""Exported ONNX in ONNX Runtime: QDQ within float32 ties of the engine, the integer graph equal to it."""

import json
import sys

import numpy as np
import pytest
import torch

import icepoint
from icepoint import _C
from icepoint.export.interpreter import run_layer
from icepoint.export.onnx.result import LayerCheck, OnnxCheck
from icepoint.export.onnx.ties import causes
from oracle import quantize_multiplier
from random_graphs import random_graph, random_inputs
from random_ops import ADDERS
from test_golden import FILES, GOLDEN
from test_output_functions import KINDS, function_of

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the onnxruntime package is not installed")
runtime.set_default_logger_severity(4)

NET = GOLDEN / "net_8bit_per_channel.ice"


def encoded(graph: dict, tensors: dict, functions: list | None = None) -> icepoint.FrozenModel:
    told = json.dumps([f or {} for f in functions]) if functions else ""
    check = random_inputs(1, graph, 2)
    return icepoint.FrozenModel(_C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check, told))


def reals(frozen: icepoint.FrozenModel, n: int, seed: int = 0) -> list[torch.Tensor]:
    """Inputs that use all codes of each input and go beyond them."""
    generator = np.random.default_rng(seed)
    found = []
    for q in frozen.describe()["inputs"]:
        codes = generator.uniform(-20, 2 ** q["bits"] + 20, (n, *q["shape"]))
        found.append(torch.from_numpy(((codes - q["zero_point"]) * q["scale"]).astype(np.float32)))
    return found


def outputs_of(path, inputs: list[torch.Tensor]) -> list[np.ndarray]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})


def assert_explained(check: OnnxCheck) -> None:
    """Every difference is a tie or a float sum; fused products of uint8 by int8 saturate without VNNI."""
    modes = (False, True) if "avx512vnni" in icepoint.isas() else (False,)
    assert all(layer.unexplained == 0 for mode in modes for layer in check.of(mode)), str(check)


def assert_exact(check: OnnxCheck) -> None:
    for layer in check.layers:
        assert layer.differ == 0, layer
    assert all(set(histogram) <= {0} for histogram in check.histograms.values())


@pytest.mark.parametrize("op", sorted(ADDERS))
def test_random_graphs(op, tmp_path):
    """Both forms pass onnx.checker and run; rounding explains every difference; the integers have none."""
    for seed in range(200, 205):
        frozen = encoded(*random_graph(seed, op))
        inputs = reals(frozen, 3, seed)
        check = frozen.check_onnx(frozen.export_onnx(tmp_path / "m.onnx"), *inputs)
        assert_explained(check)
        exact = frozen.export_onnx(tmp_path / "i.onnx", integers=True)
        assert_exact(frozen.check_onnx(exact, *inputs))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden_files(path, tmp_path):
    frozen = icepoint.load(path)
    inputs = reals(frozen, 4)
    check = frozen.check_onnx(frozen.export_onnx(tmp_path / "m.onnx"), *inputs)
    assert_explained(check)
    assert_exact(frozen.check_onnx(frozen.export_onnx(tmp_path / "i.onnx", integers=True), *inputs))


def test_the_batch_is_free_and_names_are_the_files(tmp_path):
    frozen = icepoint.load(NET)
    path = frozen.export_onnx(tmp_path / "m.onnx", integers=True)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (x,), (y,) = model.graph.input, model.graph.output
    assert (x.name, y.name) == ("x", "qfc")
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["n", 1, 28, 28]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["n", 10]
    for n in (1, 2, 5):
        (inputs,) = reals(frozen, n, n)
        (found,) = outputs_of(path, [inputs])
        np.testing.assert_array_equal(found, frozen(inputs).numpy())


def test_qdq_has_the_weights_of_the_file(tmp_path):
    """int8 weights by their own scales, int32 biases by scale_x scale_w: what other runtimes fuse by."""
    frozen = icepoint.load(NET)
    model = onnx.load(frozen.export_onnx(tmp_path / "m.onnx"))
    arrays = {c.name: onnx.numpy_helper.to_array(c) for c in model.graph.initializer}
    layers = frozen.integers()
    for name in ("qconv1", "qconv2", "qfc"):
        layer = layers[name]
        assert arrays[f"{name}.weight"].dtype == np.int8
        np.testing.assert_array_equal(arrays[f"{name}.weight"], layer["weight"])
        np.testing.assert_array_equal(arrays[f"{name}.weight_scale"], layer["weight_scale"])
        np.testing.assert_array_equal(arrays[f"{name}.bias"], layer["bias"])
        scale = np.float32(layer["x_scale"][0]) * layer["weight_scale"]
        np.testing.assert_array_equal(arrays[f"{name}.bias_scale"], scale)
    kinds = [node.op_type for node in model.graph.node]
    assert {"QuantizeLinear", "DequantizeLinear", "Conv", "Gemm", "MaxPool", "Clip"} <= set(kinds)
    assert kinds.count("Conv") == 2 and kinds.count("MaxPool") == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("integers", [False, True])
def test_functions_behind_the_codes(kind, integers, tmp_path):
    """argmax equal; softmax and the like within a few units of float32, in which the runtime computes."""
    for seed in (3, 4, 5):
        graph, tensors = random_graph(seed, "qlinear")
        outputs = encoded(graph, tensors).describe()["outputs"]
        axes = [seed % len(output["shape"]) for output in outputs]
        functions = [function_of(kind, axis, keepdim=seed % 2 == 0) for axis in axes]
        frozen = encoded(graph, tensors, functions)
        inputs = reals(frozen, 3, seed)
        path = frozen.export_onnx(tmp_path / "m.onnx", integers=integers)
        assert frozen.check_onnx(path, *inputs).histograms[False].keys() <= {0}
        wanted = frozen(*inputs)
        found = outputs_of(path, inputs)
        for y, want in zip(found, wanted if isinstance(wanted, tuple) else [wanted], strict=True):
            assert y.dtype == want.numpy().dtype and y.shape == want.shape
            if kind == "argmax":
                np.testing.assert_array_equal(y, want.numpy())
            else:
                np.testing.assert_allclose(y, want.numpy(), rtol=2e-6, atol=1e-6)


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


def test_bits_of_affine_weights(tmp_path):
    """Zero points of every channel: int8 where w - zw fits, uint8 with them else; both forms, both kinds."""
    for bits, kind in ((4, np.int8), (8, np.uint8)):
        for op in ("qconv2d", "qconv_transpose2d", "qlinear"):
            frozen = affine(op, bits)
            path = frozen.export_onnx(tmp_path / "m.onnx")
            model = onnx.load(path)
            (weight,) = [c for c in model.graph.initializer if c.name == "layer.weight"]
            assert onnx.numpy_helper.to_array(weight).dtype == kind, (op, bits)
            inputs = reals(frozen, 3)
            assert_explained(frozen.check_onnx(path, *inputs))
            assert_exact(frozen.check_onnx(frozen.export_onnx(tmp_path / "i.onnx", integers=True), *inputs))


def affine(op: str, bits: int) -> icepoint.FrozenModel:
    """One layer of two groups (a linear one has none), four output channels, a zero point for each."""
    generator = np.random.default_rng(bits)
    conv = op != "qlinear"
    shape = {"qconv2d": (4, 2, 3, 3), "qconv_transpose2d": (4, 2, 3, 3), "qlinear": (4, 6)}[op]
    codes = generator.integers(0, 2**bits, shape)
    codes.reshape(-1)[:2] = 0, 2**bits - 1
    if bits == 8:
        stored = codes.astype(np.uint8)
    else:
        row = int(np.prod(shape[1:]))
        packed = _C.pack_codes(codes.astype(np.int32).reshape(-1), row, bits)
        stored = np.frombuffer(packed, np.uint8).reshape(shape[0], -1)
    multiplier, shift = quantize_multiplier(0.01)
    tensors = {
        "layer.weight": stored,
        "layer.weight_scale": np.full(1, 0.01, np.float32),
        "layer.weight_zero_point": np.array([0, 2**bits - 1, 3, 5], np.int32),
        "layer.bias": generator.integers(-500, 500, 4).astype(np.int32),
        "layer.multiplier": np.full(4, multiplier, np.int32),
        "layer.shift": np.array([shift, shift + 1, shift, shift - 1], np.int32),
    }
    window = {
        "kernel_size": [3, 3],
        "stride": [2, 1],
        "padding": [1, 0, 1, 1],
        "dilation": [1, 2],
        "groups": 2,
    }
    fields = {**window, "out_channels": 4} if conv else {"out_features": 4}
    fields |= {"output_padding": [1, 1]} if op == "qconv_transpose2d" else {}
    x = {"name": "x", "shape": [4, 7, 6] if conv else [6], "scale": 0.5, "zero_point": 9, "bits": 8}
    fields |= {"op": op, "name": "layer", "inputs": [0], "weight_bits": bits, "weight_affine": True}
    fields |= {"lo": 0, "hi": 255, "scale": 0.25, "zero_point": 100, "bits": 8}
    graph = {"arithmetic": 1, "inputs": [x], "ops": [fields], "outputs": [1]}
    return encoded(graph, tensors)


def test_names_that_meet_in_onnx(tmp_path):
    """A layer named like another one's tensor, and one like an operator's output."""
    graph, tensors = random_graph(9, "qconv2d", length=3)
    names = ["c.weight", "c", "c.Conv", "c.weight_2", "x.codes"][: len(graph["ops"])]
    old = [op["name"] for op in graph["ops"]]
    new = dict(zip(old, names, strict=True))
    ops = [{**op, "name": new[op["name"]]} for op in graph["ops"]]
    moved = {f"{new[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": a for key, a in tensors.items()}
    frozen = encoded({**graph, "ops": ops}, moved)
    for integers in (False, True):
        path = frozen.export_onnx(tmp_path / "m.onnx", integers=integers)
        assert_explained(frozen.check_onnx(path, *reals(frozen, 2)))


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
