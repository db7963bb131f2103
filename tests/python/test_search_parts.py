"""icepoint.search's parts: data parted, metrics, prices, the order of giving up bits, the state file."""

import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from icepoint.search_bits.costs import Additive, BitOperations, cheaper_bits, milliseconds_of
from icepoint.search_bits.items import (
    ACTIVATIONS,
    WEIGHTS,
    Item,
    Layer,
    Network,
    items_of,
    network_of,
    uniform,
)
from icepoint.search_bits.metric import Budget, Metric
from icepoint.search_bits.order import exchanges, noise_of, path
from icepoint.search_bits.plan import Clock
from icepoint.search_bits.samples import Samples, labelled
from icepoint.search_bits.sensitivity import measure_noise
from icepoint.search_bits.state import State, model_digest

SEED = 61
A, B, C = (Item(WEIGHTS, name) for name in "abc")


def two_layers():
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    ).eval()


# Data.


def test_every_fifth_image_calibrates_and_no_image_does_both():
    x = torch.arange(23.0).reshape(23, 1)
    calibrating, judging = Samples.of((x, torch.arange(23))).parted()
    assert calibrating.images[0].flatten().tolist() == [0, 5, 10, 15, 20]
    assert sorted([*calibrating.labels.tolist(), *judging.labels.tolist()]) == list(range(23))
    assert torch.equal(judging.images[0].flatten().long(), judging.labels)


def test_data_in_every_form_are_the_same_samples():
    x, y = torch.randn(10, 2, 3), torch.arange(10)
    pairs = torch.utils.data.TensorDataset(x, y)
    expected = Samples.of((x, y)).digest()
    for data in (
        [(x[:4], y[:4]), (x[4:], y[4:])],
        iter([[x, y.numpy()]]),
        torch.utils.data.DataLoader(pairs, batch_size=3),
        [{"image": x, "label": y}],
        (x.numpy(), y),
    ):
        assert Samples.of(data).digest() == expected
    assert Samples.of(x).labels is None
    assert Samples.of((x, y.flip(0))).digest() != expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "held no image"),
        (3, "expected batches"),
        ([(torch.zeros(2, 3), torch.zeros(3))], "expected 2 labels"),
        ([torch.zeros(2, 3), torch.zeros(2, 4)], "another size"),
        ([torch.zeros(2, 3), (torch.zeros(2, 3), torch.zeros(2))], "labels are with some"),
        ([torch.zeros(2, 3, dtype=torch.float64)], "expected float32"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ValueError, match=f"search.data: .*{message}"):
        Samples.of(data)


def test_an_npz_and_its_refusals(tmp_path):
    pixels = np.random.default_rng(SEED).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.arange(6))
    x, y = labelled(tmp_path / "a.npz", icepoint.Recipe([0.5], [0.5]), None)
    assert x.shape == (6, 1, 4, 4) and y.tolist() == list(range(6))
    with pytest.raises(ValueError, match="by a recipe"):
        labelled(tmp_path / "a.npz", None, None)
    np.savez(tmp_path / "b.npz", z=pixels)
    with pytest.raises(ValueError, match="expected arrays named x and y, found z"):
        labelled(tmp_path / "b.npz", None, None)
    with pytest.raises(ValueError, match=r"folder of class folders, or a \.npz"):
        labelled(tmp_path / "c.npy", None, None)


# Metrics.


def test_metrics_count_and_the_budget_speaks_of_images():
    samples = Samples.of((torch.eye(4), torch.tensor([0, 1, 2, 0])))
    top1 = Metric("top1", samples, lambda x: x)
    assert top1.float_value == 0.75
    assert top1.of(lambda x: x.argmax(1)) == 0.75  # a network that ends in argmax
    assert Metric("agreement", samples, lambda x: x).of(lambda x: x.flip(1)) == 0.0
    own = Metric(
        lambda predict, batches: sum(float(predict(x).sum()) for x, _ in batches), samples, lambda x: x
    )
    assert own.float_value == 4.0 and not own.counts
    budget = Budget(0.25, top1)
    assert budget.met(0.5) and not budget.met(0.49)
    assert "4 images: 1 image, one is 0.25" in str(budget)


