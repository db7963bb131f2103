"""icepoint.search as a whole: finds what brute force finds, keeps the budget, stops and goes on."""

import itertools
import json

import pytest
import torch
from torch import nn

import icepoint
from icepoint.search_bits import evaluate

SEED = 62


@pytest.fixture(autouse=True)
def _short_timing(monkeypatch):
    monkeypatch.setattr(evaluate, "ROUND_SECONDS", 1e-3)


def three_layers():
    torch.manual_seed(SEED)
    layers = [nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 6)]
    return nn.Sequential(*layers).eval()


def inputs(count=150):
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(SEED))


class Closeness:
    """Minus the mean squared difference from float; raises Ctrl-C at its call number `stop`."""

    def __init__(self, net, stop=None):
        self.net, self.stop, self.calls = net, stop, 0

    def __call__(self, predict, batches):
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        with torch.no_grad():
            errors = [float((predict(x) - self.net(x)).square().mean()) for (x,) in batches]
        return -sum(errors) / len(errors)


def searched(net, metric, max_drop, **options):
    options = {"recipe": "fast"} | options
    return icepoint.search(net, inputs(), metric, max_drop, **options)


def points_of(result):
    return [(p.found, p.weight_bits, p.activation_bits, p.metric, p.bytes) for p in result.front]


def test_the_name_is_the_function():
    from icepoint.search_bits import SearchResult, search

    assert icepoint.search is search and icepoint.SearchResult is SearchResult


def test_one_layer_that_needs_its_bits_keeps_them_and_the_others_give_theirs():
    """The first layer's scales hold a weight that meets only zeros; weights of one size are exact in 2 bits.

    Twice the error that 8 bits make are allowed, so the first layer may not make much more of it.
    """
    net = three_layers()
    with torch.no_grad():
        net[0].weight[:, 0] = 3.0
        for layer in (net[2], net[4]):
            layer.weight.copy_(0.3 * layer.weight.sign())
    x = inputs()
    x[:, 0] = 0.0
    most = icepoint.search(net, x, Closeness(net), 0.0, recipe="fast", evaluations=1)
    found = icepoint.search(net, x, Closeness(net), 2 * most.drop, recipe="fast")
    assert found.met and found.drop <= 2 * most.drop + 1e-9
    assert found.weight_bits["2"] == found.weight_bits["4"] == 2
    assert found.weight_bits["0"] >= 6
    assert set(found.activation_bits.values()) == {8}  # fewer save no bytes
    again = icepoint.quantize(
        net, x[:1], [x[::5]], recipe="fast",
        weight_bits=found.weight_bits, activation_bits=found.activation_bits,
    )  # fmt: skip
    assert again.freeze().file_bytes == found.freeze().file_bytes
    assert len(found.freeze().file_bytes) == found.bytes


@pytest.mark.parametrize("max_drop", [1e-4, 1e-3])
def test_brute_force_finds_nothing_cheaper_by_more_than_a_step(max_drop):
    net, choices = three_layers(), (8, 6, 5, 4, 3)
    found = searched(net, Closeness(net), max_drop, weight_bits=choices)
    assert found.met
    x = inputs()
    judging = [(x[torch.arange(len(x)) % 5 != 0],)]
    base = icepoint.quantize(net, x[:1], [x[::5]], recipe="fast")
    sizes = {"0": 144, "2": 144, "4": 72}
    cheapest = min(
        sum(b * sizes[name] for name, b in bits.items())
        for bits in (dict(zip(sizes, b, strict=True)) for b in itertools.product(choices, repeat=3))
        if -Closeness(net)(base.again(weight_bits=bits).freeze(), judging) <= max_drop
    )
    mine = sum(b * sizes[name] for name, b in found.weight_bits.items())
    assert cheapest <= mine <= cheapest + max(sizes.values())
    same = [p for p in found.front if p.found.startswith("uniform") and found.budget.met(p.metric)]
    assert found.best.cost <= min(p.cost for p in same)


def test_bits_of_results_are_searched_where_they_save_something():
    net = three_layers()
    found = searched(net, Closeness(net), 2e-3, cost="bit_operations", weight_bits=(8, 5))
    assert found.met and found.best.cost < found.most.cost
    assert set(found.activation_bits) == {"input", "0", "2"}  # nobody computes with the last results
    assert all(4 <= b <= 8 for b in found.activation_bits.values())
    assert min(found.activation_bits.values()) < 8


def test_milliseconds_give_bits_up_only_for_time():
    net = three_layers()
    found = searched(
        net, Closeness(net), 1.0, cost="milliseconds", weight_bits=(8, 4), activation_bits=(8, 7)
    )
    assert found.met and found.plan.cost == "milliseconds"
    faster = found.milliseconds < found.most.milliseconds
    assert faster or (found.best is found.most and found.note)
    assert set(found.activation_bits.values()) == {8}  # codes are bytes to every kernel


