"""Heights and widths: free where the layers allow it, refused in words where one of them fixes the size."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
from capture_nets import OneConv, OwnResNet, Segmenter
from road_nets import images, randomize_batchnorm

SEED = 37


def quantized(net, size=32, sizes=(32, 24, 41)):
    data = [images(4, SEED + s, 3, s) for s in sizes]
    return icepoint.quantize(net, images(1, SEED, 3, size), data)


def checked(net, q, size, **options):
    """q at another size: near the float model, and equal to a file frozen for this size."""
    x = images(5, SEED + 1, 3, size)
    with torch.no_grad():
        real, road = net(x), q(x)
    if isinstance(real, dict):
        real, road = real["out"], road["out"]
    assert float((real - road).abs().max()) < 0.08 * float(real.abs().max()) + 0.02, size
    frozen = q.freeze(**(options or {"height": size, "width": size}))
    assert torch.equal(frozen(x), road)
    assert frozen.describe()["inputs"][0]["shape"] == [3, size, size]


def convolutional():
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(8, 8, 3),
        nn.AvgPool2d(3, 2, 1), nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()  # fmt: skip


def test_fully_convolutional_networks_take_any_size():
    net = convolutional()
    q = quantized(net)
    for size in (32, 24, 33, 57):
        checked(net, q, size)
    checked(net, q, 48, example_inputs=torch.zeros(1, 3, 48, 48))
    assert q.freeze().describe()["inputs"][0]["shape"] == [3, 32, 32]
    for copied in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        checked(net, copied, 57)
    with pytest.raises(ValueError, match="takes the sizes that it had seen before"):
        pickle.loads(pickle.dumps(q))(torch.zeros(1, 3, 90, 90))


def test_the_order_of_sizes_changes_nothing():
    net = convolutional()
    files = {quantized(net, sizes=sizes).freeze().file_bytes for sizes in ((32, 24, 41), (41, 32, 24))}
    assert len(files) == 1


def test_up_sampling_follows_the_size_of_the_picture():
    torch.manual_seed(SEED)
    net = Segmenter(argmax=False).eval()
    q = quantized(net)
    for size in (32, 24, 45):
        checked(net, q, size)
        assert q(torch.zeros(1, 3, size, size))["out"].shape == (1, 3, size, size)


def test_views_follow_the_size():
    def shuffled(n, x):
        b, _, h, w = x.shape
        y = n.conv(x).view(b, 2, 2, h, w).transpose(1, 2).reshape(b, 4, h, w)
        return F.relu(y)

    torch.manual_seed(SEED)
    net = OneConv(shuffled).eval()
    q = quantized(net)
    checked(net, q, 20)


def test_layers_that_fix_the_size_are_named():
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 2)).eval()
    q = quantized(net, sizes=(32,))
    for call in (lambda: q(torch.zeros(2, 3, 28, 28)), lambda: q.freeze(height=28, width=28)):
        with pytest.raises(
            ValueError, match=r"does not take inputs of shape \(n, 3, 28, 28\): 3 \(.*fixes the size"
        ):
            call()
    with pytest.raises(ValueError, match=r"batch 1: the network does not take .*fixes the size"):
        quantized(net, sizes=(32, 28))
    for shape in ((2, 4, 32, 32), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected shape \(n, 3, 32, 32\), found"):
            q(torch.zeros(shape))
    frozen = q.freeze()
    with pytest.raises(ValueError, match=r"expected \(N, 3, 32, 32\); a file is for one size: .*freeze"):
        frozen(torch.zeros(1, 3, 28, 28))


def test_control_flow_on_shapes_holds_for_the_sizes_it_was_captured_for():
    torch.manual_seed(SEED)
    net = randomize_batchnorm(OwnResNet(), SEED)
    q = quantized(net, sizes=(32, 24))
    checked(net, q, 40)
    with pytest.raises(
        ValueError, match=r"(?s)captured for .*capture_nets\.py:\d+: `if x\.shape\[-1\] > 8:`"
    ):
        q(torch.zeros(1, 3, 12, 12))


def test_what_is_calibrated_for_one_size_alone():
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(256, 2)
    )
    q = quantized(net.eval(), size=16, sizes=(16,))  # the pooling has nothing to do
    with pytest.raises(ValueError, match="there the network is another one than for the example, from 2 on"):
        q(torch.zeros(1, 3, 32, 32))
    checked(net, quantized(net, size=32, sizes=(32, 24)), 40)


SIZES_IN_NUMBERS = {
    "a gain": lambda n, x: n.conv(x) * x.shape[2],
    "a quotient": lambda n, x: n.conv(x) / x.shape[3],
    "a factor of a sum": lambda n, x: torch.add(n.conv(x), F.relu(n.conv(x)), alpha=x.shape[2]),
    "padding": lambda n, x: F.conv2d(x, n.conv.weight, n.conv.bias, padding=x.shape[2] // 8),
    "a pool to (1, None)": lambda n, x: F.adaptive_avg_pool2d(n.conv(x), (1, None)),
}


@pytest.mark.parametrize("forward", SIZES_IN_NUMBERS.values(), ids=SIZES_IN_NUMBERS)
def test_numbers_that_follow_the_size_are_those_of_the_size(forward):
    torch.manual_seed(SEED)
    net = OneConv(forward).eval()
    q = quantized(net, sizes=(32, 24, 44))
    for size in (32, 24, 40, 44):
        x = images(5, SEED + 1, 3, size)
        with torch.no_grad():
            real, road = net(x), q(x)
        assert road.shape == real.shape
        # A number of another size would be wrong by a third or more; ranges of 12 images clip a few values.
        assert float((real - road).norm() / real.norm()) < 0.15, size
        assert torch.equal(q.freeze(height=size, width=size)(x), road)
        assert torch.equal(copy.deepcopy(q)(x), road)


def test_a_window_that_torch_makes_a_number_is_refused_for_other_sizes(capfd):
    torch.manual_seed(SEED)
    net = OneConv(lambda n, x: F.avg_pool2d(n.conv(x), x.shape[2] // 8)).eval()
    q = quantized(net, sizes=(32,))
    with pytest.raises(ValueError, match=r"captured for Eq\(\(x\.shape\[2\]//8\), 4\)"):
        q(torch.zeros(1, 3, 24, 24))
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)).eval()
    with pytest.raises(ValueError, match="fixes the size"):
        quantized(linear, sizes=(32,))(torch.zeros(1, 3, 24, 24))
    assert "Traceback" not in capfd.readouterr().err  # torch's own log of it
