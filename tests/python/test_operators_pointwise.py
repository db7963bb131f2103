"""icepoint.quantize, operator by operator: functions as tables, and clamps."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import icepoint
import oracle_ops
from icepoint import QParam
from icepoint.capture.builders.pointwise import UNARY
from operator_nets import batch, ops, refusal, through
from strategies import bounded

X = batch(4, 6, 5)
POSITIVE = batch(4, 6, 5, low=0.2, high=3.0)
CONV = {"conv": nn.Conv2d(4, 4, 1)}

FUNCTIONS = {
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
    "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "elu": F.elu,
    "elu_2": lambda x: F.elu(x, 0.5), "selu": F.selu, "celu": lambda x: F.celu(x, 1.5),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "softplus": lambda x: F.softplus(x, 2.0), "mish": F.mish,
    "softsign": F.softsign, "log_sigmoid": F.logsigmoid, "tanhshrink": F.tanhshrink,
    "hardshrink": lambda x: F.hardshrink(x, 0.7), "softshrink": F.softshrink,
    "threshold": lambda x: F.threshold(x, 0.5, -1.0), "rrelu": F.rrelu, "exp": torch.exp, "abs": torch.abs,
    "sin": torch.sin, "square": torch.square, "cube": lambda x: x**3, "power_of": lambda x: 2.0**x,
    "neg": torch.neg, "erf": torch.erf, "atan": torch.atan,
    "in_place": lambda x: F.silu(x + 0.5, inplace=True),
    "by_hand_silu": lambda x: x * torch.sigmoid(x), "by_hand_hardswish": lambda x: x * F.relu6(x + 3) / 6,
    "square_by_hand": lambda x: x * x, "rational": lambda x: x / (1 + x.abs()), "twice": lambda x: x + x,
    "distance": lambda x: 1.0 - 2 * x, "chain": lambda x: torch.tanh(F.softplus(-x) * 2 + 1).clamp(0.5, 0.9),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_one_number_is_one_table(name):
    f = FUNCTIONS[name]
    graph = through(lambda n, x: f(x), X)
    assert ops(graph) == ["lookup"]


@pytest.mark.parametrize("name, f", [
    ("sqrt", torch.sqrt), ("log", torch.log), ("rsqrt", torch.rsqrt), ("reciprocal", lambda x: 2 / x),
    ("log1p", torch.log1p), ("pow", lambda x: x**0.5),
])  # fmt: skip
def test_functions_of_positive_numbers(name, f):
    """The range holds 0, where log is -inf and 1/x inf: such a code saturates, and does not occur."""
    assert ops(through(lambda n, x: f(x), POSITIVE)) == ["lookup"]


def test_a_function_that_is_not_a_number_is_refused_when_its_table_is_made():
    """acosh has no value below 1; a clamp before it is part of the table, and of what it is asked."""
    x = POSITIVE + 1
    with pytest.raises(
        ValueError, match=r"acosh \(QFunction\): acosh is not a number at 0, .*clamp the input"
    ):
        through(lambda n, x: torch.acosh(x), x)
    assert ops(through(lambda n, x: torch.acosh(x.clamp(min=1)), x)) == ["lookup"]


@bounded(40)
@given(
    st.sampled_from(("silu", "gelu", "elu", "tanh", "sigmoid", "softplus")), st.integers(2, 8),
    st.integers(2, 8), st.floats(-9, 0), st.floats(0.1, 9), st.floats(-3, 0), st.floats(0.1, 5),
)  # fmt: skip
def test_tables_against_the_oracle(name, bits_x, bits_y, low, high, low_y, high_y):
    f = {
        "silu": lambda v: v / (1 + math.exp(-v)),
        "gelu": lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))),
        "elu": lambda v: v if v > 0 else math.expm1(v), "tanh": math.tanh,
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)), "softplus": lambda v: math.log1p(math.exp(v)),
    }[name]  # fmt: skip
    layer = icepoint.QFunction(name, num_bits=bits_y)
    if layer.has_qout:
        layer.q_out = QParam.of_range(low_y, high_y, bits_y)
    x = QParam.of_range(low, high, bits_x)
    layer.freeze(x)
    y = layer.q_out
    table = oracle_ops.build_table(f, x.scale, x.zero_point, bits_x, y.scale, y.zero_point, bits_y)
    assert (layer.integers["table"].numpy() == table).all()
    codes = torch.arange(x.qmax + 1, dtype=torch.int32)
    assert (layer.quantize_inference(codes).numpy() == table[: x.qmax + 1]).all()
    # The simulation uses the very table.
    real = x.dequantize_tensor(codes).requires_grad_()
    assert torch.equal(layer(real), y.dequantize_tensor(layer.quantize_inference(codes)))
    layer(real).sum().backward()
    assert bool(torch.isfinite(real.grad).all())


def test_known_ranges_observe_nothing():
    for name, ends in (("sigmoid", (0, 1)), ("hardsigmoid", (0, 1)), ("tanh", (-1, 1))):
        q = icepoint.QFunction(name).q_out
        assert (q.scale, q.zero_point) == icepoint.choose_qparams(*ends)


def test_every_name_of_the_table_is_an_operator():
    assert all(hasattr(torch.ops.aten, name) for name in UNARY)
    with pytest.raises(ValueError, match=r"expected one of sigmoid, .*found 'nothing'"):
        icepoint.QFunction("nothing")


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6), (4,)])
@pytest.mark.parametrize("slopes", [1, 4])
def test_prelu_has_a_table_a_channel(shape, slopes):
    weight = nn.Parameter(torch.tensor([0.25, -0.5, 0.0, 1.5])[:slopes])
    graph = through(lambda n, x: F.prelu(x, n.weight), batch(*shape), parts={"weight": weight})
    assert ops(graph)[-1 if len(shape) != 2 or slopes == 1 else -2] == "lookup"
    module = nn.PReLU(slopes)
    with torch.no_grad():
        module.weight.copy_(weight)
    x = batch(4, 6, 5)
    layer = icepoint.QPReLU(module, has_qin=True)
    layer(x)
    layer.freeze()
    assert layer.integers["table"].shape == ((256,) if slopes == 1 else (4, 256))
    y = layer.q_out.dequantize_tensor(layer.quantize_inference(layer.q_in.quantize_tensor(x)))
    assert float((y - module(x)).detach().abs().max()) < layer.q_out.scale + layer.q_in.scale * 1.5


# Clamps.

CLAMPS = {
    "relu6": (F.relu6, 0.0, 6.0), "hardtanh": (F.hardtanh, -1.0, 1.0),
    "hardtanh_ends": (lambda x: F.hardtanh(x, -0.5, 2.0), -0.5, 2.0),
    "clamp": (lambda x: x.clamp(0.3, 2.5), 0.3, 2.5),
    "clamp_min": (lambda x: x.clamp(min=-0.7), -0.7, None),
    "clamp_max": (lambda x: x.clamp(max=1.2), None, 1.2),
    "clip": (lambda x: torch.clip(x, -1, 1), -1.0, 1.0),
    "maximum": (lambda x: torch.maximum(x, torch.tensor(0.5)), 0.5, None),
    "minimum": (lambda x: torch.minimum(torch.tensor(0.5), x), None, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAMPS)
def test_clamps_fuse_into_what_computes(name):
    f, low, high = CLAMPS[name]
    assert ops(through(lambda n, x: f(n.conv(x)), X, parts=CONV)) == ["qconv2d"]
    assert ops(through(lambda n, x: f(x), X)) == ["clamp"]
    assert ops(through(lambda n, x: f(x + n.conv(x)), X, parts=CONV)) == ["qconv2d", "qadd"]
    q = icepoint.quantize(nn.Sequential(nn.Conv2d(4, 4, 1), Applied(f)).eval(), X[:1], [X])
    layer = q.get_submodule("0")
    assert high is None or layer.q_out.max <= np.float32(high)
    assert low is None or low > 0 or layer.q_out.min >= low


class Applied(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


@bounded(40)
@given(st.integers(2, 8), st.floats(-4, 0), st.floats(0.1, 4), st.floats(-5, 5), st.floats(0, 5))
def test_clamp_is_exact_on_every_code(bits, low, high, start, width):
    q = QParam.of_range(low, high, bits)
    layer = icepoint.QClamp(start, start + width)
    layer.freeze(q)
    codes = torch.arange(q.qmax + 1, dtype=torch.int32)
    ends = torch.tensor([start, start + width], dtype=torch.float32)
    a, b = q.quantize_tensor(ends).tolist()
    assert torch.equal(layer.quantize_inference(codes), codes.clamp(a, b))


def test_clamps_that_are_refused():
    for ends in ((None, None), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="activation: expected"):
            icepoint.QClamp(*ends)
    assert "ends are in the wrong order" in refusal(lambda n, x: x.clamp(2, 1), X)
    assert "clamps to a tensor" in refusal(lambda n, x: x.clamp(min=torch.zeros(4, 1, 1)), X)
    assert "maximum of two computed values; a number is supported; write it by ReLU" in refusal(
        lambda n, x: torch.maximum(x, x.flip(3)), X
    )
