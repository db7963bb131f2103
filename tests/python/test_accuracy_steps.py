"""Methods as steps from graph to graph: what they keep, what they win, and that data's order never shows."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

import icepoint
from icepoint.accuracy import RECIPES, STEPS, Method, correct_bias, fold_batchnorm, judge, round_weights
from icepoint.modules.weighted import QWeighted
from icepoint.tuning import Tuning
from road_nets import images, randomize_batchnorm

SEED = 6


def network():
    """BatchNorm behind convolutions of every kind, a constant map, an output that is read twice."""
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, 2, groups=2), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip
    randomize_batchnorm(net, SEED)
    return net.eval()


@pytest.fixture(scope="module")
def x():
    return images(24, SEED, 3, 12)


def quantized(x, net=None, **options):
    return icepoint.quantize(net or network(), x[:1], [x], **options)


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine", "per_channel_affine"])
@pytest.mark.parametrize("bits", [8, 3])
def test_folded_batchnorm_has_the_same_bytes(x, weights, bits):
    folded = quantized(x, recipe=[fold_batchnorm], weights=weights, weight_bits=bits)
    assert [s.kind for s in folded._captured.steps].count("batch_norm") == 0
    plain = quantized(x, recipe="fast", weights=weights, weight_bits=bits)
    assert any(s.kind == "batch_norm" for s in plain._captured.steps)
    assert folded.freeze().file_bytes == plain.freeze().file_bytes


@pytest.mark.parametrize("before", [correct_bias, round_weights])
def test_folding_behind_other_methods_keeps_what_they_decided(x, before):
    """A tuning is of the folded weights and biases, whether BatchNorm has been folded yet or not."""
    folded = quantized(x, recipe=[before, fold_batchnorm], weight_bits=3)
    assert folded.freeze().file_bytes == quantized(x, recipe=[before], weight_bits=3).freeze().file_bytes
    assert torch.equal(copy.deepcopy(folded)(x), folded(x))


def test_nothing_to_fold_is_the_same_graph(x):
    q = quantized(x, nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), recipe="fast")
    assert fold_batchnorm(q._captured) is q._captured


def test_methods_write_neither_the_model_nor_the_graph(x):
    net = network()
    before = copy.deepcopy(net.state_dict())
    q = quantized(x, net, recipe="fast")
    graph, plain = q._captured, q.freeze().file_bytes
    for method in (fold_batchnorm, correct_bias):
        assert method(graph, q._evidence) is not graph
        assert all(not step.tuning.state() for step in graph.steps)
        assert q.freeze().file_bytes == plain  # sweeps leave the layers as they were
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


def shifted(seed):
    """A network whose 3-bit weights move every channel's mean: each row has one large weight."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(),
                        nn.Linear(16 * 64, 10)).eval()  # fmt: skip
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight[:, 0, 0, 0] = 4 * layer.weight.abs().max()
            layer.weight.abs_()
    return net


@pytest.mark.parametrize("name", [n for n in STEPS if n != "fold_batchnorm"])
def test_the_order_of_the_data_does_not_show(x, name):
    """Not even where images are parted into halves that judge each other, as by round_weights."""
    net, x = network(), x[:9]
    mixed = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(SEED))]
    made = [icepoint.quantize(net, x[:1], [some], recipe=name, weight_bits=4) for some in (x, mixed)]
    assert made[0].freeze().file_bytes == made[1].freeze().file_bytes


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bias_correction_takes_back_what_integers_shift(seed):
    x, held_out = images(32, seed, 3, 12), images(64, seed + 10, 3, 12)
    net = shifted(seed)
    plain, corrected = (quantized(x, net, recipe=r, weight_bits=3) for r in ([], ["correct_bias"]))
    with torch.no_grad():
        real = [net(held_out)]
        gain = judge(real, [corrected(held_out)]).sqnr_db - judge(real, [plain(held_out)]).sqnr_db
    print(f"seed {seed}: {gain:.1f} dB on other images")
    assert gain > 3
    trial = corrected.trials[0]
    assert trial.method == "correct_bias" and trial.after.sqnr_db > trial.before.sqnr_db + 3 and trial.kept


def test_the_correction_is_the_mean_error_of_each_channel():
    """One linear layer, one image twice: no noise, so the whole difference of float and integers."""
    torch.manual_seed(SEED)
    net, x = nn.Sequential(nn.Linear(12, 5)).eval(), torch.randn(1, 12).repeat(4, 1)
    q = quantized(x, net, recipe="fast", weight_bits=2)
    layer = q.stages[1].layer
    z = q.stages[0].layer.q_in.fake_quantize(x[:1])
    expected = (net(x[:1]) - layer.compute(z, *layer.fake_weights())).detach()[0].double()
    (step,) = correct_bias(q._captured, q._evidence).steps
    unit = 2.0**-20 * layer.q_out.scale
    assert float((step.tuning.bias - expected).abs().max()) < 2 * unit + 1e-6


