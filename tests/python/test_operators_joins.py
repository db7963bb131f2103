"""icepoint.quantize, operator by operator: constants, sums, differences and products."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import icepoint
from icepoint import QParam
from operator_nets import SEED, batch, ops, refusal, through
from strategies import bounded

X = batch(4, 6, 5)
CONV = {"conv": nn.Conv2d(4, 4, 1)}

CHANNELS = torch.tensor([0.5, -1.0, 2.0, 0.25])


@pytest.mark.parametrize("f", [
    lambda n, x: n.conv(x) * 2 + 1, lambda n, x: (n.conv(x) - 0.5) / 4, lambda n, x: 1 - n.conv(x),
    lambda n, x: n.conv(x) * n.c.view(1, 4, 1, 1), lambda n, x: n.conv(x) + n.c[:, None, None],
    lambda n, x: -n.conv(x) / n.c.view(4, 1, 1) - n.c.reshape(1, -1, 1, 1),
])  # fmt: skip
def test_constants_fold_into_the_layer_before(f):
    graph = through(f, X, parts={**CONV, "c": nn.Parameter(CHANNELS)})
    assert ops(graph) == ["qconv2d"]
    assert ops(through(lambda n, x: F.relu(f(n, x)), X, parts={**CONV, "c": nn.Parameter(CHANNELS)})) == [
        "qconv2d"
    ]


@pytest.mark.parametrize("f, expected", [
    (lambda n, x: n.conv(x * 2 + 1), ["lookup", "qconv2d"]),
    (lambda n, x: n.conv((x - n.c.view(4, 1, 1)) / n.c.abs().view(1, 4, 1, 1)), ["qaffine", "qconv2d"]),
    (lambda n, x: F.relu(n.c.view(4, 1, 1) * x), ["qaffine"]),
    (lambda n, x: n.bn(x) * 3, ["qaffine"]),
    (lambda n, x: torch.rsub(x, 2.0, alpha=0.5), ["lookup"]),
])  # fmt: skip
def test_normalizations_in_front_of_a_network(f, expected):
    bn = nn.BatchNorm2d(4)
    bn.running_mean.copy_(CHANNELS)
    assert ops(through(f, X, parts={**CONV, "c": nn.Parameter(CHANNELS), "bn": bn})) == expected


def test_constants_of_vectors_and_sequences():
    parts = {"c": nn.Parameter(CHANNELS), "fc": nn.Linear(4, 4)}
    assert ops(through(lambda n, x: n.fc(x) * n.c, batch(4), parts=parts)) == ["qlinear"]
    assert ops(through(lambda n, x: x * n.c, batch(4), parts=parts)) == ["qaffine"]
    assert ops(through(lambda n, x: n.fc(x) * n.c + 1, batch(6, 4), parts=parts)) == ["qlinear"]
    assert ops(through(lambda n, x: x * n.c, batch(6, 4), parts=parts)) == ["qaffine"]
    assert "qaffine" in ops(through(lambda n, x: x * n.c.view(4, 1), batch(4, 6), parts=parts))


def test_constants_that_are_refused():
    for constant, text in (
        (torch.ones(6, 5), r"constant of shape (6, 5); a number, or one number a channel, is supported"),
        (torch.tensor([1.0, float("inf"), 1.0, 1.0]).view(4, 1, 1), "its constant is not finite"),
    ):
        assert text in refusal(lambda n, x: x * n.c, X, {"c": nn.Parameter(constant)})
    assert "(n, 1, 6, 5) to (n, 4, 6, 5)" in refusal(lambda n, x: x[:, :1] * torch.ones(4, 1, 1), X)
    assert "not finite" in refusal(lambda n, x: x / 0, X)


# Two computed values.

JOINS = [
    (lambda n, x: n.conv(x) + x, "qadd"), (lambda n, x: x - n.conv(x), "qadd"),
    (lambda n, x: n.conv(x) * x, "qmul"),
    (lambda n, x: torch.add(x, n.conv(x), alpha=-1.5), "qadd"),
    (lambda n, x: torch.sub(x, n.conv(x), alpha=2), "qadd"),
    (lambda n, x: n.conv(x).sub_(x), "qadd"), (lambda n, x: x * n.conv(x).mean((2, 3), keepdim=True), "qmul"),
    (lambda n, x: n.conv(x).amax((2, 3), keepdim=True) - x, "qadd"),
    (lambda n, x: n.conv(x).mean((2, 3), keepdim=True) + x, "qadd"),
]  # fmt: skip


@pytest.mark.parametrize("f, expected", JOINS)
def test_joins_of_two_values(f, expected):
    assert ops(through(f, X, parts=CONV))[-1] == expected


def test_a_difference_by_hand():
    """Codes of scales 1/64 and 1/32 and zero points 10 and 0, to scale 1/32: (20 - 10) / 2 - 3 = 2."""
    a, b, y = (QParam.of_scale(*known) for known in ((2.0**-6, 10), (2.0**-5, 0), (2.0**-5, 100)))
    layer = icepoint.QSub()
    layer.q_out = y
    layer.freeze(a, b)
    codes = layer.quantize_inference(torch.tensor([[20, 11, 255]]), torch.tensor([[3, 0, 255]]))
    assert codes.tolist() == [[102, 101, 0]]  # (1 - 0) / 2 rounds half up; 122.5 - 255 + 100 saturates


def test_squeeze_and_excite_gates():
    parts = {"conv": nn.Conv2d(4, 4, 1), "squeeze": nn.Conv2d(4, 4, 1)}

    def block(n, x):
        x = F.hardswish(n.conv(x))
        return x * F.hardsigmoid(n.squeeze(F.adaptive_avg_pool2d(x, 1)))

    graph = through(block, X, 28.0, parts)
    assert ops(graph) == ["qconv2d", "lookup", "qadaptive_avg_pool2d", "qconv2d", "lookup", "qmul"]


def test_shapes_that_do_not_join_are_refused():
    for f in (lambda n, x: x * x.mean(1, keepdim=True), lambda n, x: x + x.mean(3, keepdim=True)):
        text = refusal(f, X)
        assert "it broadcasts (n, 4, 6, 5) and (n," in text and "(n, c, 1, 1)" in text


class Gated(nn.Module):
    """A map of one channel over all of them, or a constant at every place; written so, or as is advised."""

    def __init__(self, advised):
        super().__init__()
        self.conv, self.gate, self.advised = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 1, 1), advised
        self.places = nn.Parameter(torch.linspace(-1, 1, 120).view(1, 4, 6, 5))

    def forward(self, x, places=None):
        y = self.conv(x)
        gate = self.gate(y).sigmoid()
        if self.advised:
            return y * torch.cat([gate] * 4, 1) + places
        y = y * gate  # one channel
        return y + self.places  # every place


def test_what_is_advised_for_gates_and_places_works():
    torch.manual_seed(SEED)
    with pytest.raises(ValueError) as caught:
        icepoint.quantize(Gated(False).eval(), X[:1], [X])
    first, second = str(caught.value).splitlines()[1:]
    assert "`y = y * gate  # one channel`" in first and first.endswith("torch.cat([gate] * 4, 1)")
    assert "`return y + self.places  # every place`" in second
    assert second.endswith("add or multiply by one more input of the model in its place, (n, 4, 6, 5)")
    for line in (first, second):
        assert "test_operators_joins.py:" in line
    net = Gated(True).eval()
    places = net.places.detach().expand(len(X), -1, -1, -1)
    q = icepoint.quantize(net, (X[:1], places[:1]), [(X, places)])
    assert torch.equal(q(X, places), q.freeze()(X, places))


@bounded(15)
@given(st.integers(2, 8), st.sampled_from(("per_channel", "per_tensor_affine", "per_channel_affine")))
def test_few_bits_give_the_same_bytes_too(bits, weights):
    f = lambda n, x: F.silu(n.conv(x) * 2) - torch.tanh(x).clamp(-0.5, 0.5)  # noqa: E731
    graph = through(f, X, -math.inf, CONV, num_bits=bits, weights=weights)
    assert ops(graph) == ["qconv2d", "lookup", "lookup", "qadd"]


def test_a_model_of_functions_and_constants_travels():
    """deepcopy, pickle and state_dict carry tables, constants and captured operators."""
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(4, 4, 1), nn.PReLU(4), nn.GELU(), nn.BatchNorm2d(4), nn.Upsample(scale_factor=2)
    ).eval()
    q = icepoint.quantize(net, X[:1], [X])
    file = q.freeze().file_bytes
    for copied in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert torch.equal(copied(X), q(X)) and copied.freeze().file_bytes == file
    again = icepoint.quantize(net, X[:1], [X * 0.1])
    assert again.freeze().file_bytes != file
    again.load_state_dict(q.state_dict())
    assert torch.equal(again(X), q(X))
    q.train()
    q(X).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
