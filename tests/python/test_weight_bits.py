"""weight_bits of icepoint.quantize and of the layers: one number, or patterns of layer names."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
import oracle_graph
from graph_nets import quantized


def test_weight_bits():
    def joined(n, a, b):
        return n.fc(F.relu(n.inner(a) + b).mean((2, 3)))

    def found(**options):
        _, q, x = quantized(joined, **options)
        frozen = q.freeze()
        frozen.verify()
        assert torch.equal(frozen(x), q(x))
        told = {row.layer: row.weight_bits for row in q.report().rows if row.weight_bits}
        graph = oracle_graph.open_frozen(frozen.file_bytes).graph
        assert told == {op["name"]: op["weight_bits"] for op in graph["ops"] if "weight_bits" in op}
        assert {op["bits"] for op in graph["ops"] if "bits" in op} == {options.get("num_bits", 8)}
        return told

    assert found(weight_bits={"inner": 4}) == {"a": 8, "b": 8, "inner": 4, "fc": 8}
    assert found(weight_bits={"*": 6, "[ab]": 5, "f?": 2}) == {"a": 5, "b": 5, "inner": 6, "fc": 2}
    assert found(weight_bits=3, num_bits=7) == dict.fromkeys(("a", "b", "inner", "fc"), 3)
    assert found(weight_bits={"fc": 4}, num_bits=6, weights="per_tensor_affine")["a"] == 6
    assert found(weight_bits=None) == found(weight_bits={}) == found(weight_bits=8)


@pytest.mark.parametrize("weight_bits, text", [
    ({"classifier.*": 4}, r"'classifier\.\*' matches no layer with weights; .* pattern of a, b, inner"),
    ({"a": 4, "add": 4}, "'add' matches no layer"),
    ({"a": 9}, r"weight_bits\['a'\]: expected an integer in 2..8, found 9"),
    ({"a": True}, "expected an integer"),
    ({3: 4}, "expected patterns of layer names, found 3"),
    (1, "quantize.weight_bits: expected an integer in 2..8, found 1"),
    ("4", "expected an integer"),
])  # fmt: skip
def test_weight_bits_that_are_refused(weight_bits, text):
    with pytest.raises(ValueError, match=text):
        quantized(lambda n, a, b: n.inner(a) + b, weight_bits=weight_bits)


def test_a_state_dict_carries_weight_bits():
    joined = lambda n, a, b: n.inner(a) + b  # noqa: E731
    _, q, x = quantized(joined, weight_bits={"inner": 4})
    _, other, _ = quantized(joined, weight_bits={"inner": 4}, num_bits=8)
    other.load_state_dict(q.state_dict())
    assert torch.equal(other(x), q(x))
    _, wider, _ = quantized(joined)
    with pytest.raises(ValueError, match=r"inner .*expected num_bits 8, found 4"):
        wider.load_state_dict(q.state_dict())


def test_layers_take_weight_bits_beside_num_bits():
    torch.manual_seed(0)
    conv, bn, fc, x = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3).eval(), nn.Linear(5, 4), torch.randn(4, 2, 5, 5)
    for layer, bits in (
        (icepoint.QConv2d(conv, num_bits=7, weight_bits=3), 3),
        (icepoint.QConvBNReLU(conv, bn, num_bits=7, weight_bits=4), 4),
        (icepoint.QLinear(fc, num_bits=7, weight_bits=2), 2),
        (icepoint.QLinear(fc, num_bits=7), 7),
    ):
        layer(x)
        layer.freeze()
        top = (1 << (bits - 1)) - 1
        assert layer.q_weight.num_bits == bits and layer.q_in.num_bits == layer.q_out.num_bits == 7
        assert int(layer.integers["codes"].abs().max()) == top  # symmetric, and the largest weight has it
    with pytest.raises(ValueError, match=r"weight_bits: expected an integer in 2..8, found 9"):
        icepoint.QLinear(fc, weight_bits=9)
