"""The coverage contract: the list before anything runs, functions that end a network, and mixed models."""

import copy
import json
import pickle

import pytest
import torch
import torch.nn.functional as F

import icepoint
from capture_nets import OneConv, Segmenter, WithNorms
from icepoint.vision import import_torchvision
from road_nets import float_bytes, images

SEED = 35
X = images(12, SEED, 3, 16)


def net_of(make, *args):
    torch.manual_seed(SEED)
    return make(*args).eval()


def test_coverage_tells_before_anything_runs():
    net = net_of(WithNorms)
    told = icepoint.coverage(net, X[:1])
    assert not told.is_complete and [item.operator for item in told.missing] == [
        "layer_norm",
        "permute",
        "permute",
    ]
    item = told.missing[0]
    assert item.path == "norm" and "capture_nets.py:" in item.line and "self.norm(" in item.line
    assert "BatchNorm2d" in item.remedy and "no integer form" in item.reason
    operators = [row.operator for row in told.integer]
    assert operators.count("conv2d") == 1 and operators.count("linear") == 3 and "layer_norm" not in operators
    found = json.loads(json.dumps(told.to_dict()))
    assert found["not_integer"][0]["operator"] == "layer_norm" and len(found["integer"]) == len(operators)
    assert found["road"]["name"].startswith("torch.export")
    for text in (str(told), told._repr_html_()):
        assert "layer_norm" in text and "any number of images" in text
    assert f"<Coverage: {len(operators)} operators integer, 3 not>" == repr(told)


def test_strict_refuses_at_once():
    net = net_of(WithNorms)

    def data():
        raise AssertionError("the data was read")
        yield

    with pytest.raises(ValueError, match=r"(?s)1\. layer_norm in norm \(.*BatchNorm2d") as caught:
        icepoint.quantize(net, X[:1], data())
    assert str(caught.value) in icepoint.coverage(net, X[:1]).refusal(str(caught.value).splitlines()[0][:-1])


def test_not_strict_freezes_the_integer_parts(tmp_path):
    net = net_of(WithNorms)
    before = float_bytes(net)
    q = icepoint.quantize(net, X[:1], X.split(4), strict=False)
    with pytest.raises(ValueError, match="freeze: these operators would stay float"):
        q.freeze()
    mixed = q.freeze(strict=False)
    assert isinstance(mixed, icepoint.MixedModel) and float_bytes(net) == before
    parts = [m for m in mixed.modules() if isinstance(m, icepoint.FrozenModel)]
    assert len(parts) == 3 and all(p.describe()["ops"] for p in parts)
    with torch.no_grad():
        assert torch.equal(mixed(X), q(X)) and float((mixed(X) - net(X)).abs().max()) < 0.05
    state = mixed.state_dict()
    assert sum("model" in name for name in state) == 3 and any("constant" in name for name in state)
    other = icepoint.quantize(net_of(WithNorms), X[:1], [X * 0.5], strict=False).freeze(strict=False)
    assert not torch.equal(other(X), mixed(X))
    other.load_state_dict(state)
    for copied in (other, copy.deepcopy(mixed), pickle.loads(pickle.dumps(mixed))):
        assert torch.equal(copied(X), mixed(X))
    with pytest.raises(ValueError, match=r"(?s)always fully integer|fully integer.*1\. layer_norm in norm"):
        mixed.save(tmp_path / "m.ice")
    assert not list(tmp_path.iterdir())


def islands(n, x):
    y = n.conv(x)
    z = F.instance_norm(y)  # float, beside integers that go on
    return (F.relu(y) + n.fc.weight.sum() * z).flatten(1).cumsum(1), F.max_pool2d(y, 2), z


def test_codes_cross_a_float_part_unchanged():
    q = icepoint.quantize(net_of(OneConv, islands), X[:1], [X], strict=False)
    mixed = q.freeze(strict=False)
    for a, b in zip(mixed(X), q(X), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match=r"expected shape \(n, 3, 16, 16\), found \(2, 4, 16, 16\)"):
        mixed(torch.zeros(2, 4, 16, 16))


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y.mean((1, 2, 3)).sigmoid(),
        lambda y: y.unflatten(1, (2, -1)).softmax(1),
        lambda y: y.unflatten(1, (2, -1)).argmax(1),
    ],
    ids=["(n,) sigmoid", "(n, 2, 2, h, w) softmax", "(n, 2, 2, h, w) argmax"],
)
def test_float_ends_have_any_rank(end):
    """Integers, and the functions behind them, have 1 to 3 dimensions behind n."""
    net = net_of(OneConv, lambda n, x: end(n.conv(x)))
    q = icepoint.quantize(net, X[:1], [X], strict=False)
    with torch.no_grad():
        found, real = q(X), net(X)
    assert torch.equal(q.freeze(strict=False)(X), found)
    assert found.shape == real.shape and found.dtype == real.dtype
    near = (found == real).double().mean() if real.dtype == torch.int64 else (found - real).abs().max() < 0.05
    assert near > 0.9
    assert q.measure(remedies=False).to_dict()["outputs"]["images"] == len(X)