def test_a_search_that_goes_on_ends_as_one_without_a_break(tmp_path):
    net = three_layers()
    whole = searched(net, Closeness(net), 1e-3, weight_bits=(8, 6, 4, 3))
    assert not whole.stopped
    state = tmp_path / "search.json"
    calls = []
    for stop in (4, 3, None):
        metric = Closeness(net, stop)
        part = searched(net, metric, 1e-3, weight_bits=(8, 6, 4, 3), state=state)
        assert part.stopped == ("" if stop is None else "interrupted")
        assert part.weight_bits.keys() == whole.weight_bits.keys()
        calls.append(metric.calls)
    assert points_of(part) == points_of(whole)
    assert part.weight_bits == whole.weight_bits and part.metric == whole.metric
    # Each model was judged once: a call of every run is float's, and the interrupted ones gave nothing.
    assert sum(calls) - 3 - 2 == len(whole.front)
    finished = Closeness(net)
    assert points_of(searched(net, finished, 1e-3, weight_bits=(8, 6, 4, 3), state=state)) == points_of(whole)
    assert finished.calls == 1
    for options, what in (({"recipe": "accurate"}, "recipe"), ({"weight_bits": (7, 6)}, "quantized model")):
        with pytest.raises(ValueError, match=f"search.state: .* is of another .*{what}"):
            searched(net, Closeness(net), 1e-3, state=state, **options)


def test_another_budget_uses_what_is_known(tmp_path):
    net, state = three_layers(), tmp_path / "search.json"
    tight = searched(net, Closeness(net), 1e-4, weight_bits=(8, 6, 4), state=state)
    loose = searched(net, Closeness(net), 1e-1, weight_bits=(8, 6, 4), state=state)
    assert loose.plan.known > 0 and loose.bytes < tight.bytes
    assert loose.metric == searched(net, Closeness(net), 1e-1, weight_bits=(8, 6, 4)).metric


def test_a_budget_out_of_reach_is_told_and_the_best_returned():
    net = three_layers()
    found = searched(net, Closeness(net), 0.0)
    assert not found.met and found.best is found.most
    assert "The budget is not met" in str(found) and "Even the most bits miss" in str(found)
    assert set(found.weight_bits.values()) == {8}
    assert found.freeze()(inputs(2)).shape == (2, 6)


def test_bits_without_integers_miss_the_budget(tmp_path):
    """The first layer's inputs cancel, its outputs are near 1e-10, and only with 8 bits of weights is the
    multiplier s_x * s_w / s_y below 2^29."""
    net, x = three_layers(), inputs()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0] * 6).expand(12, 12))
        net[0].bias.copy_(1e-10 * torch.arange(1, 13))
        x[:, 1::2] = x[:, ::2]
    options = {"recipe": "fast", "weight_bits": (8, 4, 2), "state": tmp_path / "search.json"}
    found = icepoint.search(net, x, Closeness(net), 1.0, **options)
    assert found.met and found.weight_bits == {"0": 8, "2": 2, "4": 2}
    (why,) = found.failed
    assert "0 (QLinear): quantize_multiplier" in why and "2^29" in why
    assert f"1 more could not be made, the first because {why}" in str(found).replace("\n", " ")
    assert json.loads(json.dumps(found.to_dict()))["failed"] == [why]
    again = icepoint.search(net, x, Closeness(net), 1.0, **options)
    assert points_of(again) == points_of(found) and again.failed == found.failed
    timed = icepoint.search(net, x, Closeness(net), 1.0, cost="milliseconds", **options)
    assert timed.weight_bits["0"] == 8


def test_time_evaluations_and_a_declined_plan_end_a_search():
    net = three_layers()
    late = searched(net, Closeness(net), 1e-3, minutes=1e-9)
    assert late.stopped == "out of time" and late.best is late.most and len(late.front) == 1
    few = searched(net, Closeness(net), 1e-3, evaluations=3)
    assert few.stopped == "all evaluations used" and len(few.front) == 3
    plans = []
    declined = searched(net, Closeness(net), 1e-3, planned=lambda plan: bool(plans.append(plan)))
    assert declined.stopped == "the plan was declined" and len(declined.front) == 1
    (plan,) = plans
    assert plan.options == 18 and plan.evaluations == 59 and plan.seconds > 0
    assert "every fifth image calibrates, the other 120 judge" in str(plan)
    assert "fewer bits of activations save no bytes here" in str(plan)


def test_a_result_is_a_table_a_dict_and_a_picture(tmp_path):
    net = three_layers()
    found = searched(net, "agreement", 0.05, weight_bits=(8, 5, 3))
    assert json.loads(json.dumps(found.to_dict()))["weight_bits"] == found.weight_bits
    text = str(found)
    assert "most bits" in text and "uniform 5" in text and "found" in text
    assert "6 images, one is 0.0083" in text
    assert found.plot(tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "file, kB" in found.plot(tmp_path / "front.svg").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": "watts"}, "search.cost: expected one of bytes, milliseconds, bit_operations"),
        ({"minutes": 0}, "search.minutes"),
        ({"evaluations": 0}, "search.evaluations"),
        ({"max_drop": -1}, "search.max_drop"),
        ({"weight_bits": (9, 8)}, "search.weight_bits"),
        ({"activation_bits": ()}, "search.activation_bits: expected at least one"),
        ({"metric": "top1"}, "needs labels"),
        ({"weights": "none"}, "weights: expected one of"),
    ],
)
def test_what_cannot_be_searched_is_refused(options, message):
    options = {"metric": "agreement", "max_drop": 0.1} | options
    with pytest.raises(ValueError, match=message):
        searched(three_layers(), **options)


def test_a_network_without_weights_has_results_to_search():
    found = searched(nn.Sequential(nn.Hardswish(), nn.Sigmoid()).eval(), "agreement", 0.1)
    assert not found.weight_bits and "none" in str(found) and found.met


def test_what_is_no_float_network_in_eval_mode_is_refused():
    with pytest.raises(ValueError, match=r"search.* is in train\(\) mode"):
        searched(nn.Sequential(nn.Linear(12, 3), nn.BatchNorm1d(3)), "agreement", 0.1)
