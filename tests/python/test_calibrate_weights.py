"""icepoint.calibrate computes each fake-quantized weight once: with the same ranges, and not for longer."""

import torch
from torch import nn

import icepoint
from road_nets import calibrated, images, subjects


def ranges(net):
    return {name: m.q_out.state() for name, m in net.named_modules() if getattr(m, "has_qout", False)}


def test_the_ranges_are_those_of_forward_alone():
    """Of layers that take their input's scale from the layer before, and of those that observe it."""
    for name, (_, channels) in subjects().items():
        net, alone = calibrated(name), calibrated(name)
        for n in (net, alone):
            n.quantize()
        batches = images(24, 3, channels).split(8)
        icepoint.calibrate(net, batches)
        with torch.no_grad():
            for batch in batches:
                alone.quantize_forward(batch)
        assert ranges(net) == ranges(alone) and ranges(net)


def test_a_scale_that_the_next_batch_moves_is_not_kept():
    """The bias needs a weight scale of 1 / (scale_in 2^30), above these weights until scale_in is large."""
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(1e-12)
        conv.bias.fill_(1.0)
    net = nn.Module()
    net.layer = icepoint.QConv2d(conv)
    net.quantize_forward = net.layer
    small, large = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 1e12)
    icepoint.calibrate(net, [small])
    assert net.layer.q_out.max == 1.0
    icepoint.calibrate(net, [small, large])
    assert 1.9 < net.layer.q_out.max < 2.1


def test_weights_may_change_after_calibration():
    net, x = calibrated("NetBN"), images(4, 1)
    net.quantize()
    icepoint.calibrate(net, [x])
    before = net.quantize_forward(x)
    with torch.no_grad():
        net.conv1.weight.mul_(-1.0)
        net.fc.weight.mul_(-1.0)
    assert not torch.allclose(net.quantize_forward(x), before)
    assert all(m.qw.scale is not None and m._kept is None for m in (net.qconv1, net.qconv2, net.qfc))
    net.quantize_forward(x).sum().backward()
    assert bool(net.conv2.weight.grad.abs().sum() > 0)