@pytest.mark.parametrize("name, size", [("convnext_tiny", 32), ("vit_b_32", 64), ("swin_t", 64)])
def test_transformers_are_refused_with_the_list(name, size):
    models, options = import_torchvision().models, {"image_size": size} if name == "vit_b_32" else {}
    model = net_of(lambda: models.get_model(name, weights=None, num_classes=10, **options))
    x = images(2, SEED, 3, size)
    told = icepoint.coverage(model, x)
    operators = {item.operator for item in told.missing}
    assert "layer_norm" in operators and all(item.reason and item.remedy for item in told.missing)
    if name == "convnext_tiny":
        q = icepoint.quantize(model, x, [x], strict=False)
        mixed = q.freeze(strict=False)
        with torch.no_grad():
            assert torch.equal(mixed(x), q(x))
            assert float((q(x) - model(x)).abs().max()) < 0.1 * float(model(x).abs().max())
    else:
        with pytest.raises(ValueError, match="1\\. "):
            icepoint.quantize(model, x, [x])


ENDINGS = {
    "softmax": (lambda n, x: F.softmax(n.conv(x).mean((2, 3)), 1), [{"function": "softmax", "axis": 0}]),
    "log_softmax": (lambda n, x: n.conv(x).log_softmax(-3), [{"function": "log_softmax", "axis": 0}]),
    "sigmoid": (lambda n, x: torch.sigmoid(n.conv(x)), [{"function": "sigmoid"}]),
    "argmax": (lambda n, x: n.conv(x).argmax(1), [{"function": "argmax", "axis": 0, "keepdim": False}]),
    "keepdim": (
        lambda n, x: F.log_softmax(n.conv(x), 1).argmax(1, True),
        [{"function": "argmax", "axis": 0, "keepdim": True}],
    ),
    "argmax of sigmoid": (
        lambda n, x: n.conv(x).sigmoid().argmax(-1),
        [{"function": "argmax", "axis": 2, "keepdim": False}],
    ),
    "two": (
        lambda n, x: (n.conv(x), n.conv(x).softmax(2)),
        [{}, {"function": "softmax", "axis": 1}],
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_functions_that_end_a_network(name):
    forward, expected = ENDINGS[name]
    net = net_of(OneConv, forward)
    q = icepoint.quantize(net, X[:1], [X])
    frozen = q.freeze()
    assert q.coverage.is_complete
    assert [f or {} for f in frozen.output_functions] == expected
    assert q.coverage.endings == [e for e in expected if e]
    assert not {"lookup", "qaffine"} & {layer["op"] for layer in frozen.layers()}
    results = [y if isinstance(y, tuple) else (y,) for y in (net(X), q(X), frozen(X))]
    for real, road, replayed in zip(*results, strict=True):
        assert torch.equal(road, replayed) and road.dtype == real.dtype
        if real.dtype == torch.int64:
            assert float((real == road).float().mean()) > 0.85
        else:
            assert float((real - road).detach().abs().max()) < 0.05
    q.train()
    assert (q(X)[0] if isinstance(q(X), tuple) else q(X)).dtype == results[0][0].dtype


@pytest.mark.parametrize("forward, text", [
    (lambda n, x: n.conv(x).softmax(1) * 2.0, "softmax in .*at its end it has"),
    (lambda n, x: n.conv(x).softmax(1).argmax(2), "softmax in "),
    (lambda n, x: n.conv(x).argmax(1).float() + 1.0, "argmax in "),
    (lambda n, x: n.conv(x).softmax(0), "softmax in "),
    (lambda n, x: n.conv(x).argmax(), "argmax in "),
])  # fmt: skip
def test_functions_that_cannot_end_it(forward, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        icepoint.quantize(net_of(OneConv, forward), X[:1], [X])


def test_segmentation_up_to_the_class_map():
    net = net_of(Segmenter)
    q = icepoint.quantize(net, X[:1], [X])
    frozen = q.freeze()
    found = q(X)
    assert list(found) == ["out"] and found["out"].dtype == torch.int64 and found["out"].shape == (12, 16, 16)
    assert torch.equal(found["out"], frozen(X))
    assert float((net(X)["out"] == found["out"]).float().mean()) > 0.9


def test_a_gate_is_a_table_though_it_is_returned_too():
    def forward(n, x):
        gate = torch.sigmoid(n.conv(x))
        return gate * n.conv(x), gate

    frozen = icepoint.quantize(net_of(OneConv, forward), X[:1], [X]).freeze()
    assert "lookup" in [layer["op"] for layer in frozen.layers()] and not any(frozen.output_functions)
