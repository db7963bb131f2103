"""Observers behind QParam and quantize: min-max by default, states that travel, power-of-two scales."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from icepoint import QParam, choose_qparams, choose_weight_qparams, quantize
from icepoint.observers import METHODS, Mse, Observer, Percentile, make
from icepoint.qparams import power_of_two_qparams
from icepoint.weights import SCHEMES, WeightQParam, weight_range
from observer_data import same_state, values

SEED = 41
X = torch.from_numpy(values("laplace", (96, 3, 12, 12), SEED))


class Joined(nn.Module):
    """A convolution, a concatenation whose members share a range, and a sigmoid, whose range is known."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(SEED)
        self.a, self.b, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(8, 5)

    def forward(self, x):
        y = torch.cat([self.a(x), self.b(x).relu()], 1)
        return torch.sigmoid(self.fc(y.mean((2, 3)))) + 1.0


@pytest.fixture(scope="module")
def model():
    return Joined().eval()


def made(model, data, observer="min_max", **options):
    return quantize(model, X[:1], data, recipe="fast", observer=observer, **options)


def qparams(q):
    return [stage.layer.q_result for stage in q.stages if isinstance(stage.layer, icepoint.modules.QModule)]


def scales(q):
    return [(p.scale, p.zero_point) for p in qparams(q)]


@pytest.mark.parametrize("method", METHODS)
def test_a_qparam_takes_its_observers_range(method):
    seen, q = make(method), QParam(6, method)
    assert (q.min, q.max, q.scale, q.zero_point) == (None,) * 4
    for part in X.split(40):
        seen.update(part)
        q.update(part)
    assert (q.min, q.max) == seen.range(6) and (q.scale, q.zero_point) == choose_qparams(*seen.range(6), 6)
    halves = QParam(6, method), QParam(6, method)
    halves[0].update(X[50:])
    halves[1].update(X[:50])
    halves[1].merge(halves[0])
    assert halves[1].same_as(q) and same_state(halves[1].state(), q.state())
    with pytest.raises(ValueError, match="6 bits"):
        q.merge(QParam(8, method))
    with pytest.raises(ValueError, match="per tensor"):
        QParam(8, make(method, axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_update_never_moves_when_it_raises(method):
    q = QParam(2, method)
    q.update(X)
    before = q.state()
    bad = X.clone()
    bad[3, 1, 2, 2] = math.inf
    # 2^128 / 3 is more than the greatest scale, 2^100, and finite.
    for x in (bad, torch.zeros(0), X.double(), torch.tensor([3e38]), torch.tensor([-3e38, 1.0])):
        with pytest.raises(ValueError):
            q.update(x)
        assert same_state(q.state(), before)


@pytest.mark.parametrize("method", METHODS)
def test_states_travel(method, tmp_path):
    q = QParam(4, Percentile(90.0) if method == "percentile" else method, power_of_two=True)
    torch.save(q.state(), tmp_path / "empty.pt")
    q.update(X[:48])
    torch.save(q.state(), tmp_path / "q.pt")
    empty = QParam(4).load(torch.load(tmp_path / "empty.pt", weights_only=True))
    loaded = QParam(4).load(torch.load(tmp_path / "q.pt", weights_only=True))
    assert empty.scale is None and loaded.same_as(q) and same_state(loaded.state(), q.state())
    for other in (q, loaded):  # gone on with, it is as if it had never been saved
        other.update(X[48:])
    empty.update(X)
    assert loaded.same_as(q) and empty.same_as(q) and loaded.power_of_two


def test_a_state_of_ranges_alone_loads_into_any_qparam():
    old = {"num_bits": 8, "min": -1.0, "max": 2.0, "scale": 3 / 255, "zero_point": 85}
    plain = QParam()
    plain.update(torch.tensor([-1.0, 2.0]))
    assert plain.state().keys() == old.keys()
    q = QParam(8, "mse").load(old)
    assert (q.min, q.max, q.scale, q.zero_point) == (-1.0, 2.0, 3 / 255, 85)
    q.update(torch.tensor([4.0]))
    assert (q.min, q.max) == (-1.0, 4.0)


def test_the_default_is_min_max(model):
    default, named = quantize(model, X[:1], X, recipe="fast"), made(model, X, "min_max")
    assert scales(default) == scales(named)
    for q in qparams(default):
        assert (q.scale, q.zero_point) == choose_qparams(q.min, q.max)


@pytest.mark.parametrize("method", [*METHODS, Percentile(99.0)], ids=str)
def test_the_file_does_not_depend_on_order_or_later_batches(model, method):
    batches = list(X.split(32))  # equal sizes: torch's own float sums change with the batch's size
    whole = made(model, batches, method)
    backwards = made(model, batches[::-1], method)
    assert scales(whole) == scales(backwards)
    parts = made(model, batches[:1], method)
    parts.calibrate(batches[1:])
    assert scales(whole) == scales(parts)
    reloaded = made(model, X[:32], method)
    reloaded.load_state_dict(whole.state_dict())
    assert bytes(reloaded.freeze().file_bytes) == bytes(whole.freeze().file_bytes)
    reloaded.calibrate(batches)  # each image counts twice: shares, and so ranges, stay
    assert scales(reloaded) == scales(whole)
    assert torch.equal(copy.deepcopy(whole)(X[:4]), whole(X[:4]))


def test_methods_differ_and_shared_ranges_are_unions(model):
    found = {method: made(model, X, method, num_bits=4) for method in ("min_max", "mse")}
    assert scales(found["min_max"]) != scales(found["mse"])
    shared = [s.layer.q_out for s in found["mse"].stages if s.name in ("a", "b")]
    assert shared[0] is shared[1]  # they only meet in the concatenation
    chosen = [o.q for o in found["mse"]._own if getattr(o.layer, "q_out", None) is shared[0]]
    assert len(chosen) == 3 and all(isinstance(q.observer, Mse) for q in chosen)
    assert (shared[0].min, shared[0].max) == (min(q.min for q in chosen), max(q.max for q in chosen))
    again = found["min_max"].again(observer="mse")
    assert scales(again) == scales(found["mse"])


def test_outputs_keep_their_extremes_except_with_mse():
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 6), nn.Unflatten(1, (2, 3))).eval()
    for method in METHODS:
        q = made(net, X, method)
        logits, pixels = q.stages[-2].layer.q_out, q.stages[0].layer.q_in
        assert logits.observer.name == ("mse" if method == "mse" else "min_max")
        assert pixels.observer.name == method
        if method in ("percentile", "mse", "entropy"):  # one pass still serves every method
            assert logits.observer.as_("percentile").range()[1] > 0


