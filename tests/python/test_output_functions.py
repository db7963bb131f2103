"""softmax, log_softmax, sigmoid and argmax behind the integers: against torch in double, on every road."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from file_writer import metadata_of, spell, with_metadata
from icepoint import _C
from oracle_graph import open_frozen
from oracle_numbers import rng
from random_graphs import random_graph, random_inputs
from small_model import digits, encode

SEED = 5
SOFTMAX, ARGMAX = {"function": "softmax", "axis": 0}, {"function": "argmax", "axis": 0, "keepdim": False}
KINDS = ("softmax", "log_softmax", "sigmoid", "argmax")


def function_of(kind: str, axis: int, keepdim: bool = False) -> dict:
    axes = {} if kind == "sigmoid" else {"axis": axis}
    return {"function": kind, **axes, **({"keepdim": keepdim} if kind == "argmax" else {})}


def expected(function: dict | None, codes: np.ndarray, output: dict) -> torch.Tensor:
    """What torch computes in double from dequantized codes (n, ...); argmax by NumPy: the first of equals."""
    real = (codes.astype(np.float32) - np.float32(output["zero_point"])) * np.float32(output["scale"])
    if function is None:
        return torch.from_numpy(real)
    kind, x = function["function"], torch.from_numpy(real).double()
    if kind == "sigmoid":
        return torch.sigmoid(x)
    axis = function["axis"] + 1
    if kind == "argmax":
        return torch.from_numpy(codes.argmax(axis, keepdims=function["keepdim"]))
    return torch.softmax(x, axis) if kind == "softmax" else torch.log_softmax(x, axis)


def assert_within_one_ulp(found: torch.Tensor, want: torch.Tensor):
    """Of float32; torch's own log of a sum near 1 is off by 2^-53 and its order of summing is another."""
    assert found.dtype == torch.float32 and found.shape == want.shape
    step = np.spacing(np.abs(want.float().numpy())).astype(np.float64)
    off = np.abs(found.double().numpy() - want.double().numpy())
    assert (off <= step + 1e-15).all(), (off / step).max()


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_with_a_function_at_each_output(seed):
    """Every rank, axis and number of bits; several outputs; every instruction set and thread count."""
    first = ("qconv2d", "qlinear", "qadd", "qaffine")[seed % 4]
    graph, tensors = random_graph(seed, first)
    check = random_inputs(seed, graph, 2)
    plain = _C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check)
    dice = rng(seed)
    functions = []
    for output in json.loads(_C.Model(plain).describe())["outputs"]:
        axis, keepdim = int(dice.integers(len(output["shape"]))), bool(dice.integers(2))
        functions.append(dice.choice([None, *(function_of(k, axis, keepdim) for k in KINDS)]))
    functions[0] = functions[0] or function_of("softmax", 0)
    listed = json.dumps([f or {} for f in functions])
    data = _C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check, listed)
    # Another writer gives the same bytes: the key alone is new.
    assert with_metadata(plain, output_recipe=spell([f or {} for f in functions])) == data
    assert open_frozen(data).metadata["output_recipe"] == [f or {} for f in functions]
    assert "output_recipe" not in open_frozen(plain).metadata

    inputs = random_inputs(seed + 1, graph, 5)
    reals = [
        (x.astype(np.float32) - np.float32(q["zero_point"])) * np.float32(q["scale"])
        for x, q in zip(inputs, graph["inputs"], strict=True)
    ]
    codes = _C.Model(plain).run_codes(inputs)
    frozen = icepoint.FrozenModel(data)
    outputs = frozen(*map(torch.from_numpy, reals))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert list(frozen.output_functions) == functions
    described = zip(functions, codes, frozen.describe()["outputs"], outputs, strict=True)
    for function, one, output, found in described:
        want = expected(function, one, output)
        assert found.shape[1:] == torch.Size(output["shape"]), function
        if want.dtype == torch.int64:
            assert found.dtype == torch.int64 and torch.equal(found, want)
        else:
            assert_within_one_ulp(found, want)
    before = _C.get_num_threads()
    try:
        for isa in _C.isas():
            for threads in (1, 3):
                _C.set_num_threads(threads)
                model = _C.Model(data, isa=isa)
                for n in (0, 1, 5):
                    for y, found in zip(outputs, model.run([x[:n] for x in reals]), strict=True):
                        np.testing.assert_array_equal(found, y[:n].numpy())
                for one, found in zip(codes, model.run_codes(inputs), strict=True):
                    np.testing.assert_array_equal(found, one)
    finally:
        _C.set_num_threads(before)


