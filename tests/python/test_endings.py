"""What ends a network is one function of its reals: the same bytes from Python's models and from the file."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
from capture_nets import OneConv
from icepoint import _C
from icepoint.capture import Ending
from road_nets import images
from small_model import encode

SEED = 51
X = images(9, SEED, 3, 16)
KINDS = ("softmax", "log_softmax", "sigmoid", "argmax")
BEFORE = {
    "image": lambda n, x: n.conv(x),
    "wide": lambda n, x: n.conv(x)[:, :, 3:8],
    "sequence": lambda n, x: n.conv(x).flatten(2),
    "features last": lambda n, x: n.fc(n.conv(x).flatten(2)[:, :, :4]),
    "vector": lambda n, x: n.fc(n.conv(x).mean((2, 3))),
    "flat": lambda n, x: n.conv(x).flatten(1),
}


def net_of(forward):
    torch.manual_seed(SEED)
    net = OneConv(forward).eval()
    with torch.no_grad():
        net.conv.weight.mul_(200)  # 1 + exp(-40) is 1 in double: another formula gives other bytes
    return net


def ends_of(y):
    """Every function along every axis of y (n, ...), as torch computes it, with the file's spelling."""
    yield y.sigmoid(), {"function": "sigmoid"}
    for axis in range(y.dim() - 1):
        yield y.softmax(axis + 1), {"function": "softmax", "axis": axis}
        yield y.log_softmax(axis - y.dim() + 1), {"function": "log_softmax", "axis": axis}
        for keepdim in (False, True):
            found = y.argmax(axis + 1, keepdim)
            yield found, {"function": "argmax", "axis": axis, "keepdim": keepdim}


@pytest.mark.parametrize("name", BEFORE)
def test_the_models_of_python_give_the_file_s_bytes(name):
    net = net_of(lambda n, x: tuple(y for y, _ in ends_of(BEFORE[name](n, x))))
    q = icepoint.quantize(net, X[:1], [X])
    frozen = q.freeze()
    listed = [function for _, function in ends_of(BEFORE[name](net, X))]
    assert list(frozen.output_functions) == listed
    for function, float_y, a, b in zip(listed, net(X), q(X), frozen(X), strict=True):
        assert torch.equal(a, b) and a.dtype == b.dtype == float_y.dtype, function
        assert a.shape == float_y.shape, function
        if a.dtype == torch.float32:
            assert a.numpy().tobytes() == b.numpy().tobytes(), function  # -0.0 too


def test_a_mixed_model_has_them_in_its_frozen_parts():
    def forward(n, x):
        y = n.conv(x)
        z = F.instance_norm(y)  # no integer form
        return y.softmax(1), y, y.argmax(1), F.relu(z).log_softmax(3), z.softmax(2), z.argmax(1, True)

    q = icepoint.quantize(net_of(forward), X[:1], [X], strict=False)
    mixed = q.freeze(strict=False)
    parts = [m for m in mixed.modules() if isinstance(m, icepoint.FrozenModel)]
    functions = [f["function"] for part in parts for f in part.output_functions if f]
    assert functions == ["softmax", "argmax", "log_softmax"]
    found = mixed(X)
    for a, b in zip(q(X), found, strict=True):
        assert torch.equal(a, b) and a.dtype == b.dtype
    # Behind what stays float too: in double, rounded once.
    y, z = found[1], F.instance_norm(found[1])
    assert torch.equal(found[0], parts[0](X)[1]) and not torch.equal(y, z)
    assert torch.equal(found[4], z.double().softmax(2).float())
    assert torch.equal(found[5], z.argmax(1, True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_function_is_that_of_the_file(kind):
    """On every code, on strided tensors and on none, by one thread and by three."""
    function = Ending(kind, None if kind == "sigmoid" else 0)
    frozen = icepoint.FrozenModel(encode(function=function.to_dict()))
    x = torch.randn(700, 1, 8, 8, generator=torch.Generator().manual_seed(SEED))
    q = frozen.describe()["outputs"][0]
    reals = (frozen.codes(x).float() - q["zero_point"]) * np.float32(q["scale"])
    before = _C.get_num_threads()
    try:
        for threads in (1, 3):
            _C.set_num_threads(threads)
            for some in (reals, reals.double(), reals.t().contiguous().t(), reals[::7], reals[:0]):
                found = function.of_reals(some)
                expected = frozen(x)[::7] if len(some) == 100 else frozen(x)[: len(some)]
                assert torch.equal(found, expected) and found.dtype == expected.dtype
    finally:
        _C.set_num_threads(before)


@pytest.mark.parametrize("reals, function, text", [
    (np.zeros((2, 3), np.int32), {"function": "sigmoid"}, r"reals: is int32, expected float32"),
    (np.zeros(3, np.float32), {"function": "sigmoid"}, "number of dimensions: 1 is not in 2..4"),
    (np.zeros((1, 2, 0), np.float32), {"function": "sigmoid"}, "a side behind the batch: 0"),
    (np.zeros((2, 3), np.float32), {"function": "softmax", "axis": 1}, "axis: 1 is not in 0..0"),
    (np.zeros((2, 3), np.float32), {"function": "relu"}, "'relu' is not softmax"),
    (np.zeros((2, 3), np.float32), {}, "no output has a function"),
])  # fmt: skip
def test_refusals(reals, function, text):
    with pytest.raises(ValueError, match=text):
        _C.output_function(reals, json.dumps(function))


def test_training_still_has_gradients():
    q = icepoint.quantize(net_of(lambda n, x: n.conv(x).softmax(1)), X[:1], [X]).train()
    q(X)[:, 0].sum().backward()
    weight = next(p for p in q.parameters() if p.dim() == 4)
    assert isinstance(weight, nn.Parameter) and float(weight.grad.abs().sum()) > 0