@pytest.mark.parametrize("weights", SCHEMES)
def test_power_of_two_scales_go_everywhere(model, weights):
    q = made(model, X, "percentile", weights=weights, power_of_two=True)
    found = [scale for scale, _ in scales(q)]
    for stage in q.stages:
        if hasattr(stage.layer, "q_weight"):
            found += stage.layer.q_weight.scales.tolist()
            assert set(stage.layer.integers["multiplier"].tolist()) <= {2**30}  # a shift alone
    assert all(math.frexp(scale)[0] == 0.5 for scale in found)
    x = X[:8]
    error = (q(x) - model(x)).abs().max()
    assert error < 0.1
    assert torch.equal(q.freeze()(x), q(x))


def test_power_of_two_qparams_hold_the_range():
    rng = np.random.default_rng(SEED)
    for _ in range(500):
        low, high = np.sort(rng.normal(0, 10.0 ** rng.integers(-20, 20), 2).astype(np.float32)).tolist()
        bits = int(rng.integers(2, 9))
        natural, _ = choose_qparams(low, high, bits)
        scale, zero_point = power_of_two_qparams(low, high, bits)
        assert natural <= scale < 2 * natural and math.frexp(scale)[0] == 0.5, SEED
        top = 2**bits - 1
        assert 0 <= zero_point <= top
        for end in (min(low, 0.0), max(high, 0.0)):
            assert -0.51 <= end / scale + zero_point <= top + 0.51, SEED
    assert power_of_two_qparams(0.0, 0.0) == (1.0, 0)
    assert power_of_two_qparams(0.0, 255.0) == choose_qparams(0.0, 255.0) == (1.0, 0)
    assert power_of_two_qparams(-1e-42, 1e-42) == (2.0**-100, 0)  # the floor
    with pytest.raises(ValueError):
        power_of_two_qparams(0.0, 1e39)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_power_of_two_weights(scheme):
    weight = torch.from_numpy(values("gauss", (5, 40), SEED))
    bias = torch.tensor([0.0, 1e4, 0.0, 0.0, 0.0])
    for bits in (2, 4, 8):
        natural, _ = choose_weight_qparams(weight, bits, scheme, bias, 0.01)
        scale, zero_point = choose_weight_qparams(weight, bits, scheme, bias, 0.01, power_of_two=True)
        assert ((natural <= scale) & (scale < 2 * natural)).all(), SEED
        assert (torch.frexp(scale).mantissa == 0.5).all()
        q = WeightQParam(bits, scheme, power_of_two=True)
        q.update(weight, bias, 0.01)
        assert torch.equal(q.scales, scale) and torch.equal(q.zero_points, zero_point)
        low, high = weight_range(bits, scheme)
        assert ((zero_point >= low) & (zero_point <= high)).all()
        assert ((q.fake_quantize(weight) - weight).abs() <= 0.501 * scale.max()).all()  # nothing is clipped
        again = WeightQParam(bits, scheme)
        again.load(q.state())
        assert again.power_of_two


def test_a_method_of_ones_own(model):
    class Half(Observer):
        name = "half"

        def _choose(self, num_bits):
            return self.statistics.low / 2, self.statistics.high / 2

    plain, halved = made(model, X), made(model, X, Half())
    x, y = plain.stages[0].layer.q_in, halved.stages[0].layer.q_in
    assert (y.min, y.max) == (x.min / 2, x.max / 2)


def test_layers_by_hand():
    conv = nn.Conv2d(3, 4, 3)
    layer = icepoint.QConv2d(conv, has_qin=True)
    layer.observe_with("mse", power_of_two=True)
    for part in X.split(48):
        layer(part)
    seen = Mse()
    seen.update(X)
    assert (layer.q_in.min, layer.q_in.max) == seen.range(8)
    layer.freeze()
    with pytest.raises(ValueError, match="frozen"):
        layer.observe_with("mse")
    for wrong in ("median", 3):
        with pytest.raises(ValueError, match="observer"):
            icepoint.QConv2d(conv).observe_with(wrong)
        with pytest.raises(ValueError, match="observer"):
            quantize(nn.Sequential(conv).eval(), X[:1], [X], observer=wrong)