def test_ties_and_extremes_of_argmax_and_softmax():
    frozen = icepoint.FrozenModel(encode(function=ARGMAX))
    x = torch.full((3, 1, 8, 8), 1e30)
    x[1], x[2] = -1e30, float("nan")
    codes = frozen.codes(x).numpy()
    assert torch.equal(frozen(x), torch.from_numpy(codes.argmax(1)))
    soft = icepoint.FrozenModel(encode(function=SOFTMAX))
    torch.testing.assert_close(soft(x).sum(1), torch.ones(3), rtol=0, atol=1e-6)


class TestFrozenModel:
    @pytest.fixture(params=KINDS)
    def kind(self, request):
        return request.param

    @pytest.fixture
    def frozen(self, kind):
        return icepoint.FrozenModel(encode(function=function_of(kind, 0)))

    @pytest.fixture
    def x(self):
        return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(SEED))

    def test_shapes_and_dtypes(self, frozen, kind, x):
        y = frozen(x)
        assert y.shape == ((5,) if kind == "argmax" else (5, 10))
        assert y.dtype == (torch.int64 if kind == "argmax" else torch.float32)
        assert frozen(x[:0]).shape == y[:0].shape and frozen(x[:0]).dtype == y.dtype
        assert frozen.codes(x).shape == (5, 10)
        assert frozen.trace(x)["fc"].shape == (5, 10)
        assert frozen.output_functions == (function_of(kind, 0),)
        assert frozen.describe()["outputs"][0]["function"] == function_of(kind, 0)
        assert frozen.key.endswith(":[[]]" if kind == "argmax" else ":[[10]]")
        assert frozen.codes_key.endswith(":[[10]]")
        frozen.verify()

    def test_the_short_way_and_the_operator_agree(self, frozen, x):
        y = frozen(x)
        strided = torch.stack([x, x], -1)[..., 0]  # the short way takes dense inputs only
        assert not strided.is_contiguous() and torch.equal(frozen(strided), y)
        assert torch.equal(frozen.forward(x), y)

    def test_the_way_around(self, frozen, x, tmp_path):
        y = frozen(x)
        again = icepoint.load(frozen.save(tmp_path / "m.ice"))
        pickled = pickle.loads(pickle.dumps(frozen))
        other = icepoint.FrozenModel(encode(outputs=3))
        other.load_state_dict(frozen.state_dict())
        for model in (again, pickled, other, copy.deepcopy(frozen)):
            assert torch.equal(model(x), y) and model.output_functions == frozen.output_functions
            assert model.key == frozen.key and model.codes_key == frozen.codes_key

    def test_compile_and_export(self, frozen, x):
        y = frozen(x)
        compiled = torch.compile(frozen, backend="eager", fullgraph=True, dynamic=True)
        batch = torch.export.Dim("n", min=1)
        exported = torch.export.export(frozen, (x,), dynamic_shapes={"inputs": (({0: batch}),)}).module()
        for n in (5, 2):
            for model in (compiled, exported):
                assert torch.equal(model(x[:n]), y[:n]) and model(x[:n]).dtype == y.dtype

    def test_opcheck(self, frozen, x):
        op = torch.ops.icepoint
        codes = torch.from_numpy(rng(SEED).integers(0, 256, (5, 1, 8, 8)).astype(np.uint8))
        for run, inputs, key in ((op.run, x, frozen.key), (op.run_codes, codes, frozen.codes_key)):
            results = torch.library.opcheck(run.default, ([inputs], frozen.model, key))
            assert set(results.values()) == {"SUCCESS"}

    def test_a_key_of_other_shapes_is_refused(self, frozen, x):
        with pytest.raises(ValueError, match=r"run\.key: output shapes are \[\[4\]\]"):
            torch.ops.icepoint.run([x], frozen.model, f"{frozen.digest}:[[4]]")


