"""icepoint.quantize on graphs: branches, shared values, writes in place, bits by pattern, refusals."""

import json

import pytest
import torch
import torch.nn.functional as F

import icepoint
from graph_nets import SEED, checked, ops, quantized
from icepoint.modules import QInput
from road_nets import ResidualNet, images, randomize_batchnorm


def test_residual_with_relu_behind():
    net, q, x = quantized(lambda n, a, b: n.relu(n.bn(n.inner(a)) + b))
    graph = checked(net, q, x)
    assert ops(graph) == ["qconv2d", "qconv2d", "qconv2d", "qadd"]
    rows = {row.layer: row for row in q.report().rows}
    assert rows["add"].computes == "QAdd + relu" and rows["inner"].computes == "QConvBNReLU"
    assert q.get_submodule("add").q_out.min == 0.0 and q.get_submodule("inner").q_out.min < 0.0
    assert rows["x"].computes == "QInput" and 30 < rows["x"].sqnr_db < 70


def test_a_value_is_quantized_once_for_all_who_read_it():
    """A diamond: x goes to two convolutions and an addition, `a` to three readers."""

    def joined(n, a, b):
        y = torch.cat([n.inner(a), a, F.max_pool2d(a, 3, 1, 1)], 1)
        return torch.sigmoid(y), a * b

    net, q, x = quantized(joined)
    graph = checked(net, q, x)
    assert len(graph["inputs"]) == 1 and sum(isinstance(s.layer, QInput) for s in q.stages) == 1
    a, b, inner, concat = (q.get_submodule(name) for name in ("a", "b", "inner", "cat"))
    assert a.q_in is b.q_in is q.get_submodule("x").q_in
    assert inner.q_in is a.q_out and concat.q_ins[1] is a.q_out and concat.q_ins[2] is a.q_out


def test_nothing_fuses_over_a_value_that_others_read():
    net, q, x = quantized(lambda n, a, b: n.bn(a) + F.relu(a) + torch.relu(n.inner(b) + b) + F.relu6(a))
    graph = checked(net, q, x)
    assert (
        ops(graph).count("clamp") == 2 and ops(graph).count("qaffine") == 1 and ops(graph).count("qadd") == 4
    )
    # An output is read by the caller.
    net, q, x = quantized(lambda n, a, b: (a, F.relu(a + b)))
    assert ops(checked(net, q, x)) == ["qconv2d", "qconv2d", "qadd"]
    assert q.get_submodule("a").q_out.min < 0.0


def write(n, a, b):
    y = F.dropout(a, 0.5, n.training)
    F.relu_(y)  # a is y
    return a + b


def write_copy(n, a, b):
    y = a.clone()
    n.relu(y)
    y += b
    return torch.cat([y, a], 1)


def write_through_identity(n, a, b):
    y = F.adaptive_avg_pool2d(a, 12)  # as large as it was, and a copy
    y.mul_(b)
    return a + y


@pytest.mark.parametrize("joined", [write, write_copy, write_through_identity])
def test_writes_in_place(joined):
    checked(*quantized(joined))


def test_a_view_of_what_was_written_is_refused():
    def joined(n, a, b):
        flat = a.view(len(a), -1)
        F.relu_(a)
        return F.normalize(flat) + b.flatten(1)

    with pytest.raises(ValueError, match=r"linalg_vector_norm in .*view of a tensor that was written"):
        quantized(joined, strict=False)


def write_one_image(n, a, b):
    a[0].zero_()
    return a + b


def write_a_part(n, a, b):
    F.relu_(a[:, 2:])
    return a + b


def write_channels(n, a, b):
    a[:, 1:2] = 0.0
    return a + b


def write_without_gradients(n, a, b):
    with torch.no_grad():
        a.mul_(b)
    return a + b


def test_a_write_without_gradients():
    checked(*quantized(write_without_gradients))


@pytest.mark.parametrize("joined", [write_one_image, write_a_part, write_channels])
def test_a_write_to_a_part_is_not_lost(joined):
    """Its own result is read by nobody; what it wrote is."""
    with pytest.raises(ValueError, match=r"view of a tensor that was written|no operator of torch's"):
        quantized(joined, strict=False)


def test_shared_modules_have_qparams_of_their_own():
    net, q, x = quantized(lambda n, a, b: n.inner(n.relu(n.inner(n.relu(n.inner(a))))) + b)
    names = [op["name"] for op in checked(net, q, x)["ops"]]
    assert names == ["a", "b", "inner", "inner_2", "inner_3", "add"]
    rows = [row.layer for row in q.report().rows]
    assert rows == ["x", "a", "b", "inner", "inner_2", "inner_3", "add"]


@pytest.mark.parametrize("keepdim", [True, False])
def test_mean_gates_and_several_outputs(keepdim):
    def joined(n, a, b):
        gate = torch.sigmoid(n.inner(F.adaptive_avg_pool2d(a, 1)))
        y = (gate * b).mean((-1, 2), keepdim=keepdim)
        return n.fc(y.view(y.shape[0], 4)), gate.flatten(1)

    assert "qadaptive_avg_pool2d" in ops(checked(*quantized(joined)))


def test_the_road_by_hand_and_the_capture_agree_on_a_network_with_everything():
    torch.manual_seed(SEED)
    model, x = randomize_batchnorm(ResidualNet(), SEED), images(32, SEED, 3)
    frozen = icepoint.quantize(model, x[:1], x.split(16)).freeze()
    for real, y in zip(model(x), frozen(x), strict=True):
        assert float((real - y).detach().abs().max()) < 0.08 * float(real.detach().abs().max())


