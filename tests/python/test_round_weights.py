"""Weights rounded together: descent ends in a minimum, tunings become their codes; learning behind it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import icepoint
from icepoint.accuracy import adaround
from icepoint.accuracy.adaround import _learned
from icepoint.accuracy.least_squares import descend
from icepoint.accuracy.round_weights import round_weights
from icepoint.accuracy.weight_grid import Grid
from icepoint.modules.clamps import activated
from icepoint.modules.weighted import QWeighted
from road_nets import images, randomize_batchnorm

SEED = 30


def problem(seed, oc=6, k=150):
    """A grid of 4-bit codes, weights V and correlated inputs; K is more than one block."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(40, k, generator=g, dtype=torch.float64) @ torch.randn(
        k, k, generator=g, dtype=torch.float64
    )
    h = x.T @ x / 40 + torch.eye(k, dtype=torch.float64)
    v = torch.randn(oc, k, generator=g, dtype=torch.float64)
    ends = torch.full((oc,), 7.0, dtype=torch.float64)
    zero = torch.zeros(oc, dtype=torch.float64)
    grid = Grid(v, v.abs().amax(1) / 7, zero, zero, -ends, ends, zero == 0)
    grid.codes = grid.nearest(v)
    return grid, v, h


def error(grid, v, h):
    e = grid.weight - v
    return ((e @ h) * e).sum(1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_descent_ends_where_no_single_code_is_better(seed):
    grid, v, h = problem(seed)
    grid.free = ~grid.free
    first = error(grid, v, h)
    for _ in range(60):
        before = error(grid, v, h)
        descend(grid, v, h, 1)
        assert (error(grid, v, h) <= before * (1 + 1e-12)).all()
    least = error(grid, v, h)
    assert (least < 0.5 * first).all()
    for k in (0, 77, 149):
        for step in (-1.0, 1.0):
            codes = grid.codes.clone()
            codes[:, k] = (codes[:, k] + step).clamp(-7, 7)
            assert (error(replace(grid, codes=codes), v, h) >= least * (1 - 1e-12)).all()


def test_descent_finds_the_best_of_all_codes_where_they_can_be_tried():
    torch.manual_seed(SEED)
    h = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    v = torch.tensor([[0.6, 0.6], [1.4, -0.4]], dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    grid = Grid(torch.round(v), one, 0 * one, 0 * one, -3 * one, 3 * one, one == 0)
    descend(grid, v, h, 9)
    tried = [[a, b] for a in range(-3, 4) for b in range(-3, 4)]
    for row in range(2):
        errors = [float((e := torch.tensor(t, dtype=torch.float64) - v[row]) @ h @ e) for t in tried]
        assert grid.codes[row].tolist() == tried[errors.index(min(errors))]


def test_scales_fit_and_keep_their_floor():
    grid, v, h = problem(4)
    descend(grid, v, h, 20)
    for factor in (0.99, 1.01):
        moved = replace(grid, scale=grid.scale * factor)
        assert (error(moved, v, h) > error(grid, v, h)).all()
    assert torch.equal(grid.scale, grid.scale.float().double())
    grid, v, h = problem(4)
    grid.least = grid.scale * 2
    descend(grid, v, h, 20)
    assert (grid.scale >= grid.least).all()


def network():
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, 2, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 10),
    )  # fmt: skip
    randomize_batchnorm(net, SEED)
    return net.eval()


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine", "per_channel_affine"])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_codes_are_what_was_chosen_and_the_outputs_are_nearer(weights, bits):
    x, net = images(24, SEED, 3, 12), network()
    q = icepoint.quantize(net, x[:1], [x], recipe=[round_weights], weights=weights, weight_bits=bits)
    for stage in q.stages:
        if isinstance(stage.layer, QWeighted):
            layer, tuning = stage.layer, stage.layer.tuning
            scale = tuning.weight_scale.double().view(-1, *[1] * (tuning.weight.dim() - 1))
            zero = 0 if tuning.weight_zero_point is None else tuning.weight_zero_point.view(scale.shape)
            chosen = (tuning.weight.double() / scale).round() + zero
            assert torch.equal(layer.integers["codes"].to(torch.int64), chosen.to(torch.int64))
            assert chosen.min() >= layer.q_weight.qmin and chosen.max() <= layer.q_weight.qmax
            assert torch.equal(layer.q_weight.scales, tuning.weight_scale)
    assert q.trials[0].after.sqnr_db > q.trials[0].before.sqnr_db