class TestFreeze:
    @pytest.fixture
    def net(self):
        torch.manual_seed(SEED)
        net = nn.Module()
        net.fc = icepoint.QLinear(nn.Linear(4, 3))
        net.fc(torch.randn(64, 4))
        net.quantize_inference = lambda x: net.fc.q_out.dequantize_tensor(
            net.fc.quantize_inference(net.fc.q_in.quantize_tensor(x))
        )
        net.fc.freeze()
        return net

    def freeze(self, net, functions):
        return icepoint.freeze(net, torch.zeros(1, 4), output_functions=functions)

    def test_functions_end_the_frozen_model(self, net):
        x = torch.randn(50, 4, generator=torch.Generator().manual_seed(SEED))
        logits = self.freeze(net, None)(x)
        assert_within_one_ulp(self.freeze(net, [SOFTMAX])(x), torch.softmax(logits.double(), 1))
        found = self.freeze(net, [{**ARGMAX, "keepdim": True}])(x)
        codes = self.freeze(net, None).codes(x)
        assert torch.equal(found, torch.from_numpy(codes.numpy().argmax(1, keepdims=True)))

    def test_none_changes_no_byte_of_the_file(self, net):
        data = self.freeze(net, None).file_bytes
        assert "output_recipe" not in metadata_of(data)
        assert self.freeze(net, [None]).file_bytes == data == self.freeze(net, [{}]).file_bytes
        with_function = self.freeze(net, [SOFTMAX]).file_bytes
        recipe = metadata_of(with_function).pop("output_recipe")
        assert recipe == '[{"axis":0,"function":"softmax"}]'
        assert with_metadata(data, output_recipe=recipe) == with_function

    @pytest.mark.parametrize(
        ("functions", "words"),
        [
            ([], "one for each of 1 outputs, found"),
            ([None, None], "one for each of 1 outputs"),
            (["softmax"], "expected None or"),
            ([{"function": torch.softmax, "axis": 0}], "expected None or"),
            ([{"function": "relu"}], r"output_recipe\[0\]\.function: 'relu' is not softmax"),
            ([{"function": "softmax", "axis": 1}], r"output_recipe\[0\]\.axis: 1 is not in 0\.\.0"),
            ([{"function": "softmax", "axis": -1}], r"output_recipe\[0\]\.axis: -1"),
            ([{"function": "softmax", "axis": True}], r"output_recipe\[0\]\.axis: found true or false"),
            ([{"function": "argmax", "axis": 0}], r"output_recipe\[0\]\.keepdim: absent"),
            ([{"function": "sigmoid", "axis": 0}], r"output_recipe\[0\]: unknown key 'axis'"),
        ],
    )
    def test_refusals(self, net, functions, words):
        with pytest.raises(ValueError, match=words):
            self.freeze(net, functions)


def test_the_recipes_stand_in_describe_and_inspect(tmp_path, capsys):
    resize = {"fit": "crop", "filter": "bilinear", "shorter_side": 9}
    data = encode(classes=digits(10), function=SOFTMAX, resize=resize)
    assert json.loads(metadata_of(data)["recipe"])["resize"] == resize
    (tmp_path / "m.ice").write_bytes(data)
    from icepoint.cli import main

    assert main(["inspect", str(tmp_path / "m.ice")]) == 0
    shown = capsys.readouterr().out
    assert "output     fc: softmax over axis 0\n" in shown
    assert "pictures   of any size: crop, filter bilinear, shorter side 9\n" in shown
    assert icepoint.load(tmp_path / "m.ice").describe()["recipe"]["resize"] == resize
