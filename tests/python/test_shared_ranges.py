"""One scale for values that a concatenation joins: what is shared, what is not, and what it costs."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

import icepoint
from graph_nets import SEED, Net, checked, quantized
from icepoint.models.zoo import natural_images, seeded
from road_nets import images


def sqnr_db(real, y):
    real, y = real.detach().double(), y.detach().double()
    return 10 * math.log10(float((real**2).sum()) / float(((real - y) ** 2).sum()))


def layer(q, name):
    return q.get_submodule(name)


def test_a_concatenation_and_its_inputs_share_one_qparam_and_bytes_only_move():
    net, q, x = quantized(lambda n, a, b: torch.cat([a, F.relu(b), n.inner(a)], 1))
    checked(net, q, x)
    cat = layer(q, "cat")
    assert cat.requantized == 0 and layer(q, "a").q_out is layer(q, "b").q_out is cat.q_out
    codes = q.freeze().trace(x[:3])
    assert (codes["cat"][:, :4] == codes["a"]).all() and (codes["cat"][:, 8:] == codes["inner"]).all()
    assert not any(row.requantized for row in q.report().rows)


def test_what_only_moves_bytes_passes_the_range_on():
    """Pooling, a clamp that others read around, and a reshape stand between producer and concatenation."""

    def joined(n, a, b):
        y = torch.cat([F.max_pool2d(a, 2), F.relu(F.max_pool2d(b, 2))], 1)
        return torch.cat([y.flatten(1), n.inner(b).flatten(1)], 1), n.inner(a)

    net, q, x = quantized(joined)
    checked(net, q, x)
    shared = layer(q, "cat").q_out
    assert all(layer(q, name).q_out is shared for name in ("a", "b", "inner", "cat_2"))
    assert layer(q, "inner_2").q_out is not shared  # joins nothing


def widened(joined, factor):
    """A calibrated network whose b is `factor` times as wide as by default, the float one and images."""
    x = images(12, SEED, 1, 12)
    net = Net(joined)
    with torch.no_grad():
        net.b.weight.mul_(factor)
    return net, icepoint.quantize(net, x[:1], x.split(6)), x


def small_and_wide(n, a, b):
    """`a` is computed with, and joined with what is far wider."""
    return n.inner(a), torch.cat([a, b], 1)


def test_a_reader_of_a_narrow_value_keeps_its_bits():
    net, q, x = widened(small_and_wide, 50.0)
    assert layer(q, "cat").requantized == 1 and layer(q, "b").q_out is layer(q, "cat").q_out
    rows = {row.layer: row for row in q.report().rows}
    assert rows["cat"].computes == "QConcat, 1 of 2 inputs requantized" and rows["cat"].requantized == 1
    assert "more than a bit" in str(q.report())
    real = net(x)[0]
    kept = sqnr_db(real, q(x)[0])
    q.fix(widest=math.inf)
    assert layer(q, "cat").requantized == 0
    lost = kept - sqnr_db(real, q(x)[0])
    print(f"behind the convolution {kept:.1f} dB; sharing without a limit costs {lost:.1f} dB")
    assert lost > 15
    q.fix()
    assert sqnr_db(real, q(x)[0]) == kept


def test_a_value_that_only_concatenations_read_is_shared_however_narrow():
    _, q, _ = widened(lambda n, a, b: torch.cat([a, b], 1), 50.0)
    assert layer(q, "cat").requantized == 0 and layer(q, "a").q_out is layer(q, "b").q_out


def dense(n, a, b):
    """Concatenations that grow, each read by a convolution; the last value is far wider than all before."""
    first = torch.cat([a, n.inner(a)], 1)
    second = torch.cat([a, n.inner(a), b], 1)
    return first, F.max_pool2d(second, 2), F.avg_pool2d(first, 2)


def test_a_chain_of_concatenations_parts_where_the_range_jumps():
    _, q, _ = widened(dense, 50.0)
    assert layer(q, "cat").requantized == 0 and layer(q, "cat_2").requantized > 0
    assert layer(q, "a").q_out is layer(q, "cat").q_out and layer(q, "b").q_out is layer(q, "cat_2").q_out
    checked(*widened(dense, 1.0))


def test_a_sigmoid_joins_with_the_scale_of_the_group():
    net, q, x = quantized(lambda n, a, b: torch.cat([torch.sigmoid(a), b], 1))
    checked(net, q, x)
    assert layer(q, "sigmoid").q_out is layer(q, "b").q_out and layer(q, "b").q_out.max >= 1.0


def test_the_input_itself_can_be_a_member():
    class Keep(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x, F.relu(x)], 1)

    x = images(12, SEED, 1, 12)
    q = icepoint.quantize(Keep(), x[:1], [x])
    assert layer(q, "x").q_in is layer(q, "cat").q_out and layer(q, "cat").requantized == 0
    assert torch.equal(q(x), q.freeze()(x))


def test_nothing_is_shared_where_nothing_is_asked_for():
    _, q, _ = quantized(lambda n, a, b: torch.cat([a, b], 1))
    q.fix(widest=0)
    assert layer(q, "a").q_out is not layer(q, "b").q_out and layer(q, "cat").requantized > 0


def test_a_copy_and_a_state_dict_keep_what_is_shared_and_what_is_not():
    _, narrow, _ = widened(small_and_wide, 50.0)
    _, wide, _ = widened(small_and_wide, 1.0)
    assert layer(wide, "cat").requantized == 0 and layer(narrow, "cat").requantized == 1
    assert copy.deepcopy(narrow).freeze().file_bytes == narrow.freeze().file_bytes
    expected = narrow.freeze().file_bytes
    wide.load_state_dict(narrow.state_dict())  # the same weights are of the state, too
    assert wide.freeze().file_bytes == expected
    wide.fix()
    assert wide.freeze().file_bytes == expected


def test_calibrating_on_is_as_calibrating_at_once_in_any_order():
    x = images(12, SEED, 1, 12)
    parts = [x[:4], 2 * x[4:9], x[9:]]
    files = set()
    for first, second in ((parts, []), (parts[:1], parts[1:]), (parts[2:], [parts[1], parts[0]])):
        q = icepoint.quantize(Net(small_and_wide), x[:1], first)
        if second:
            assert q.calibrate(second) == len(second)
        files.add(q.freeze().file_bytes)
    # The file's self-check begins with the example, which is the same here.
    assert len(files) == 1


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_sharing_costs_no_accuracy(name):
    """At most half a decibel on the logits, where every concatenation of the network is free."""
    options = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
    model = seeded(name, images=natural_images(8, 64, 1), **options)
    x, held_out = natural_images(16, 64, 1), natural_images(16, 64, 2)
    q = icepoint.quantize(model, x[:1], [x])
    assert all(m.requantized == 0 for m in q.modules() if isinstance(m, icepoint.QConcat))
    real = model(held_out)
    shared = sqnr_db(real, q(held_out))
    q.fix(widest=0)
    alone = sqnr_db(real, q(held_out))
    print(f"{name}: {shared:.2f} dB shared, {alone:.2f} dB alone")
    assert shared > alone - 0.5
