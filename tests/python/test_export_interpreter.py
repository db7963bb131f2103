"""The NumPy interpreter against the engine: every layer's codes and every output's reals, ==."""

import numpy as np
import pytest
import torch

import icepoint
from export_models import encoded, one_layer_of_sums, reals, single
from icepoint.export.interpreter import MOVES, SUMS, ended
from random_graphs import random_graph, random_inputs
from random_ops import ADDERS
from test_golden import FILES, stored
from test_output_functions import KINDS, function_of


def assert_same_trace(frozen: icepoint.FrozenModel, inputs: list[np.ndarray]) -> None:
    """Names, shapes and codes of every value."""
    engine, numpy = frozen.trace(*map(torch.from_numpy, inputs)), frozen.integers().trace(*inputs)
    assert list(numpy) == list(engine)
    for name, codes in engine.items():
        assert numpy[name].dtype == np.uint8
        np.testing.assert_array_equal(numpy[name], codes, err_msg=name)


def test_it_knows_every_operator():
    assert {*SUMS, *MOVES} == set(ADDERS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden_files(path):
    inputs, expected = stored(path)
    frozen = icepoint.load(path)
    assert_same_trace(frozen, inputs)
    found = frozen.integers().codes(*inputs)
    for y, want in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("op", sorted(ADDERS))
def test_random_graphs(op):
    """Six operators each, every rank, bits 2 to 8, packed and affine weights, narrowed code ranges."""
    for seed in range(100, 112):
        frozen = encoded(*random_graph(seed, op))
        inputs = random_inputs(seed + 1, {"inputs": frozen.describe()["inputs"]}, 2)
        assert_same_trace(frozen, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_reals_behind_each_function(kind):
    """float32 in, NaN and infinity among them, float32 or int64 out: equal to the last bit."""
    for seed in range(6):
        outputs = encoded(*random_graph(seed, "qlinear")).describe()["outputs"]
        functions = [
            None if i % 2 else function_of(kind, seed % len(outputs[i]["shape"]), keepdim=seed % 2 == 0)
            for i in range(len(outputs))
        ]
        frozen = encoded(*random_graph(seed, "qlinear"), functions)
        generator = np.random.default_rng(seed)
        inputs = [
            generator.normal(0, 30 * q["scale"], (3, *q["shape"])).astype(np.float32) for q in frozen._inputs
        ]
        inputs[0].reshape(-1)[:3] = np.nan, np.inf, -np.inf
        engine, numpy = frozen(*map(torch.from_numpy, inputs)), frozen.integers()(*inputs)
        pairs = zip(engine, numpy, strict=True) if isinstance(engine, tuple) else [(engine, numpy)]
        for want, found in pairs:
            assert found.dtype == want.numpy().dtype
            np.testing.assert_array_equal(found, want.numpy())


@pytest.mark.parametrize("op", ["qconv2d", "qlinear"])
def test_reals_of_accumulators(op):
    """Alone and behind each function, equal to the last bit; the codes are as ever."""
    made = 0
    for seed in range(30):
        frozen = one_layer_of_sums(seed, op, (None, *KINDS)[seed % 5])
        if frozen is None:
            continue
        made += 1
        inputs = reals(frozen, 3, seed)
        found = single(frozen.integers()(*(x.numpy() for x in inputs)))
        for want, y in zip(single(frozen(*inputs)), found, strict=True):
            assert y.dtype == want.numpy().dtype
            np.testing.assert_array_equal(y, want.numpy())
        assert_same_trace(frozen, [codes.numpy() for codes in frozen._input_codes(inputs)])
    assert made >= 10, made


def test_a_sigmoid_of_what_no_code_can_say():
    """Reals of sums have no range: e^710 has no double."""
    found = ended(
        np.array([[-3e38, -720.0, -100.0, 720.0]], np.float32), {"function": {"function": "sigmoid"}}
    )
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[0, 0, np.exp(-100.0), 1]], np.float32))


def test_other_inputs_are_refused_in_words():
    integers = icepoint.load(next(p for p in FILES if p.stem == "net_8bit_per_channel")).integers()
    with pytest.raises(
        ValueError, match=r"x: expected float32 \(n, 1, 28, 28\) or uint8 codes, found float64"
    ):
        integers(np.zeros((1, 1, 28, 28)))
    with pytest.raises(ValueError, match="expected 1 inputs, found 2"):
        integers(np.zeros((1, 1, 28, 28), np.uint8), np.zeros(1, np.uint8))


def test_a_linear_layer_in_blocks(monkeypatch):
    """Blocks of a few rows, with one zero point for all and one for each."""
    monkeypatch.setattr("icepoint.export.interpreter.sums._BLOCK", 50)
    for seed in range(40, 52):
        frozen = encoded(*random_graph(seed, "qlinear"))
        assert_same_trace(frozen, random_inputs(seed, {"inputs": frozen.describe()["inputs"]}, 2))