def test_scales_that_are_powers_of_two_stay_so():
    x, net = images(24, SEED, 3, 12), network()
    q = icepoint.quantize(net, x[:1], [x], recipe=[round_weights], weight_bits=4, power_of_two=True)
    assert q.trials[0].after.sqnr_db > q.trials[0].before.sqnr_db
    for layer in (s.layer for s in q.stages if isinstance(s.layer, QWeighted)):
        assert (torch.frexp(layer.q_weight.scales).mantissa == 0.5).all()
        assert torch.equal(layer.q_weight.dequantize_tensor(layer.integers["codes"]), layer.tuning.weight)


def test_same_bits_each_time_and_a_layer_of_zeros():
    net, x = network(), images(16, SEED, 3, 12)
    with torch.no_grad():
        net[0].weight[2] = 0
        net[3].weight.zero_()
    files = [icepoint.quantize(net, x[:1], [x], recipe=[round_weights]).freeze().file_bytes for _ in "ab"]
    assert files[0] == files[1]


def test_inputs_that_never_change():
    """A linear layer behind a pool whose codes of 3 bits are the same for all images."""
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 6)
    )
    x = 1.0 + 1e-3 * images(40, SEED, 3, 12)
    plain, q = (
        icepoint.quantize(net.eval(), x[:1], [x], recipe=recipe, num_bits=3)
        for recipe in ("fast", [round_weights])
    )
    assert float(q.stages[-1].layer.tuning.weight.abs().max()) < 2 * float(net[4].weight.detach().abs().max())
    with torch.no_grad():
        errors = [float((m(x) - net(x)).square().sum()) for m in (plain, q)]
    assert errors[1] < errors[0]


def test_one_image_is_enough():
    x = images(1, SEED, 3, 12)
    q = icepoint.quantize(network(), x, [x], recipe=[round_weights], weight_bits=4)
    assert q.trials[0].after.sqnr_db > q.trials[0].before.sqnr_db


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine", "per_channel_affine"])
def test_learned_codes_are_nearer_on_their_images(weights):
    """In the first layer, behind the same inputs, the error behind the activation falls or stays."""
    x, net = images(24, SEED, 3, 12), network()

    def learned(graph, evidence):
        return adaround(graph, evidence, steps=150)

    models = [
        icepoint.quantize(net, x[:1], [x], recipe=[r], weights=weights, weight_bits=3)
        for r in (round_weights, learned, learned)
    ]
    files = [q.freeze().file_bytes for q in models]
    assert files[1] == files[2] != files[0]
    z, errors = models[0].stages[0].layer.q_in.fake_quantize(x), []
    for q in models[:2]:
        layer = q.stages[1].layer
        assert torch.equal(layer.q_weight.dequantize_tensor(layer.integers["codes"]), layer.tuning.weight)
        with torch.no_grad():
            y = activated(layer.compute(z, *layer.fake_weights()), layer.activation)
            errors.append(float((y - net[:3](x)).double().square().sum()))
    print(f"squared error {errors[0]:.5f} by round_weights, {errors[1]:.5f} learned")
    assert errors[1] <= errors[0] * (1 + 1e-6)


def test_learning_chooses_the_better_of_two_codes():
    """Two weights of 0.6 and inputs that are alike: one goes up and one down."""
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn(1, 1, 500, generator=generator).expand(1, 2, 500)

    def error(q, at):
        return (q @ x[..., at] - 0.5 * 2 * x[:, :1, at]).square().mean()

    found = _learned(torch.tensor([[[0.6, 0.45]]]), error, 500, 400)
    assert sorted(found.flatten().tolist()) == [0.0, 1.0]
