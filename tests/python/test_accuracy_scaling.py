"""equalize and smooth: the float function stays, ranges even out, dead channels and clamps do no harm."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import icepoint
from icepoint.accuracy import equalize, judge, smooth
from icepoint.accuracy.links import links
from icepoint.accuracy.scaling import folded, peaks, within_clamps
from icepoint.tuning import Tuning
from road_nets import images, randomize_batchnorm

SEED = 31


class Branches(nn.Module):
    """Convolutions of every kind, read once and twice, with what may and what may not stand between."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.depthwise_norm = nn.BatchNorm2d(8, affine=False)
        self.left, self.right = nn.Conv2d(8, 6, 1, groups=2), nn.Conv2d(8, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 2, 2, groups=2)
        self.last, self.head = nn.Conv2d(4, 5, 3), nn.Linear(5 * 4, 7)
        self.out = nn.Linear(7, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 2)
        x = F.leaky_relu(self.depthwise_norm(self.depthwise(x)), 0.1)
        x = F.relu(self.left(x) + self.right(x))  # a sum: its channels belong to two layers
        x = F.pad(F.relu(self.up(x)), (1, 0, 0, 1))
        x = F.adaptive_avg_pool2d(F.relu(self.last(x[:, [2, 0, 3, 1]])), 2)
        return self.out(F.relu(self.head(x.flatten(1))))


def network():
    """Channels whose makers and readers have weights of unlike ranges, in a function that has not."""
    torch.manual_seed(SEED)
    net = randomize_batchnorm(Branches(), SEED)

    def unlike(count):
        return 10 ** torch.linspace(-1.2, 1.2, count)[torch.randperm(count)]

    with torch.no_grad():
        s, t, u = unlike(8), unlike(5), unlike(7)
        for parameter in (net.norm.weight, net.norm.bias):
            parameter *= s
        net.depthwise.weight /= s.view(-1, 1, 1, 1)
        net.last.weight *= t.view(-1, 1, 1, 1)
        net.last.bias *= t
        net.head.weight *= u.view(-1, 1) / t.repeat_interleave(4)
        net.head.bias *= u
        net.out.weight /= u
    return net.eval()


def quantized(net, x, recipe, **options):
    return icepoint.quantize(net, x[:1], [x], recipe=recipe, **options)


def floats(graph, x):
    values = {0: x}
    with torch.no_grad():
        for step in graph.steps:
            values[step.output] = step.module(*(values[v] for v in step.inputs))
    return values[graph.outputs[0]]


def test_links_end_where_channels_mix():
    q = quantized(network(), images(4, SEED, 3, 14), "fast")
    found = {link.producer.name: [step.name for step, _ in link.consumers] for link in links(q._captured)}
    assert found == {
        "stem": ["depthwise"],
        "depthwise": ["left", "right"],
        "up": ["last"],
        "last": ["head"],
        "head": ["out"],
    }


@pytest.mark.parametrize("method", [equalize, smooth])
@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine"])
def test_the_float_function_stays(method, weights):
    x, other = images(16, SEED, 3, 14), images(16, SEED + 1, 3, 14)
    net = network()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    q = quantized(net, x, [method], weights=weights)
    graph, expected = q._captured, net(other).detach()
    assert any(not torch.equal(a, b) for a, b in pairs_of_weights(graph, q._evidence.original))
    worst = float((floats(graph, other) - expected).abs().max() / expected.abs().max())
    print(f"{method.__name__}: {worst:.1e} of the greatest output")
    assert worst < 1e-5
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


def pairs_of_weights(graph, other):
    pairs = zip(graph.steps, other.steps, strict=True)
    return [(a.module.weight, b.module.weight) for a, b in pairs if hasattr(a.module, "weight")
            and a.module.weight is not None]  # fmt: skip


class Sequence(nn.Module):
    """What slides along a sequence, and features of (n, t, f), whose reshapes mix places with features."""

    def __init__(self, shape):
        super().__init__()
        self.first, self.second = nn.Conv1d(3, 8, 3, padding=1), nn.Conv1d(8, 6, 3, padding=1)
        self.wide, self.image, self.flat = nn.Linear(6, 6), nn.Conv2d(6, 4, 1), nn.Linear(36, 4)
        self.shape = shape

    def forward(self, x):
        x = F.relu(self.wide(F.relu(self.second(F.relu(self.first(x))))))
        return self.flat(x.flatten(1)) if self.shape is None else self.image(x.reshape(-1, *self.shape))


