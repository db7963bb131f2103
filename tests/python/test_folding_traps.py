"""BatchNorms that training leaves behind: dead channels, tiny variances, negative gains; what they cost."""

import pytest
import torch
from torch import nn

import icepoint
from icepoint.accuracy import RECIPES, STEPS, equalize, judge
from icepoint.modules.folding import fold
from road_nets import images

SEED = 33
TRAPS = ["gamma 0", "variance 0", "tiny variance", "negative gamma"]
NETWORKS = [*TRAPS, "dead", "no affine"]  # all of whose channels are one


def network(trap=None, channel=2):
    """One channel is the trap. Where its variance is tiny its input is always 0, and its weights are not.

    "dead": no channel of the depthwise layer ever gives anything but 0; "no affine": no gammas and betas.
    """
    torch.manual_seed(SEED)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8, eps=1e-12), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8, eps=1e-12), nn.ReLU(),
        nn.Conv2d(8, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10),
    ).eval()  # fmt: skip
    if trap == "no affine":
        net[1], net[4] = (nn.BatchNorm2d(8, eps=1e-12, affine=False).eval() for _ in range(2))
        return net
    first, second = net[1], net[4]
    with torch.no_grad():
        for norm in (first, second):
            norm.bias.uniform_(0.1, 0.5)
            norm.running_var.uniform_(0.5, 1.5)
        if trap == "gamma 0":
            second.weight[channel] = 0.0
        if trap == "dead":
            second.weight.zero_()
            second.bias.fill_(-0.5)
        if trap == "negative gamma":
            second.weight[channel] = -1.0
        if trap in ("variance 0", "tiny variance"):
            first.weight[channel], first.bias[channel] = 0.0, 0.0  # ReLU gives 0, as in training
            second.running_mean[channel] = 0.0
            second.running_var[channel] = 0.0 if trap == "variance 0" else 1e-12
    return net


@pytest.mark.parametrize("trap", TRAPS)
def test_folding_is_the_same_function_in_double(trap):
    net, x = network(trap).double(), images(8, SEED, 3, 12).double()
    inside = net[:3](x)
    weight, bias = fold(net[3].weight, net[3].bias, [net[4]])
    y = nn.functional.conv2d(inside, weight.double(), bias.double(), groups=8)
    assert torch.isfinite(weight).all() and torch.isfinite(bias).all()
    torch.testing.assert_close(y, net[:5](x), rtol=1e-6, atol=1e-6)
    gain = float((weight[2].abs().max() / net[3].weight[2].abs().max()).detach())
    expected = {"gamma 0": 0.0, "variance 0": 1e6, "tiny variance": 1e6 / 2**0.5}.get(trap, gain)
    assert gain == pytest.approx(expected, rel=1e-6)
    if trap == "gamma 0":
        assert bias[2] == net[4].bias[2]  # beta, exactly


@pytest.mark.parametrize("trap", TRAPS)
def test_with_a_scale_a_channel_no_other_channel_notices(trap):
    """The codes and scales of all other channels are those of the network without the trap."""
    x = images(16, SEED, 3, 12)
    plain, trapped = (
        icepoint.quantize(network(t), x[:1], [x], recipe="fast").stages[2].layer for t in (None, trap)
    )
    others = [c for c in range(8) if c != 2]
    for codes in ("codes", "zero_point"):
        assert torch.equal(trapped.integers[codes][others], plain.integers[codes][others])
    assert torch.equal(trapped.q_weight.scales[others], plain.q_weight.scales[others])


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("weights", ["per_channel", "per_channel_affine"])
@pytest.mark.parametrize("recipe", [["clip_weights"], ["round_weights"], "accurate"], ids=str)
def test_networks_with_traps_keep_their_accuracy(trap, weights, recipe):
    """Behind a gain of a million a unit of the accumulator is 10^3 codes: plain arithmetic loses the bias."""
    net, x = network(trap), images(16, SEED, 3, 12)
    fast, tuned = (icepoint.quantize(net, x[:1], [x], weights=weights, recipe=r) for r in ("fast", recipe))
    with torch.no_grad():
        before, after = (judge([net(x)], [q(x)]).sqnr_db for q in (fast, tuned))
    print(f"{before:.1f} dB, tuned {after:.1f} dB")
    assert after > 25
    assert (before < 20) == (trap in ("variance 0", "tiny variance"))


@pytest.mark.parametrize("trap", NETWORKS)
@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine", "per_channel_affine"])
def test_folding_first_changes_no_byte(trap, weights):
    net, x = network(trap), images(8, SEED, 3, 12)
    plain, folded = (
        icepoint.quantize(net, x[:1], [x], weights=weights, recipe=recipe).freeze().file_bytes
        for recipe in ([], ["fold_batchnorm"])
    )
    assert plain == folded


@pytest.mark.parametrize("trap", ["variance 0", "dead", "no affine"])
@pytest.mark.parametrize("recipe", [*RECIPES, *([step] for step in STEPS)], ids=str)
def test_every_method_copes(trap, recipe):
    """None makes it worse than plain rounding does, which behind a gain of a million has 13 dB."""
    net, x = network(trap), images(16, SEED, 3, 12)
    q = icepoint.quantize(net, x[:1], [x], recipe=recipe)
    with torch.no_grad():
        found = judge([net(x)], [q(x)]).sqnr_db
        assert torch.equal(q.freeze()(x), q(x))
    print(f"{found:.1f} dB")
    assert found > (12 if trap == "variance 0" else 30)


def test_without_running_statistics_there_is_nothing_to_fold():
    net, x = (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval(),
        images(2, SEED, 3, 12),
    )
    with pytest.raises(ValueError, match=r"keep running ones \(track_running_stats=True\)"):
        icepoint.quantize(net, x[:1], [x])


@pytest.mark.parametrize("trap", ["variance 0", "tiny variance"])
def test_one_scale_for_all_breaks_and_equalization_mends_it(trap):
    """A gain of a million leaves the other channels no codes. Equalization gives the channel its range back:
    as nothing makes it, the one that reads it must be divided."""
    net, x = network(trap), images(16, SEED, 3, 12)
    options = {"weights": "per_tensor_affine"}
    broken, mended = (icepoint.quantize(net, x[:1], [x], recipe=r, **options) for r in ("fast", [equalize]))
    codes = broken.stages[2].layer.integers["codes"]
    others = [c for c in range(8) if c != 2]
    assert len(codes[others].unique()) == 1  # all others are 0 in this scale
    with torch.no_grad():
        before, after = (judge([net(x)], [q(x)]).sqnr_db for q in (broken, mended))
    print(f"{before:.1f} dB, equalized {after:.1f} dB")
    assert after > 20 > before
