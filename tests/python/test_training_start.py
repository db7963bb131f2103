"""Training that begins where a recipe of corrections ends: the same integers, which then move."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
from icepoint import training
from icepoint.modules.weighted import QWeighted
from training_nets import NETS, network

RECIPE = ["correct_bias", "round_weights"]


def begun(name, recipe=RECIPE):
    net, x = network(name)
    return training.prepare(net, x[:1], [x], num_bits=4, recipe=recipe), x


def weighted(quantized):
    return [stage.layer for stage in quantized.stages if isinstance(stage.layer, QWeighted)]


@pytest.mark.parametrize("name", NETS)
def test_the_first_integers_are_the_recipes(name):
    net, x = network(name)
    q = icepoint.quantize(net, x[:1], [x], 4, recipe=RECIPE)
    qat, _ = begun(name)
    plain, _ = begun(name, "fast")
    layers, wanted = weighted(qat.quantized), weighted(q)
    assert len(layers) == len(wanted) > 1
    for layer, tuned in zip(layers, wanted, strict=True):
        assert torch.equal(layer.integers["codes"], tuned.integers["codes"])
        assert torch.equal(layer.q_weight.scales, tuned.q_weight.scales)
        off = layer.integers["bias"].long() - tuned.integers["bias"].long()
        assert off.abs().max() <= 1 + 1e-5 * tuned.integers["bias"].abs().max()  # a learned scale is float32
    assert qat.freeze().file_bytes != plain.freeze().file_bytes


@pytest.mark.parametrize("name", NETS)
def test_training_moves_them_and_the_file_follows(name):
    qat, x = begun(name)
    first = [layer.integers["codes"].clone() for layer in weighted(qat.quantized)]
    optimizer = torch.optim.Adam(qat.parameters(), 0.02)
    for _ in range(4):
        optimizer.zero_grad()
        F.mse_loss(qat(x), torch.zeros_like(qat(x))).backward()
        optimizer.step()
    assert all(
        not torch.equal(layer.integers["codes"], codes)
        for layer, codes in zip(weighted(qat.quantized), first, strict=True)
    )
    frozen = qat.eval().freeze()
    with torch.no_grad():
        assert torch.equal(qat(x), frozen(x))
    assert copy.deepcopy(qat).freeze().file_bytes == frozen.file_bytes
    # Without a recipe there is nothing that its buffers could go into, and torch says so.
    with pytest.raises(RuntimeError, match=r"Unexpected key.*tuning"):
        begun(name, "fast")[0].load_state_dict(qat.state_dict())


def test_what_a_recipe_decided_travels_with_the_state():
    """Of another network's calibration, so that every buffer differs."""
    qat, x = begun("chain")
    net, _ = network("chain", seed=5)
    other = training.prepare(net, x[:1], [x * 2], num_bits=4, recipe=RECIPE)
    assert other.freeze().file_bytes != qat.freeze().file_bytes
    other.load_state_dict(qat.state_dict())
    assert other.freeze().file_bytes == qat.freeze().file_bytes
    learned = dict(qat.named_parameters())
    assert all(f"layers.{k}" not in learned for k in qat.layers.state_dict() if ".tuning" in k)


def test_a_bias_where_the_layer_has_none():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(16, 3, 6, 6) + 1
    qat = training.prepare(net, x[:1], [x], 4, recipe="correct_bias")
    assert qat.quantized.stages[1].layer.integers["bias"].abs().max() > 0
    assert torch.equal(qat.eval()(x), qat.freeze()(x))
