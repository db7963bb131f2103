"""How a network is captured, what the fallbacks take, and what is refused naming the user's line."""

import pytest
import torch
import torch.nn.functional as F

import icepoint
from capture_nets import OneConv, OwnResNet
from road_nets import float_bytes, images, randomize_batchnorm

SEED = 33
X = images(8, SEED, 3, 16)


def net_of(forward):
    torch.manual_seed(SEED)
    return OneConv(forward).eval()


def refused(forward):
    with pytest.raises(ValueError) as caught:
        icepoint.quantize(net_of(forward), X[:1], [X])
    return str(caught.value)


def by_value(n, x):
    if x.sum() > 0:
        return n.conv(x)
    return n.conv(-x)


def by_item(n, x):
    return n.conv(x)[:, : 1 + int(x.max() > 3)]


def test_values_that_steer_are_refused_with_the_line():
    for forward, code in ((by_value, "if x.sum() > 0:"), (by_item, "int(x.max() > 3)")):
        text = refused(forward)
        assert "test_capture_roads.py:" in text and code in text, text
    assert "torch.where" in refused(by_value)


def by_batch(n, x):
    if x.shape[0] > 4:
        return n.conv(x)
    return n.conv(-x)


def image_by_image(n, x):
    return torch.cat([n.conv(image[None]) for image in x])


def test_the_number_of_images_must_not_steer():
    text = refused(by_batch)
    assert "another number of images" in text and "if x.shape[0] > 4:" in text
    assert "another number of images" in refused(image_by_image)


def reads_a_buffer(n, x):
    if n.calls == 0:
        x = n.conv(x)
    return F.relu(x) * float(n.gain.numpy().sum())


def counts(n, x):
    n.calls += 1
    return n.conv(x)


def remembers(n, x):
    n.last = n.conv(x)
    return F.relu(n.last)


def by_length(n, x):
    return n.fc(F.adaptive_avg_pool2d(n.conv(x), 1).view(len(x), -1))


@pytest.mark.parametrize("forward, road", [
    (remembers, "torch.export for any number of images"),
    (counts, "torch.export for any number of images"),
    (by_length, "torch.export for 13 images"),
    (reads_a_buffer, "make_fx under fake tensors for 13 images"),
])  # fmt: skip
def test_roads(forward, road):
    net = net_of(forward)
    before, names = float_bytes(net), set(vars(net))
    told = icepoint.coverage(net, X[:1])
    assert told.road.name == road and f"captured by {road}" in str(told) and told.is_complete
    assert bool(told.road.refused) == ("13" in road)
    assert told.integer[0].layer == "conv" and "capture_nets.py:" in told.integer[0].line
    q = icepoint.quantize(net, X[:1], [X])
    assert float_bytes(net) == before and set(vars(net)) == names
    with torch.no_grad():
        assert float((q(X) - net(X)).abs().max()) < 0.05
    assert torch.equal(q.freeze()(X), q(X)) and torch.equal(q(X[:3]), q(X)[:3])


def test_constants_made_in_forward():
    def forward(n, x):
        weight = n.conv.weight * torch.tensor([1.0, 0.5, 0.25, 0.125]).view(4, 1, 1, 1)
        y = F.conv2d(x, weight.detach().to(torch.float32), n.conv.bias, padding=1)
        return y.clone().contiguous() + torch.arange(4, dtype=torch.float32).view(1, 4, 1, 1)

    net = net_of(forward)
    q = icepoint.quantize(net, X[:1], [X])
    assert q.coverage.is_complete
    with torch.no_grad():
        assert float((q(X) - net(X)).abs().max()) < 0.05
    assert torch.equal(q.freeze()(X), q(X))


def test_train_mode_is_refused():
    net = randomize_batchnorm(OwnResNet(), SEED).train()
    for call in (icepoint.coverage, lambda *a: icepoint.quantize(*a, [X])):
        with pytest.raises(ValueError, match=r"bn1 \(BatchNorm2d\) is in train\(\) mode"):
            call(net, X[:1])