@pytest.mark.parametrize("shape", [None, (6, 2, 3), (6, 6, 1)])
@pytest.mark.parametrize("method", [equalize, smooth])
def test_sequences_keep_their_function(method, shape):
    torch.manual_seed(SEED)
    net, x = Sequence(shape).eval(), torch.randn(8, 3, 6, generator=torch.Generator().manual_seed(SEED))
    q = icepoint.quantize(net, x[:1], x, recipe="fast")
    assert [link.producer.name for link in links(q._captured)] == ["first"]
    made, expected = floats(method(q._captured, q._evidence), x), net(x).detach()
    assert float((made - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_equalized_ranges_are_alike():
    q = quantized(network(), images(16, SEED, 3, 14), [equalize])
    weights = folded(q._captured)
    for link in links(q._captured):
        made = weights[link.producer.output][0].abs().flatten(1).amax(1)
        read = torch.zeros_like(made)
        for step, of in link.consumers:
            w = weights[step.output][0]
            if step.name == "depthwise":
                columns = w.abs().flatten(1).amax(1)
            elif step.name == "left":  # two groups of four
                columns = w.view(2, 3, 4).abs().amax(1).flatten()
            else:
                columns = w.abs().transpose(0, 1).flatten(1).amax(1)
            read.scatter_reduce_(0, of, columns, "amax")
        torch.testing.assert_close(made, read, rtol=0.02, atol=0)


def test_equalization_saves_weights_that_share_one_scale():
    x, other = images(32, SEED, 3, 14), images(32, SEED + 1, 3, 14)
    net = network()
    plain, equal = (quantized(net, x, r, weights="per_tensor_affine") for r in ("fast", [equalize]))
    with torch.no_grad():
        gain = judge([net(other)], [equal(other)]).sqnr_db - judge([net(other)], [plain(other)]).sqnr_db
    print(f"{gain:.1f} dB on other images")
    assert gain > 3


def test_smoothing_saves_activations_of_unlike_channels():
    x, other = images(32, SEED, 3, 14), images(32, SEED + 1, 3, 14)
    net = network()
    plain, even = (quantized(net, x, r, activation_bits=5) for r in ("fast", [smooth]))
    with torch.no_grad():
        gain = judge([net(other)], [even(other)]).sqnr_db - judge([net(other)], [plain(other)]).sqnr_db
    print(f"{gain:.1f} dB on other images")
    assert gain > 2


def test_a_depthwise_layer_lets_every_channel_use_all_codes():
    q = quantized(network(), images(16, SEED, 3, 14), [smooth])
    evidence, graph = q._evidence, q._captured
    link = next(link for link in links(graph) if link.producer.name == "stem")
    seen = peaks(graph, evidence, [link])[link.producer.output]
    alive = seen[seen > 0]
    torch.testing.assert_close(alive, alive.amax().expand_as(alive), rtol=1e-5, atol=0)
    assert len(alive) > 4


@pytest.mark.parametrize("method", [equalize, smooth])
@pytest.mark.parametrize("what", ["made of nothing", "read by nobody", "shared"])
def test_dead_channels_and_shared_weights(method, what):
    torch.manual_seed(SEED)
    a, b = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), a, nn.ReLU(), a if what == "shared" else b).eval()
    with torch.no_grad():
        if what == "made of nothing":
            net[0].weight[2], net[0].bias[2] = 0, 0
        if what == "read by nobody":
            a.weight[:, 4] = 0
    x = images(8, SEED, 3, 10)
    q = quantized(net, x, [method])
    torch.testing.assert_close(floats(q._captured, x), net(x).detach(), rtol=1e-4, atol=1e-5)
    assert q.trials[0].after.sqnr_db > 20


def clamped():
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
                        nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.ReLU6(),
                        nn.Conv2d(8, 4, 1)).eval()  # fmt: skip
    with torch.no_grad():
        for norm in (net[1], net[4]):
            norm.weight.copy_(10 ** torch.linspace(-2, 1, 8)[torch.randperm(8)])
            norm.bias.copy_(norm.weight / 2)
    return net


@pytest.mark.parametrize("method", [equalize, smooth])
def test_what_a_clamp_cuts_off_stays(method):
    """On the calibration images the function is the same, though channels reach 6 and others do not."""
    net, x = clamped(), images(16, SEED, 3, 12)
    reached = (net[:3](x) == 6).any(3).any(2).any(0)
    assert reached.any() and not reached.all()
    q = quantized(net, x, [method])
    assert any(not torch.equal(a, b) for a, b in pairs_of_weights(q._captured, q._evidence.original))
    torch.testing.assert_close(floats(q._captured, x), net(x).detach(), rtol=1e-4, atol=1e-4)


def test_scales_within_a_clamp():
    net, x = clamped(), images(4, SEED, 3, 12)
    link = links(quantized(net, x, "fast")._captured)[0]
    wanted = torch.tensor([4.0, 1.0, 0.01, 0.5, 9.0, 2.0, 0.3, 1.0], dtype=torch.float64)
    peak = torch.tensor([6.0, 6.0, 3.0, 3.0, 5.9, 0.0, 1.0, 0.1], dtype=torch.float64)
    s = within_clamps(link, wanted, peak)
    # Channels 0, 1 reach the clamp, and 4 with the margin: their mean scale 36^(1/3) becomes 1.
    expected = (wanted / 36 ** (1 / 3)).maximum(peak * (1.125 / 6))
    expected[[0, 1, 4]] = 1.0
    torch.testing.assert_close(s, expected)
    none = within_clamps(link, wanted, peak / 6)
    torch.testing.assert_close(none, (wanted / 9).maximum(peak * (1.125 / 36)))


def test_weights_that_are_tuned_already_are_refused():
    q = quantized(network(), images(4, SEED, 3, 14), "fast")
    first = q._captured.steps[0]
    tuned = replace(first, tuning=Tuning(weight=first.module.weight.detach()))
    graph = replace(q._captured, steps=[tuned, *q._captured.steps[1:]])
    with pytest.raises(ValueError, match=r"stem: its weights are tuned already; scale channels"):
        equalize(graph, q._evidence)


def test_nothing_to_scale_is_the_same_graph():
    q = quantized(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), images(4, SEED, 3, 12), "fast")
    assert equalize(q._captured, q._evidence) is q._captured
    assert smooth(q._captured, q._evidence) is q._captured