def test_what_nobody_reads_is_neither_computed_nor_missing():
    def joined(n, a, b):
        F.instance_norm(a).softmax(1)
        return a + b

    assert ops(checked(*quantized(joined))) == ["qconv2d", "qconv2d", "qadd"]


def test_a_float_island_in_a_graph():
    def joined(n, a, b):
        y = F.instance_norm(a + b)  # one value, three readers, two of them integer
        return n.inner(y) + n.inner(F.max_pool2d(y, 3, 1, 1)) + y.flip(3)

    with pytest.raises(ValueError, match=r"(?s)1\. instance_norm in .*train with Batch.*2\. flip in .*keep"):
        quantized(joined)
    net, q, x = quantized(joined, strict=False)
    rows = {row.layer: row for row in q.report().rows}
    assert [name for name, row in rows.items() if not row.integer] == ["instance_norm", "flip"]
    assert [row.layer for row in rows.values() if row.computes == "QInput"] == [
        "x",
        "instance_norm.codes",
        "flip.codes",
    ]
    assert float((q(x) - net(x)).detach().abs().max()) < 0.2
    with pytest.raises(ValueError, match=r"(?s)would stay float.*instance_norm.*flip"):
        q.freeze()


def test_a_float_island_takes_any_batch():
    """A permutation of pixels has the number of images in the shapes that it asks for."""

    def joined(n, a, b):
        shuffled = a.view(a.shape[0], 2, 2, 12, 12).transpose(2, 4).reshape(a.shape[0], 4, 12, 12)
        return n.inner(shuffled) + b.mean((2, 3), keepdim=True).expand(a.shape[0], 4, 12, 12)

    net, q, x = quantized(joined, strict=False)
    assert sorted(item.operator for item in q.coverage.missing) == ["expand", "reshape"]
    for images_ in (x, x[:1], x[:7]):
        assert float((q(images_) - net(images_)).detach().abs().max()) < 0.05


@pytest.mark.parametrize("joined, text", [
    (lambda n, a, b: a + b.permute(1, 0, 2, 3).relu().permute(1, 0, 2, 3), "permute in .*keep the batch"),
    (lambda n, a, b: a + b.mean(0), "mean in .*keep the batch"),
    (lambda n, a, b: a + torch.zeros(b.shape[0], 1, 12, 12), "zeros in .*no integer form"),
    (lambda n, a, b: a + torch.topk(b, 4, dim=1).values, "topk in .*no integer form"),
])  # fmt: skip
def test_what_is_no_batch_stays_float(joined, text):
    with pytest.raises(ValueError, match=text):
        quantized(joined)
    net, q, x = quantized(joined, strict=False)
    for images_ in (x, x[:3]):
        assert float((q(images_) - net(images_)).detach().abs().max()) < 0.1


@pytest.mark.parametrize("joined, text", [
    (lambda n, a, b: a + torch.zeros(len(b), 1, 12, 12), "zeros in .*makes a batch out of constants"),
    (lambda n, a, b: n.constant * 1.0, "return in .*it returns a constant"),
    (lambda n, a, b: a + torch.rand_like(b), "rand_like in .*draws random numbers"),
    (lambda n, a, b: {1, 2}, "found a set; expected tensors in tuples"),
    (lambda n, a, b: [], "return in .*returns no tensor"),
])  # fmt: skip
def test_what_cannot_be_followed_is_refused_even_where_float_is_allowed(joined, text):
    with pytest.raises(ValueError, match=text):
        quantized(joined, strict=False)


@pytest.mark.parametrize("joined, text", [
    (lambda n, a, b: a * n.constant,
     r"joins .* a constant of shape \(1, 4, 12, 12\).*one more input .*\(n, 4, 12, 12\)"),
    (lambda n, a, b: a * b.mean(3, keepdim=True), r"broadcasts .* and \(n, 4, 12, 1\).*equal shapes"),
    (lambda n, a, b: a + b.mean((1, 3), keepdim=True), r"dimensions \[1, 3\] of 4.*mean\(\(2, 3\)\)"),
    (lambda n, a, b: a + b[:, :1], r"broadcasts .*equal shapes.*torch\.cat\(\[gate\] \* 4, 1\)"),
    (lambda n, a, b: a.clamp(1, -1) + b, r"clamps to 1\.\.-1"),
    (lambda n, a, b: a / b, "divides by a computed value"),
    (lambda n, a, b: torch.cat([a, n.thirteen], 1), "cat in .*joins a constant"),
    (lambda n, a, b: a.transpose(2, 3) + b, r"reorders \(n, 4, 12, 12\) into \(n, 4, 12, 12\)"),
    (lambda n, a, b: a + b.view(len(b), 2, 2, 12, 12).sum(2).repeat(1, 2, 1, 1),
     r"it makes the shape \(n, 2, 2, 12, 12\)"),
])  # fmt: skip
def test_operators_outside_the_table_are_listed_with_their_reason(joined, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        quantized(joined)


def test_the_report_of_a_graph_is_json():
    _, q, _ = quantized(lambda n, a, b: (n.relu(n.inner(a) + b), b))
    told = json.loads(json.dumps(q.report().to_dict()))
    assert [row["layer"] for row in told["layers"]] == ["x", "a", "b", "inner", "add"]
    assert told["integer_macs_percent"] == 100.0
    assert sum(row["macs"] for row in told["layers"]) == q.freeze().describe()["totals"]["macs"]