def test_noise_is_not_corrected():
    """Zero-mean inputs of one image each: what a channel shifts there is chance, and is left."""
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Linear(64, 200, bias=False)).eval()
    x = torch.randn(16, 64)
    q = quantized(x, net, recipe=["correct_bias"], weight_bits=4)
    bias = q.stages[1].layer.tuning.bias
    print(f"{int((bias == 0).sum())} of 200 channels left alone")
    assert int((bias == 0).sum()) > 80


def test_a_named_recipe_keeps_only_what_helps(x):
    def harm(graph, evidence):
        last = replace(graph.steps[-1], tuning=Tuning(bias=torch.ones(10, dtype=torch.float64)))
        return replace(graph, steps=[*graph.steps[:-1], last])

    q = Method("mine", (harm,)).apply(quantized(x)._evidence)
    assert [t.kept for t in q.trials] == [False]
    assert q.freeze().file_bytes == quantized(x, recipe="fast").freeze().file_bytes
    assert quantized(x, recipe=harm).trials[0].kept  # asked for by name: no vote


@pytest.mark.parametrize("recipe, text", [
    ("best", r"expected one of fast, accurate, max, or a list of .*found 'best'"),
    (["correct_bias", 3], "found 3"),
    (7, "found 7"),
])  # fmt: skip
def test_unknown_recipes(x, recipe, text):
    with pytest.raises(ValueError, match=text):
        quantized(x, recipe=recipe)


def test_two_recipes_of_pixels(x):
    pixels = icepoint.Recipe([0.0] * 3, [1.0] * 3)
    assert quantized(x, recipe=pixels).recipe == quantized(x, input_recipe=pixels).recipe == pixels
    with pytest.raises(ValueError, match="one recipe of pixels"):
        quantized(x, recipe=pixels, input_recipe=pixels)


def test_corrections_go_to_other_sizes(x):
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    randomize_batchnorm(net, SEED)
    q = quantized(x, net.eval(), recipe=["fold_batchnorm", "correct_bias"], weight_bits=3)
    large = images(2, SEED, 3, 20)
    assert torch.equal(q.freeze(height=20, width=20)(large), q(large))
    tuned = [s.layer.tuning.bias for s in q._plans.of([large]).stages if isinstance(s.layer, QWeighted)]
    assert all(torch.equal(a, b.layer.tuning.bias) for a, b in zip(tuned, q.stages[1:], strict=True))


@pytest.mark.parametrize("recipe", ["accurate", "max"])
def test_a_caller_s_autocast_changes_nothing(x, recipe):
    q = quantized(x, recipe=recipe, weight_bits=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = quantized(x, recipe=recipe, weight_bits=4)
        again, report = q.again(), inside.measure(remedies=False)
    assert inside.freeze().file_bytes == q.freeze().file_bytes == again.freeze().file_bytes
    assert report.to_dict() == q.measure(remedies=False).to_dict()


def test_made_again_with_other_options(x):
    q = quantized(x)
    again = q.again(weight_bits=4, activation_bits={"9": 6, "input": 5})
    assert (
        again.freeze().file_bytes
        == quantized(x, weight_bits=4, activation_bits={"9": 6, "input": 5}).freeze().file_bytes
    )
    assert [v["bits"] for v in again.freeze().describe()["inputs"]] == [5]
    assert q.again().freeze().file_bytes == q.freeze().file_bytes
    copied = copy.deepcopy(q)
    assert copied.again(recipe="fast").freeze().file_bytes == quantized(x, recipe="fast").freeze().file_bytes
    with pytest.raises(ValueError, match="quantize anew"):
        pickle.loads(pickle.dumps(q)).again()


def test_activation_bits_by_pattern(x):
    q = quantized(x, activation_bits={"*": 6, "11": 8})
    frozen = q.freeze()
    bits = {op["name"]: op["bits"] for op in frozen.layers()}
    assert bits["0"] == 6 and bits["11"] == 8 and torch.equal(frozen(x), q(x))
    with pytest.raises(ValueError, match=r"quantize.activation_bits: 'nothing' matches no layer"):
        quantized(x, activation_bits={"nothing": 4})
    with pytest.raises(ValueError, match=r"activation_bits\['\*'\]"):
        quantized(x, activation_bits={"*": 9})


def test_a_state_carries_the_tunings(x):
    q, other = (
        quantized(x, recipe=["correct_bias"], weight_bits=3),
        quantized(-x, recipe="fast", weight_bits=3),
    )
    other.load_state_dict(q.state_dict())
    assert torch.equal(other(x), q(x))


def test_recipes_are_listed():
    assert list(RECIPES) == ["fast", "accurate", "max"] and not RECIPES["fast"].steps
