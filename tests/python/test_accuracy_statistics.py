"""Biases from BatchNorm's word, BatchNorm re-estimated, clipped scales: against sampling and by hand."""

import pytest
import torch
from torch import nn

import icepoint
from icepoint.accuracy import clip_weights, correct_bias_analytic, judge, reestimate_batchnorm
from icepoint.accuracy.correct_bias_analytic import clipped_mean
from icepoint.accuracy.links import mean_links
from icepoint.modules.weighted import QWeighted
from icepoint.weight_scales import best_weight_scales
from road_nets import images, randomize_batchnorm

SEED = 32


def quantized(net, x, recipe, **options):
    return icepoint.quantize(net, x[:1], [x], recipe=recipe, **options)


@pytest.mark.parametrize("low, high", [(None, None), (0.0, None), (0.0, 6.0), (0.0, 0.5)])
def test_clipped_mean_is_the_integral(low, high):
    mean = torch.tensor([-3.0, -0.4, 0.0, 1.5, 8.0, 2.0], dtype=torch.float64)
    deviation = torch.tensor([1.0, 0.7, 2.0, 0.1, 3.0, 0.0], dtype=torch.float64)
    t = torch.linspace(-9, 9, 200001, dtype=torch.float64)
    density = torch.exp(-t * t / 2) / (2 * torch.pi) ** 0.5 * (t[1] - t[0])
    x = mean[:, None] + deviation[:, None] * t
    x = x if low is None and high is None else x.clamp(low, high)
    torch.testing.assert_close(
        clipped_mean(mean, deviation, low, high), (x * density).sum(1), rtol=1e-6, atol=1e-7
    )


def chain():
    """A linear layer whose inputs are Gaussian behind a BatchNorm, as the method takes them to be."""
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Linear(64, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 20), nn.BatchNorm1d(20)
    )
    with torch.no_grad():
        net[0].weight /= net[0].weight.norm(dim=1, keepdim=True)  # of N(0, 1): N(0, 1) again
        net[1].running_var.fill_(1.0)
        net[1].weight.uniform_(0.5, 2.0)
        net[1].bias.normal_()
        net[4].weight.uniform_(0.5, 2.0)
    return net.eval()


def test_the_correction_without_data_is_the_one_that_data_show():
    net, x = chain(), torch.randn(4000, 64, generator=torch.Generator().manual_seed(SEED))
    q = quantized(net, x, [correct_bias_analytic], weight_bits=3)
    layer = q.stages[-1].layer
    lost = (layer.float_weights()[0] - layer.fake_weights()[0]).detach().double()
    seen = lost @ net[:3](x).detach().double().mean(0)
    bias = layer.tuning.bias
    print(f"shift {float(seen.abs().mean()):.4f}, off by {float((bias - seen).abs().max()):.4f}")
    assert float((bias - seen).abs().max()) < 0.1 * float(seen.abs().max())
    assert not q.stages[1].layer.tuning.state()  # nothing tells of the network's own inputs


def test_mean_links_follow_averages_and_nothing_else():
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 1),
        nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.LeakyReLU(),
        nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    ).eval()  # fmt: skip
    found = mean_links(quantized(net, images(4, SEED, 3, 12), "fast")._captured)
    told = [
        (link.producer.name, link.consumers[0][0].name, [c.name for c in link.clamps], link.high)
        for link in found
    ]
    assert told == [("0", "4", ["2"], 6.0), ("11", "15", [], None)]


def test_the_correction_without_data_helps():
    net, x = chain(), torch.randn(500, 64, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():  # most weights of a row are rounded to the same few codes, in one direction
        net[3].weight.abs_()
        net[3].weight[:, 0] = 4 * net[3].weight.max()
    plain, corrected = (quantized(net, x, r, weight_bits=3) for r in ("fast", [correct_bias_analytic]))
    other = torch.randn(500, 64, generator=torch.Generator().manual_seed(SEED + 1))
    with torch.no_grad():
        gain = judge([net(other)], [corrected(other)]).sqnr_db - judge([net(other)], [plain(other)]).sqnr_db
    print(f"{gain:.1f} dB")
    assert gain > 1


def network():
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    return randomize_batchnorm(net, SEED)


@pytest.mark.parametrize("weights", ["per_channel", "per_channel_affine", "per_tensor_affine"])
def test_reestimated_batchnorms_have_their_float_statistics(weights):
    net, x = network(), images(32, SEED, 3, 12)
    plain, q = (
        quantized(net, x, r, weight_bits=3, weights=weights) for r in ("fast", [reestimate_batchnorm])
    )
    layer, before = q.stages[1].layer, plain.stages[1].layer
    assert torch.equal(layer.integers["codes"], before.integers["codes"])
    z = q.stages[0].layer.q_in.fake_quantize(x)
    exact = net[1](net[0](x)).detach().double()
    made = layer.compute(z, layer.fake_weights()[0], layer.fake_weights()[1]).detach().double()
    dims = (0, 2, 3)
    assert float((made.mean(dims) - exact.mean(dims)).abs().max()) < 0.01 * layer.q_out.scale
    if weights != "per_tensor_affine":  # one scale for all has no gain a channel
        torch.testing.assert_close(made.std(dims), exact.std(dims), rtol=1e-3, atol=1e-4)
    assert not q.stages[-1].layer.tuning.state()  # no BatchNorm there
    assert q.trials[0].after.sqnr_db > q.trials[0].before.sqnr_db


def test_a_batchnorm_of_a_dead_channel_stays():
    net, x = network(), images(16, SEED, 3, 12)
    with torch.no_grad():
        net[1].weight[3], net[1].bias[3] = 0.0, 0.25
        net[0].weight[5] = 0.0
    q = quantized(net, x, [reestimate_batchnorm])
    layer, float_bias = q.stages[1].layer, q.stages[1].layer.float_weights()[1]
    fixed = layer.fake_weights()[1]
    for c in (3, 5):
        assert abs(float(fixed[c] - float_bias[c])) < 1e-3 * layer.q_out.scale
        assert layer.integers["codes"][c].abs().max() == 0
    assert torch.isfinite(layer.tuning.weight).all() and torch.isfinite(layer.tuning.bias).all()


@pytest.mark.parametrize("weights", ["per_channel", "per_channel_affine", "per_tensor_affine"])
def test_clipped_weights_have_the_best_scales(weights):
    net, x = network(), images(16, SEED, 3, 12)
    q = quantized(net, x, [clip_weights], weight_bits=4, weights=weights)
    for layer in (s.layer for s in q.stages if isinstance(s.layer, QWeighted)):
        weight, bias = layer.float_weights()
        scale, zero_point = best_weight_scales(
            weight.detach(), 4, weights, None if bias is None else 2 * bias, layer.q_in.scale
        )
        assert torch.equal(layer.q_weight.scales, scale)
        assert torch.equal(layer.q_weight.zero_points, zero_point)


def test_rounded_weights_are_not_clipped_again():
    net, x = network(), images(16, SEED, 3, 12)
    once, twice = (
        quantized(net, x, ["round_weights", *more], weight_bits=4) for more in ([], ["clip_weights"])
    )
    assert once.freeze().file_bytes == twice.freeze().file_bytes