def test_a_drop_of_so_many_images_is_met_whatever_the_last_bits_say():
    samples = Samples.of((torch.zeros(800, 2), torch.zeros(800)))
    budget = Budget(0.005, Metric("top1", samples, lambda x: 1 - x))
    assert all(budget.met(1.0 - k / 800) == (k <= 4) for k in range(9))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("top5", "expected top1 or agreement"),
        (3, "expected a name or a function"),
        ("top1", "needs labels"),
        (lambda predict, batches: float("nan"), "gave nan"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(metric, message):
    with pytest.raises(ValueError, match=message):
        Metric(metric, Samples.of(torch.zeros(3, 2)), lambda x: x)


# Prices.


def test_bytes_are_those_that_the_file_gains():
    q = icepoint.quantize(two_layers(), torch.randn(1, 1, 8, 8), torch.randn(20, 1, 8, 8))
    from icepoint.search_bits.costs import bytes_of_weights

    network = network_of(q)
    prices = bytes_of_weights(network, range(2, 9))
    top = uniform(network.items, 8, 8)
    for item, bits in itertools.product(network.of_kind(WEIGHTS), (2, 3, 5)):
        fewer = q.again(weight_bits={"*": 8, item.name: bits}).freeze()
        stored = {
            op["name"]: op["fields"]["weight"]["bytes"]
            for op in fewer.layers()
            if "weight_bits" in op["fields"]
        }
        assert prices.of({**top, item: bits}) == sum(stored.values())
    assert not any(
        item.kind == ACTIVATIONS for item in cheaper_bits(prices, top, {WEIGHTS: [8, 4], ACTIVATIONS: [8, 4]})
    )


def test_times_count_only_where_they_are_clearly_less():
    network = Network([A, B], [Layer(A, None, 1, 1), Layer(B, None, 1, 1)])
    weights = {8: [1.0, 1.0], 6: [0.98, 1.2], 4: [0.5, 1.1], 3: [0.49, 0.2]}
    prices = milliseconds_of(network, weights)
    assert prices.table[A] == {8: 1.0, 6: 1.0, 4: 0.5, 3: 0.5}
    assert prices.table[B] == {8: 1.0, 6: 1.0, 4: 1.0, 3: 0.2}
    found = cheaper_bits(prices, {A: 8, B: 8}, {WEIGHTS: [8, 6, 4, 3]})
    assert found == {A: [4], B: [3]}


def test_bit_operations_are_products():
    x = Item(ACTIVATIONS, "x")
    prices = BitOperations([(A, x, 10), (B, None, 3)])
    assert prices.of({A: 4, B: 2, x: 5}) == 10 * 4 * 5 + 3 * 2 * 8
    found = cheaper_bits(prices, {A: 8, B: 8, x: 8}, {WEIGHTS: [8, 4], ACTIVATIONS: [8, 6]})
    assert found == {A: [4], B: [4], x: [6]}


# The order.


def test_the_path_is_the_hull_of_all_choices():
    generator = torch.Generator().manual_seed(SEED)
    cost = Additive({i: {b: float(b * w) for b in range(2, 9)} for i, w in ((A, 3), (B, 5), (C, 7))})
    options = {item: [7, 6, 5, 4, 3, 2] for item in (A, B, C)}
    for _ in range(20):
        steps = torch.rand(3, 6, generator=generator).cumsum(1).tolist()
        noise = {
            i: dict(zip([7, 6, 5, 4, 3, 2], s, strict=True)) for i, s in zip((A, B, C), steps, strict=True)
        }
        points = path({A: 8, B: 8, C: 8}, options, cost, noise)
        assert points[-1] == {A: 2, B: 2, C: 2}
        every = [dict(zip((A, B, C), bits, strict=True)) for bits in itertools.product(range(2, 9), repeat=3)]
        for point in points:  # nothing cheaper has less noise
            price, loud = cost.of(point), noise_of(point, noise)
            assert not any(cost.of(e) < price and noise_of(e, noise) < loud - 1e-9 for e in every)


def test_exchanges_cost_less_in_all():
    cost = Additive({i: {b: float(b * w) for b in (8, 6, 4)} for i, w in ((A, 1), (B, 10))})
    noise = {A: {6: 0.1, 4: 0.5}, B: {6: 0.2, 4: 0.3}}
    now = {A: 4, B: 6}
    found = exchanges(now, {A: [6, 4], B: [6, 4]}, {A: 8, B: 8}, cost, noise)
    assert {A: 8, B: 4} in found and {A: 6, B: 4} in found
    assert all(cost.of(bits) < cost.of(now) for bits in found)
    assert noise_of(found[0], noise) == min(noise_of(bits, noise) for bits in found)


def test_noise_names_the_layer_that_needs_its_bits():
    """A layer with one great weight a channel loses the others where bits are few."""
    net = two_layers()
    with torch.no_grad():
        net[4].weight[:, 0] = 1.0
    x = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(SEED))
    q = icepoint.quantize(net, x[:1], x)
    before = q.freeze().file_bytes
    plan, options = q._evidence.plan(q), {Item(WEIGHTS, "0"): [6, 4], Item(WEIGHTS, "4"): [6, 4]}
    noise = measure_noise(plan, [x], options, True, Clock(None), State(None, {}).recall)
    assert q.freeze().file_bytes == before  # every layer got its integers back
    for by_bits in noise.values():
        assert 0.0 < by_bits[6] < by_bits[4]
    assert noise[Item(WEIGHTS, "4")][4] > 4 * noise[Item(WEIGHTS, "0")][4]


def test_items_are_the_names_that_quantize_takes():
    q = icepoint.quantize(two_layers(), torch.randn(1, 1, 8, 8), torch.randn(20, 1, 8, 8))
    network = network_of(q)
    assert [i.name for i in network.of_kind(WEIGHTS)] == ["0", "4"]
    assert [i.name for i in network.of_kind(ACTIVATIONS)] == [
        "input",
        "0",
    ]  # of the last the accumulators count
    assert [layer.reads.name for layer in network.layers] == ["input", "0"]  # through pooling and flatten
    assert items_of(q.stages[2]) == []


# The state.


def test_a_state_of_something_else_is_refused(tmp_path):
    path = tmp_path / "state.json"
    digest = model_digest(two_layers())
    state = State(path, {"model": digest, "metric": "top1"})
    assert state.recall("a", lambda: {"x": 0.1}) == {"x": 0.1} == state.recall("a", lambda: None)
    again = State(path, {"model": digest, "metric": "top1"})
    assert again.known == 1 and again.recall("a", lambda: None) == {"x": 0.1}
    other = two_layers()
    with torch.no_grad():
        other[0].bias[0] += 1e-3
    with pytest.raises(ValueError, match="is of another model; give another name, or delete it"):
        State(path, {"model": model_digest(other), "metric": "top1"})
    with pytest.raises(ValueError, match=r"another metric \(metric 'top1', here 'agreement'\)"):
        State(path, {"model": digest, "metric": "agreement"})
    for text in ("{", "[]", json.dumps({"identity": {}, "facts": {}})):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no state of a search"):
            State(path, {})
