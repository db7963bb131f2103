"""merge_means: the float function stays, sums are exact, every size works, and little is spent on it."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
import small_model
from icepoint import training
from icepoint.accuracy import STEPS, judge, merge_means
from icepoint.capture import Reshape
from icepoint.modules import QMeanLinear
from icepoint.modules.mean_linear import MeanLinear
from icepoint.modules.weighted import QWeighted
from icepoint.tuning import Tuning

SEED = 61
SCHEMES = ["per_channel", "per_tensor_affine", "per_channel_affine"]


class Net(nn.Module):
    """Convolutions, their mean over the picture, one linear layer."""

    def __init__(self, channels=12, classes=5, linear=None):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, channels, 3, 2), nn.ReLU())
        self.fc = nn.Linear(channels, classes) if linear is None else linear

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def network(*args, **options):
    torch.manual_seed(SEED)
    return Net(*args, **options).eval().requires_grad_(False)


def pictures(count, seed, size=14):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def x():
    return pictures(24, SEED)


def quantized(x, recipe, net=None, **options):
    return icepoint.quantize(net or network(), x[:1], [x], recipe=recipe, **options)


def merged(q):
    """The graph behind the method."""
    return merge_means(q._captured, q._evidence)


def has_mean(q):
    return any(isinstance(step.module, nn.AdaptiveAvgPool2d) for step in q._captured.steps)


@pytest.mark.parametrize("size", [14, 17])
def test_the_float_function_stays(x, size):
    q = quantized(x, "fast")
    graph, other = merged(q), pictures(3, SEED, size)
    kinds = [type(step.module) for step in graph.steps]
    assert kinds[-1] is MeanLinear and not {nn.AdaptiveAvgPool2d, Reshape} & set(kinds) and has_mean(q)
    values = {0: other.double()}
    for step in graph.steps:
        values[step.output] = copy.deepcopy(step.module).double()(values[step.inputs[0]])
    expected = network().double()(other.double())
    assert float((values[graph.outputs[0]] - expected).abs().max()) < 1e-14


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("bits", [8, 5, 2])
@pytest.mark.parametrize("size", [(4, 4), (1, 1), (3, 7)], ids=str)
def test_sums_are_those_of_numpy(weights, bits, size):
    """Codes and accumulators by hand: int64 sums of all places, one multiplier."""
    torch.manual_seed(SEED)
    layer = QMeanLinear(MeanLinear(6, 5, True, cells=16), num_bits=bits, weights=weights)
    layer(torch.randn(8, 6, 4, 4) + 0.3)
    layer.freeze()
    codes = torch.randint(layer.q_in.qmax + 1, (7, 6, *size), dtype=torch.int32)
    cells, (scale, zero_point) = size[0] * size[1], layer.q_weight.known()
    weight = layer.q_weight.codes(layer.float_weights()[0]).to(torch.int64) - zero_point[:, None]
    sums = (codes.numpy().astype(np.int64) - layer.q_in.zero_point).sum((2, 3))
    unit = layer.q_in.scale * (scale * (16 / cells)).double().numpy()
    bias = np.rint(layer.fc_module.bias.detach().double().numpy() / unit).astype(np.int64)
    acc = sums @ weight.numpy().T + bias
    assert np.array_equal(layer.accumulate(codes.to(torch.uint8)).numpy(), acc)
    assert np.array_equal(layer.reals_inference(codes).numpy(), (acc * unit).astype(np.float32))
    found = layer.quantize_inference(codes)
    made = layer.unrolled(cells)
    multiplier, shift = (made.integers[k].double().numpy() for k in ("multiplier", "shift"))
    nearest = np.clip(np.rint(acc * multiplier * 2.0**-shift) + layer.q_out.zero_point, 0, layer.q_out.qmax)
    assert found.shape == (7, 5) and np.abs(found.numpy() - nearest).max() <= 1  # ties
    assert torch.equal(found, made.quantize_inference(codes.flatten(1)))


def test_a_mean_is_not_rounded():
    """One channel whose codes are exact, and whose means are not: the integers are float's answer."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    )
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[3].weight.copy_(torch.tensor([[127.0, -127.0], [64.0, 127.0], [-1.0, 127.0]]) / 127)
        net[3].bias.zero_()
    x = torch.randint(0, 256, (64, 1, 5, 5), generator=torch.Generator().manual_seed(SEED)).float()
    x[0, 0, 0] = torch.tensor([0.0, 255.0, 0.0, 255.0, 0.0])
    net.eval().requires_grad_(False)
    plain, exact = (quantized(x, recipe, net) for recipe in ("fast", ["merge_means"]))
    errors = [float((q(x) - net(x)).abs().max()) for q in (plain, exact)]
    print(f"largest error {errors[0]:.4f} with a code for the mean, {errors[1]:.6f} without")
    assert errors[1] < 1e-4 < 0.05 < errors[0]


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("recipe", [["merge_means"], "accurate", "max"], ids=str)
def test_merged_models_freeze_and_travel(x, weights, bits, recipe, tmp_path):
    q = quantized(x, recipe, weights=weights, num_bits=bits)
    assert q.trials[0].method == "merge_means" and q.trials[0].kept and not has_mean(q)
    frozen = q.freeze()
    assert torch.equal(frozen(x), q(x)) and q.again().freeze().file_bytes == frozen.file_bytes
    wide = torch.randn(3, 3, 11, 23, generator=torch.Generator().manual_seed(SEED))
    assert torch.equal(q.freeze(height=11, width=23)(wide), q(wide))
    assert torch.equal(q.freeze()(x), frozen(x))  # another size before changes nothing
    other = quantized(x, recipe, weights=weights, num_bits=bits)
    for stage in other.stages:
        if isinstance(stage.layer, QWeighted):
            stage.layer.tuning = Tuning()
    other.load_state_dict(q.state_dict())
    for twin in (other, copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert torch.equal(twin(x), q(x))
    answer = small_model.run("verify", frozen.save(tmp_path / "merged.ice"))
    assert "differ" not in answer, answer


@pytest.mark.parametrize("bits", [8, 4])
def test_integers_come_nearer(x, bits):
    net, unseen = network(), pictures(64, SEED + 1)
    real = [net(unseen)]
    found = [
        judge(real, [quantized(x, r, net, num_bits=bits)(unseen)]).sqnr_db for r in ("fast", ["merge_means"])
    ]
    print(f"{found[0]:.1f} dB -> {found[1]:.1f} dB on other images")
    assert found[1] > found[0] + 0.5


class Shared(Net):
    def forward(self, x):
        mean = self.conv(x).mean((2, 3))
        return self.fc(mean), mean


class Between(Net):
    def forward(self, x):
        return self.fc(torch.tanh(self.conv(x).mean((2, 3))))


def wide_classes():
    return network(12, 2000)  # 25 places: 576,000 weights more


def with_norm():
    return network(linear=nn.Sequential(nn.Linear(12, 5), nn.BatchNorm1d(5)))


class LastAxis(Net):
    def forward(self, x):
        return self.fc(nn.functional.adaptive_avg_pool2d(self.conv(x), 1))


def other(kind, **options):
    torch.manual_seed(SEED)
    return kind(**options).eval().requires_grad_(False)


def last_axis():
    return other(LastAxis, linear=nn.Linear(1, 5))


@pytest.mark.parametrize(
    "net",
    [lambda: other(Shared), lambda: other(Between), wide_classes, with_norm, last_axis],
    ids=["mean", "tanh", "large", "norm", "last axis"],
)
def test_other_means_stay(x, net):
    q = quantized(x, "fast", net())
    assert merged(q) is q._captured and has_mean(q)


def test_powers_of_two_hold_at_every_size(x):
    q = quantized(x, ["merge_means"], power_of_two=True)
    for size in (14, 17):
        frozen, other = q.freeze(height=size, width=size), pictures(3, SEED, size)
        scales = frozen.integers()["fc"]["weight_scale"]
        assert (np.frexp(scales)[0] == 0.5).all() and torch.equal(frozen(other), q(other))


def test_names_of_bits_are_those_of_the_given_network(x):
    q = quantized(x, ["merge_means"], activation_bits={"mean": 6, "conv.*": 7})
    assert not has_mean(q) and [s.layer.num_bits for s in q.stages] == [8, 7, 7, 8]
    with pytest.raises(ValueError, match="'median' matches no layer"):
        quantized(x, ["merge_means"], activation_bits={"median": 6})


def test_methods_that_chose_integers_come_later(x):
    with pytest.raises(ValueError, match="tuned already"):
        quantized(x, ["round_weights", "merge_means"])


@pytest.mark.parametrize("step", sorted(set(STEPS) - {"merge_means", "adaround"}))
def test_every_method_may_follow(x, step):
    q = quantized(x, ["merge_means", step])
    assert not has_mean(q) and torch.equal(q.freeze()(x), q(x))
    assert judge([network()(x)], [q(x)]).sqnr_db > 25


def test_training_begins_there(x):
    qat = training.prepare(network().requires_grad_(True), x[:1], [x], num_bits=4, recipe=["merge_means"])
    before = qat.eval()(x).detach()
    optimizer = torch.optim.SGD(qat.train().parameters(), lr=1e-2)
    qat(x).square().mean().backward()
    weights = [p for name, p in qat.named_parameters() if name.endswith("module.weight")]
    assert len(weights) == 3 and all(float(p.grad.abs().sum()) > 0 for p in weights)
    optimizer.step()
    assert not torch.equal(qat.eval()(x), before) and torch.equal(qat(x), qat.freeze()(x))


def test_reports_tell_of_it(x):
    q = quantized(x, "accurate")
    assert "merge_means" in str(q.report())
    rows = q.measure(remedies=False).to_dict()["layers"]
    assert [row["macs"] for row in rows][-1] == 12 * 5 * 25


def test_a_linear_layer_is_refused():
    with pytest.raises(ValueError, match="expected a MeanLinear, found Linear"):
        QMeanLinear(nn.Linear(3, 4))
    layer = QMeanLinear(MeanLinear(6, 3, False, cells=4))
    with pytest.raises(ValueError, match=r"expected shape \(n, 6 channels, h, w\), found \(2, 6\)"):
        layer(torch.randn(2, 6))
