"""What users' own networks take and return: several inputs, nested outputs, one value twice."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves

import icepoint
from capture_nets import Found, Joined, Named, Nested, OwnResNet
from icepoint.capture import Structure
from road_nets import float_bytes, images, randomize_batchnorm

SEED = 31


def both(count, seed=SEED):
    return images(count, seed, 3, 16), images(count, seed + 1, 1, 32)


def checked(q, net, args, kwargs=None):
    """q returns the float model's structure; frozen returns its tensors, bit for bit."""
    kwargs = kwargs or {}
    with torch.no_grad():
        real, road = net(*args, **kwargs), q(*args, **kwargs)
    assert type(real) is type(road)
    frozen = q.freeze()
    frozen.verify()
    replayed = frozen(*tree_leaves((args, kwargs)))
    replayed = replayed if isinstance(replayed, tuple) else (replayed,)
    reals, roads = (Structure.of(found).leaves(found) for found in (real, road))
    assert len(reals) == len(roads) == len(replayed)
    for a, b, c in zip(reals, roads, replayed, strict=True):
        assert torch.equal(b, c), SEED
        assert float((a - b).abs().max()) < 0.06 * float(a.abs().max()) + 1e-3
    return frozen


def test_a_users_own_resnet():
    torch.manual_seed(SEED)
    net, x = randomize_batchnorm(OwnResNet(), SEED), images(32, SEED, 3, 32)
    before = float_bytes(net)
    q = icepoint.quantize(net, x[:1], x.split(8))
    assert float_bytes(net) == before and q.coverage.is_complete
    frozen = checked(q, net, (x,))
    names = [layer["name"] for layer in frozen.layers()]
    assert names.count("blocks_0_conv1") == names.count("blocks_0_conv1_2") == 1


@pytest.mark.parametrize("gives", [
    lambda n, x, y: x + y,
    lambda n, x, y: (x + y, n.fc(x.mean((2, 3)))),
    lambda n, x, y: [x, y],
    lambda n, x, y: {"sum": x + y, "scores": n.fc(x.mean((2, 3))), "none": None},
    lambda n, x, y: {"deep": [x, (y, {"sum": x + y})], "count": 2},
    lambda n, x, y: (x + y, y, {"again": y}),
    lambda n, x, y: Found(n.fc(y.mean((2, 3))), x),
    lambda n, x, y: Named(n.fc(y.mean((2, 3))), [x, y]),
    lambda n, x, y: (x + y, y.flatten(1).softmax(1), y.flatten(1), (x + y).sigmoid()),
])  # fmt: skip
def test_two_inputs_and_any_outputs(gives):
    torch.manual_seed(SEED)
    net, (a, b) = Joined(gives).eval(), both(12)
    for example in ((a[:1], b[:1]), [a[:1], b[:1]]):
        q = icepoint.quantize(net, example, zip(a.split(6), b.split(6), strict=True))
    checked(q, net, (a, b))


def test_keyword_inputs_and_nested_ones():
    torch.manual_seed(SEED)
    net, (a, b) = Joined(lambda n, x, y: x + y).eval(), both(12)
    data = [{"depth": b, "picture": a, "label": torch.zeros(12)}]
    q = icepoint.quantize(net, {"picture": a[:1], "depth": b[:1]}, data)
    assert torch.equal(q(picture=a, depth=b), q(depth=b, picture=a))
    assert torch.equal(q.freeze()(a, b), q(picture=a, depth=b))
    assert [i["shape"] for i in q.freeze().describe()["inputs"]] == [[3, 16, 16], [1, 32, 32]]
    nested = Nested(lambda n, x, y: x + y).eval()
    nested.load_state_dict(net.state_dict())
    r = icepoint.quantize(nested, ([a[:1], b[:1]],), [((a, b), torch.zeros(12))])
    assert torch.equal(r([a, b]), q(picture=a, depth=b))
    for wrong, text in (((a,), "expected 2 values"), (([a, b, a],), "2 values"), (([a, None],), "a tensor")):
        with pytest.raises(ValueError, match=text):
            r(*wrong)


def test_x_and_label_are_told_by_the_number_of_inputs():
    torch.manual_seed(SEED)
    (a, b), two = both(8), Joined(lambda n, x, y: x + y).eval()
    one = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).eval()
    assert icepoint.quantize(one, a[:1], [(a, b)])(a).shape == (8, 4, 14, 14)
    files = [icepoint.quantize(two, (a[:1], b[:1]), data).freeze().file_bytes
             for data in ([(a, b)], [(a, b, torch.zeros(8))], [((a, b), torch.zeros(8))])]  # fmt: skip
    assert len(set(files)) == 1
    with pytest.raises(ValueError, match="expected 2 tensors"):
        icepoint.quantize(two, (a[:1], b[:1]), [a])
    with pytest.raises(ValueError, match=r"batch 0: .*(must match|equal|broadcast)"):
        icepoint.quantize(two, (a[:1], b[:1]), [(a, b[:2])])


def test_an_input_that_is_returned_as_it_is():
    a, b = both(2)
    for gives in (lambda n, x, y: (x, n.seen), lambda n, x, y: n.seen):
        net = Joined(gives).eval()
        net.register_forward_pre_hook(lambda module, args: setattr(module, "seen", args[0]))
        with pytest.raises(ValueError, match="returns its input picture as it is"):
            icepoint.quantize(net, (a, b), [(a, b)], strict=False)


def test_an_input_that_nothing_depends_on():
    with pytest.raises(ValueError, match="nothing that it returns depends on its input depth"):
        icepoint.quantize(Joined(lambda n, x, y: x).eval(), both(2), [both(2)])


def test_copies_keep_the_structure():
    torch.manual_seed(SEED)
    net, (a, b) = Joined(lambda n, x, y: {"sum": x + y, "softmax": F.softmax(y, 1)}).eval(), both(6)
    q = icepoint.quantize(net, (a[:1], b[:1]), [(a, b)])
    for copied in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        for name, y in copied(a, b).items():
            assert torch.equal(y, q(a, b)[name])
        assert copied.freeze().file_bytes == q.freeze().file_bytes
    q.train()
    y = q(a.requires_grad_(), b)
    (y["sum"].sum() + y["softmax"][:, 0].sum()).backward()
    assert bool(a.grad.abs().sum() > 0)


def test_structure():
    x, y = torch.zeros(1), torch.ones(1)
    tree = {"a": [x, (y, None)], "b": Found(x), "c": Named(y, "text")}
    found = Structure.of(tree)
    assert found.count() == 4 and found.names() == ["a_0", "a_1_0", "b_scores", "c_scores"]
    again = found.rebuild(found.leaves(tree))
    assert again["a"][1][0] is y and again["b"] == tree["b"] and again["c"] == tree["c"]
    assert found.leaves(dict(reversed(tree.items())))[0] is x
    with pytest.raises(ValueError, match=r"expected 'text' at \['c'\]\['features'\]"):
        found.leaves({**tree, "c": Named(y, "other")})
