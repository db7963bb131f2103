"""split_channels: the float function stays, copies round differently, and no more is spent than allowed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import icepoint
import small_model
from icepoint.accuracy import STEPS, Method, judge, split_channels, split_more_channels
from icepoint.accuracy.rounding_noise import rounding_noise
from icepoint.accuracy.ways import ways
from icepoint.capture.operators import Affine
from icepoint.modules.weighted import QWeighted
from icepoint.training.qat import QATModel
from icepoint.tuning import Tuning
from road_nets import randomize_batchnorm

SEED = 47
WIDE = 200.0  # times
SCHEMES = ["per_channel", "per_tensor_affine", "per_channel_affine"]


class Net(nn.Module):
    """A channel with a wide range, which leaves the others of its layer few codes, in two layers."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point, self.point_norm = nn.Conv2d(8, 24, 1), nn.BatchNorm2d(24)
        self.last = nn.Conv2d(24, 64, 3, stride=2, bias=False)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.depthwise(x))
        return self.last(F.relu(self.point_norm(self.point(F.max_pool2d(x, 2)))))


def textures(count, seed, size=20):
    """float32 (count, 3, size, size): noise, whose rounding errors have nothing to do with each other."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def network():
    torch.manual_seed(SEED)
    net = randomize_batchnorm(Net(), SEED)
    with torch.no_grad():
        for tensor in (net.norm.weight, net.norm.bias, net.depthwise.bias):
            tensor[0] *= WIDE
        net.point.weight[:, 0] /= WIDE
        net.norm.weight[5], net.norm.bias[5] = 0.0, -1.0  # a channel that is always 0
    return net.eval()


@pytest.fixture(scope="module")
def x():
    return textures(24, SEED)


def quantized(x, recipe, net=None, **options):
    return icepoint.quantize(net or network(), x[:1], [x], recipe=recipe, **options)


def split_of(x, net=None, budget=4.0, **options):
    """The model before, and the graph after."""
    q = quantized(x, "fast", net, **options)
    return q, split_channels(q._captured, q._evidence, budget)


def in_double(graph, x):
    values = {0: x.double()}
    with torch.no_grad():
        for step in graph.steps:
            module = copy.deepcopy(step.module).double()
            values[step.output] = module(*(values[v] for v in step.inputs))
    return values[graph.outputs[0]]


def copies(graph):
    """How many channels more than the float model each layer has, by name."""
    return {s.name: len(s.tuning.dither) for s in graph.steps if s.tuning.dither is not None}


@pytest.mark.parametrize("folded", [False, True])
def test_the_float_function_stays(x, folded):
    q = quantized(x, ["fold_batchnorm"] if folded else "fast")
    made = split_channels(q._captured, q._evidence, 4.0)
    found = copies(made)
    assert {"stem", "depthwise"} <= set(found) and found["stem"] == found["depthwise"] > 8
    before, after = in_double(q._captured, x), in_double(made, x)
    assert float((after - before).abs().max()) < 1e-12 * float(before.abs().max())
    assert all(s.tuning.dither is None for s in q._captured.steps)  # the given graph stays


def test_a_dead_channel_and_last_layers_have_no_copies(x):
    q, made = split_of(x)
    (stem,) = [s for s in made.steps if s.name == "stem"]
    rows, dead = stem.module.weight.flatten(1), q._captured.steps[0].module.weight[5].flatten()
    assert int((rows == dead).all(1).sum()) == 1
    assert 8 < len(rows) <= 1 + 4 * 7
    assert "last" not in copies(made)


def test_copies_are_spread_over_a_step(x):
    _, made = split_of(x)
    for step in made.steps:
        if step.tuning.dither is not None:
            found = sorted(set((8 * step.tuning.dither).int().tolist()))
            assert set(found) <= {-3, -2, -1, 0, 1, 2, 3} and float(step.tuning.dither.sum()) == 0


@pytest.mark.parametrize("budget, blocks", [(0.0, 0), (0.3, 0), (0.5, 1), (1.0, 2)])
def test_no_more_is_spent_than_the_budget(x, budget, blocks):
    q, made = split_of(x, budget=budget)
    counts = []
    for graph in (q._captured, made):
        model = q._evidence.quantized(graph).freeze()
        counts.append(sum(layer.get("macs") or 0 for layer in model.layers()))
    print(f"budget {budget}: {counts[1] / counts[0] - 1:.3f} spent")
    assert counts[1] <= counts[0] * (1 + budget)
    assert (made is q._captured) is (blocks == 0) and copies(made).get("stem", 8) == 8 + 8 * blocks


def test_nothing_to_split_is_the_same_graph(x):
    q, made = split_of(x, nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten()).eval())
    assert made is q._captured  # no layer reads the channels
    q = quantized(x, "fast", nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval())
    assert rounding_noise(q._captured, q._evidence).total > 0
    assert split_channels(q._captured, q._evidence) is q._captured  # 8 bits are enough there
    assert all("split" not in trial.method for trial in q.again(recipe="accurate").trials)


def test_the_noise_is_that_of_the_rounded_network(x):
    """Against a network whose activations alone are rounded, one image at a time."""
    q = quantized(x, "fast")
    noise = rounding_noise(q._captured, q._evidence)
    plan, found = q._plans.first, 0.0
    values = {}
    for one in x:
        for rounded in (False, True):

            def step(stage, xs, rounded=rounded):
                y = icepoint.stages.in_float(stage, xs)
                name = icepoint.stages.own_qparam(stage.layer)
                is_inner = name and stage.output not in plan.captured.outputs
                return getattr(stage.layer, name).fake_quantize(y) if rounded and is_inner else y

            with torch.no_grad():
                values[rounded] = plan.walk({0: one[None]}, step)[0].double()
        found += float((values[True] - values[False]).square().sum())
    print(f"{found / noise.total:.2f} times what was foreseen")
    assert 0.5 < found / noise.total < 2.0


@pytest.mark.parametrize("recipe", [["round_weights"], ["correct_bias"]])
def test_integers_come_nearer(x, recipe):
    net, unseen = network(), textures(64, SEED + 1)
    with torch.no_grad():
        real = [net(unseen)]

    def generous(graph, evidence):
        return split_channels(graph, evidence, 4.0)

    before, after = (
        judge(real, [quantized(x, steps, net)(unseen)]).sqnr_db for steps in (recipe, [generous, *recipe])
    )
    print(f"{before:.1f} dB -> {after:.1f} dB on other images")
    assert after > before + 2


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("bits", [8, {"last": 4}], ids=str)
def test_split_models_freeze_and_travel(x, weights, bits, tmp_path):
    steps = ["split_more_channels", "round_weights"]
    q = quantized(x, steps, weights=weights, weight_bits=bits)
    assert copies(q._captured) and q.trials[0].method == "split_more_channels"
    frozen = q.freeze()
    assert torch.equal(frozen(x), q(x)) and q.again().freeze().file_bytes == frozen.file_bytes
    large = textures(2, SEED, 28)
    assert torch.equal(q.freeze(height=28, width=28)(large), q(large))
    other = quantized(x, steps, weights=weights, weight_bits=bits)
    for stage in other.stages:
        if isinstance(stage.layer, QWeighted):
            stage.layer.tuning = Tuning()
    other.load_state_dict(q.state_dict())
    assert torch.equal(other(x), q(x)) and torch.equal(copy.deepcopy(q)(x), q(x))
    answer = small_model.run("verify", frozen.save(tmp_path / "split.ice"))
    assert "differ" not in answer, answer


def test_training_and_reports_know_the_dither(x):
    q = quantized(x, ["split_more_channels", "correct_bias"])
    simulated = q.train()(x[:4])
    exact = q.eval()(x[:4])
    assert judge([exact], [simulated.detach()]).sqnr_db > judge([network()(x[:4]).detach()], [exact]).sqnr_db
    report = q.measure(remedies=False).to_dict()
    assert report["outputs"]["sqnr_db"] > 0
    qat = QATModel(quantized(x, ["split_more_channels"])).eval()
    assert torch.equal(qat(x[:4]), qat.freeze()(x[:4]))


def test_methods_that_chose_integers_come_later(x):
    with pytest.raises(ValueError, match="tuned already"):
        quantized(x, ["round_weights", "split_more_channels"])


@pytest.mark.parametrize("few", [{"weight_bits": {"point": 7}}, {"activation_bits": {"stem": 7}}], ids=str)
def test_few_bits_are_left(x, few):
    _, made = split_of(x, **few)
    assert not {"stem", "depthwise"} & set(copies(made))


def test_ways_end_where_channels_meet(x):
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1))
            self.d, self.e = nn.Conv2d(4, 6, 1, groups=2), nn.Linear(6 * 400, 2)

        def forward(self, x):
            x = torch.sigmoid(self.a(x)) * 2 + 1
            return self.e(self.d(self.c(x + self.b(x))).flatten(1))

    torch.manual_seed(SEED)
    q = quantized(x, "fast", Sum().eval())
    assert [way.producer.name for way in ways(q._captured)] == []
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Hardswish(), nn.AvgPool2d(2), nn.Conv2d(4, 2, 1)).eval()
    (way,) = ways(quantized(x, "fast", net)._captured)
    assert way.producer.name == "0" and [s.name for s in way.readers] == ["3"]


def test_recipes_judge_it_with_the_rounding_behind_it(x):
    q = quantized(x, "max")
    assert [t.method for t in q.trials] == ["correct_bias", "split_more_channels, round_weights"]
    assert STEPS["split_more_channels"] is split_more_channels

    def nothing(graph, evidence):
        return graph

    alone = Method("mine", ((nothing, STEPS["correct_bias"]), (nothing, nothing))).apply(q._evidence)
    assert [t.method for t in alone.trials] == ["correct_bias"]


def test_maps_keep_what_they_have():
    from icepoint.accuracy.copies import with_rows

    of = torch.tensor([0, 1, 1, 2])
    affine = with_rows(Affine(torch.tensor([1.0, 2.0, 3.0]), 0.5), of)
    assert affine.gain.tolist() == [1, 2, 2, 3] and affine.offset == 0.5
    norm = with_rows(nn.BatchNorm2d(3, affine=False).eval(), of)
    assert norm.weight is None and len(norm.running_var) == 4
