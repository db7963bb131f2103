"""Outputs from accumulators: exact reals on every road, the same codes, and which layers give them."""

import copy
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from icepoint.executable import program
from oracle_numbers import rng

SEED = 37


class TwoHeads(nn.Module):
    """A map and a vector; `tail` goes behind the vector's linear layer."""

    def __init__(self, tail: nn.Module | None = None):
        super().__init__()
        self.stem, self.map = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)
        self.fc, self.tail = nn.Linear(8, 6), tail or nn.Identity()

    def forward(self, x):
        x = torch.relu(self.stem(x))
        return self.map(x), self.tail(self.fc(x.mean((2, 3))))


def inputs(count: int = 24) -> torch.Tensor:
    return torch.from_numpy(rng(SEED).standard_normal((count, 3, 9, 7)).astype(np.float32))


def made(model: nn.Module, **options) -> icepoint.QuantizedModel:
    torch.manual_seed(SEED)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    x = inputs()
    return icepoint.quantize(model.eval(), x[:1], x, **options)


def by_hand(frozen: icepoint.FrozenModel, name: str, x: np.ndarray) -> np.ndarray:
    """float32(acc (scale_x scale_w)) of codes (n, k) or (n, k, h, w) that the 1x1 layer reads."""
    layer = frozen.integers()[name]
    w = layer["weight"].reshape(len(layer["weight"]), -1).astype(np.int64) - np.reshape(
        layer.get("weight_zero_point", 0), (-1, 1)
    )
    centred = x.astype(np.int64) - layer["x_zero_point"]
    acc = np.einsum("ok,nk...->no...", w, centred)
    acc += layer["bias"].astype(np.int64).reshape((-1,) + (1,) * (acc.ndim - 2))
    unit = np.float64(np.float32(layer["x_scale"][0])) * layer["weight_scale"].astype(np.float64)
    return (acc * unit.reshape((-1,) + (1,) * (acc.ndim - 2))).astype(np.float32)


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine", "per_channel_affine"])
@pytest.mark.parametrize("bits", [8, 4])
def test_reals_by_hand_on_every_road(weights, bits, tmp_path):
    q = made(TwoHeads(), weights=weights, num_bits=bits)
    frozen, x = q.freeze(), inputs()
    assert frozen.output_accumulators == (True, True) and frozen.output_functions == (None, None)
    values = frozen.trace(x)
    for real, simulated, name in zip(frozen(x), q(x), ("map", "fc"), strict=True):
        (source,) = frozen.integers()[name]["inputs"]
        expected = by_hand(frozen, name, list(values.values())[source])
        assert np.array_equal(real.numpy(), expected)
        assert torch.equal(real, simulated)
    loaded = icepoint.load(frozen.save(tmp_path / "m.ice"))
    whole = loaded(x)
    before = icepoint.get_num_threads()
    try:
        for threads in (1, 2):
            icepoint.set_num_threads(threads)
            for count in (1, 5, 24):
                runs = [loaded(part) for part in x.split(count)]
                parts = [torch.cat(column) for column in zip(*runs, strict=True)]
                assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True)), (threads, count)
    finally:
        icepoint.set_num_threads(before)


def test_codes_are_those_of_a_file_without():
    x = inputs()
    q = made(TwoHeads())
    frozen, plain = q.freeze(), q.again(outputs="codes").freeze()
    assert plain.output_accumulators == (False, False)
    for codes, same, real, rounded, told in zip(
        frozen.codes(x), plain.codes(x), frozen(x), plain(x), frozen.describe()["outputs"], strict=True
    ):
        assert torch.equal(codes, same)
        scale, zero_point = np.float32(told["scale"]), told["zero_point"]
        assert torch.equal(rounded, (codes.float() - zero_point) * scale)
        inner = (codes > 0) & (codes < 255)
        # Half a code, and what the multiplier's 31 bits and a float32 leave.
        assert float((real - rounded).abs()[inner].max()) <= float(scale) * 0.5001
        assert not torch.equal(real, rounded)


@pytest.mark.parametrize("tail", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_functions_see_the_reals(tail):
    x = inputs()
    q = made(TwoHeads(tail))
    bare = made(TwoHeads())
    frozen = q.freeze()
    assert torch.equal(frozen.codes(x)[1], bare.freeze().codes(x)[1])
    found, expected = frozen(x)[1], tail(bare.freeze()(x)[1].double()).float()
    assert float((found - expected).abs().max()) <= float(expected.abs().max()) * 2**-22
    assert torch.equal(found, q(x)[1])


def test_a_relu_a_reader_and_an_option_keep_codes():
    class Read(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            y = self.a(x)
            return y, torch.relu(self.b(y))

    assert made(Read()).freeze().output_accumulators == (False, False)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(189, 4))
    assert made(flat).freeze().output_accumulators == (True,)
    assert made(copy.deepcopy(flat), outputs="codes").freeze().output_accumulators == (False,)
    with pytest.raises(
        ValueError, match=r"quantize\.outputs: expected one of accumulators, codes, found 'int'"
    ):
        made(flat, outputs="int")


def test_the_executable_gives_the_same_reals_and_answers(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(189, 5))
    frozen, x = made(model).freeze(), inputs()
    file, data = frozen.save(tmp_path / "m.ice"), tmp_path / "x.npy"
    np.save(data, x.numpy())
    reals, codes = tmp_path / "y.npy", tmp_path / "q.npy"
    command = [program(), "run", file, data, "--output", reals, "--raw", codes, "--no-latency"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(reals), frozen(x).numpy())
    assert np.array_equal(np.load(codes), frozen.codes(x).numpy()) and np.load(codes).dtype == np.uint8
    shown = [int(line.split()[1]) for line in done.stdout.splitlines()[1:]]
    assert shown == frozen(x).argmax(1).tolist()


def test_values_beyond_the_range_keep_their_size():
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(189, 5)), inputs()
    made(model)
    few = icepoint.quantize(model, x[:1], x[:1])  # of one image: others lie beyond its outputs' range
    frozen = few.freeze()
    codes = frozen.codes(x)
    beyond = (codes == 0) | (codes == 255)
    assert beyond.any()
    limits = frozen.describe()["outputs"][0]
    ends = [(c - limits["zero_point"]) * limits["scale"] for c in (0, 255)]
    reals = frozen(x)
    assert bool(((reals < ends[0] - limits["scale"]) | (reals > ends[1] + limits["scale"])).any())
