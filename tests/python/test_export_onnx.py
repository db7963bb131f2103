"""Exported ONNX in ONNX Runtime: QDQ within float32 ties of the engine, the integer graph equal to it."""

import numpy as np
import pytest
import torch

import icepoint
from export_models import NET, encoded, of_sums, one_layer_of_sums, reals, renamed, single
from icepoint import _C
from icepoint.export.onnx.result import OnnxCheck
from oracle import quantize_multiplier
from random_graphs import random_graph
from random_ops import ADDERS
from test_golden import FILES
from test_output_functions import KINDS, function_of

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the onnxruntime package is not installed")
runtime.set_default_logger_severity(4)


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


@pytest.mark.parametrize("op", ["qconv2d", "qlinear"])
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_reals_of_accumulators(op, kind, tmp_path):
    """QDQ ends in the float operator; the integer graph gives the engine's reals to the bit."""
    made, ends = 0, {"qconv2d": {"Conv"}, "qlinear": {"Gemm", "MatMul", "Add"}}[op]
    for seed in range(300, 312):
        frozen = one_layer_of_sums(seed, op, kind)
        if frozen is None:
            continue
        made += 1
        inputs, path = reals(frozen, 3, seed), frozen.export_onnx(tmp_path / "m.onnx")
        nodes = {node.output[0]: node for node in onnx.load(path).graph.node}
        last = nodes[frozen.describe()["outputs"][0]["name"]]
        assert (nodes[last.input[0]] if kind else last).op_type in ends
        assert_explained(frozen.check_onnx(path, *inputs))

        path = frozen.export_onnx(tmp_path / "i.onnx", integers=True)
        check = frozen.check_onnx(path, *inputs)
        assert_exact(check)
        assert sum(layer.reals for layer in check.layers) > 0
        assert all((layer.reals_differ, layer.reals_error) == (0, 0) for layer in check.layers)
        for y, want in zip(outputs_of(path, inputs), single(frozen(*inputs)), strict=True):
            assert y.dtype == want.numpy().dtype and y.shape == want.shape
            if kind in (None, "argmax"):  # the others are ONNX Runtime's own, in float32
                np.testing.assert_array_equal(y, want.numpy())
    assert made >= 4, made


def test_an_argmax_of_equal_reals_is_the_first(tmp_path):
    """Forty classes, four of them the greatest alike, further apart than a vector is long."""
    weight = np.full((40, 4), 3, np.int8)
    weight[[5, 6, 21, 38]] = 7
    multiplier, shift = quantize_multiplier(0.01)
    tensors = {
        "fc.weight": weight, "fc.weight_scale": np.full(1, 0.01, np.float32),
        "fc.multiplier": np.full(1, multiplier, np.int32), "fc.shift": np.full(1, shift, np.int32),
    }  # fmt: skip
    q = {"scale": 0.5, "zero_point": 9, "bits": 8}
    fields = {"op": "qlinear", "name": "fc", "inputs": [0], "out_features": 40, "weight_bits": 8,
              "weight_affine": False, "lo": 0, "hi": 255, **q}  # fmt: skip
    graph = {"arithmetic": 1, "inputs": [{"name": "x", "shape": [4], **q}], "ops": [fields], "outputs": [1]}
    frozen = of_sums(encoded(graph, tensors, [function_of("argmax", 0)]))
    x = torch.tensor([[1.0] * 4, [-1.0] * 4, [0.0] * 4])  # codes 11, 7, 9: sums up, down, none
    assert frozen(x).tolist() == [5, 0, 0] and frozen.output_accumulators == (True,)
    np.testing.assert_array_equal(frozen.integers()(x.numpy()), [5, 0, 0])
    for integers in (False, True):
        (found,) = outputs_of(frozen.export_onnx(tmp_path / "m.onnx", integers=integers), [x])
        np.testing.assert_array_equal(found, [5, 0, 0])


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
    names = ["c.weight", "c", "c.Conv", "c.weight_2", "x.codes"]
    frozen = renamed(graph, tensors, names[: len(graph["ops"])])
    for integers in (False, True):
        path = frozen.export_onnx(tmp_path / "m.onnx", integers=integers)
        assert_explained(frozen.check_onnx(path, *reals(frozen, 2)))
