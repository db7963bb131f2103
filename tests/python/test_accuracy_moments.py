"""Patches and moments: a layer as a matrix product, exact sums in any order, and the weights they ask for."""

import pytest
import torch
from torch import nn

from icepoint.accuracy.least_squares import best_ridge, compensating
from icepoint.accuracy.moments import PLACES, step_for
from icepoint.accuracy.moments import moments as moments_of
from icepoint.accuracy.patches import patches, places
from icepoint.accuracy.weighted import weights_of, with_weights
from icepoint.qparams import QParam

SEED = 30

LAYERS = [
    nn.Linear(7, 5),
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
    nn.Conv2d(4, 4, (2, 3), padding="same", dilation=(1, 2), groups=4),
    nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    nn.ConvTranspose2d(4, 2, (3, 2), stride=(1, 3), padding=(2, 0), dilation=(2, 1)),
]


def layer_input(layer, count, seed):
    torch.manual_seed(seed)
    return torch.randn(count, 3, 7) if isinstance(layer, nn.Linear) else torch.randn(count, 4, 6, 7)


SCALE_OUT = 0.02


def moments(layer, x, codes, q, first=0, step=1):
    weight, axis = weights_of(layer)[0], -1 if isinstance(layer, nn.Linear) else 1
    with torch.no_grad():
        ys = [with_weights(layer, weight, None)(one).movedim(axis, 0).flatten(1) for one in x.split(1)]
    numbers = range(first, first + len(x))
    return moments_of(layer, zip(numbers, ys, codes.split(1), strict=True), q, SCALE_OUT, step)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_patches_make_a_layer_a_matrix_product(layer):
    x = layer_input(layer, 3, SEED).double()
    p = patches(layer, x)
    weight, bias = weights_of(layer)
    product = (weight.double().reshape(len(p), -1, p.shape[1]) @ p).flatten(0, 1).T + bias.double()
    y = layer.double()(x)
    layer.float()
    expected = y.reshape(-1, y.shape[-1]) if isinstance(layer, nn.Linear) else y.movedim(1, -1).flatten(0, -2)
    assert product.shape[0] == places(layer, x.float())
    torch.testing.assert_close(product, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_moments_do_not_show_order_or_grouping(layer):
    x = layer_input(layer, 9, SEED)
    q = QParam.of_range(-2.5, 3.0)
    codes = q.quantize_tensor(x + 0.01).to(torch.uint8)
    whole = moments(layer, x, codes, q)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(SEED))
    a, b = order[:4], order[4:]
    merged = moments(layer, x[b], codes[b], q) + moments(layer, x[a], codes[a], q)
    assert merged.count == whole.count
    for name in ("z", "y", "zz", "yz"):
        assert torch.equal(getattr(merged, name), getattr(whole, name))
        assert torch.equal(getattr(whole, name), getattr(whole, name).round())
    real = patches(layer, q.dequantize_tensor(codes.to(torch.int32)).double())
    centred = real - real.mean(2, keepdim=True)
    torch.testing.assert_close(whole.covariance, centred @ centred.mT / whole.count)
    weight = weights_of(layer)[0].double().reshape(len(real), -1, real.shape[1])
    y = weight @ patches(layer, x.double())
    torch.testing.assert_close(whole.result, y.mean(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(whole.cross, (y @ centred.mT) / whole.count, rtol=0, atol=1e-4)


def test_codes_that_never_change_have_no_moments():
    """Exactly none, whatever the scales: weights are divided by them."""
    x, layer = torch.linspace(0.1, 2.9, 7).repeat(13, 1), nn.Linear(7, 4)
    x[:, 2] = torch.linspace(0, 3, 13)
    q = QParam.of_range(0.0, 3.1, num_bits=3)
    found = moments(layer, x, q.quantize_tensor(x).to(torch.uint8), q)
    still = [0, 1, 3, 4, 5, 6]
    assert not found.covariance[0][still].any() and not found.covariance[0][:, still].any()
    assert not found.cross[0][:, still].any() and found.covariance[0, 2, 2] > 0 and found.cross[0, :, 2].any()


def test_of_many_places_some_count():
    layer, x = nn.Conv2d(2, 3, 3), torch.randn(4, 2, 12, 12)
    q = QParam.of_range(-3.0, 3.0)
    codes = q.quantize_tensor(x).to(torch.uint8)
    assert step_for(layer, x[:1], PLACES // 100) == 1 and step_for(layer, x[:1], PLACES // 100 + 1) == 2
    wide = nn.Linear(1 << 14, 2)  # 2^36 products are 2^8 places
    assert (
        step_for(wide, torch.zeros(1, 1 << 14), 256) == 1
        and step_for(wide, torch.zeros(1, 1 << 14), 257) == 2
    )
    every = [moments(layer, x, codes, q, first, step=3) for first in range(3)]
    assert every[0].count == 34 + 33 + 33 + 34
    total = every[0] + every[1] + every[2]
    assert total.count == 400 and torch.equal(total.zz, moments(layer, x, codes, q).zz)


def test_compensation_takes_back_what_is_linear_and_ridge_keeps_the_weights():
    """Behind z = 0.8 x the weights that give W x are W / 0.8; a great ridge leaves W."""
    layer, q = nn.Linear(7, 5), QParam.of_range(-4.0, 4.0)
    x = layer_input(layer, 200, SEED).clamp(-4, 4)
    codes = q.quantize_tensor(0.8 * x).to(torch.uint8)
    m = moments(layer, x, codes, q)
    w = layer.weight.detach().double()[None]
    v, _ = compensating(w, m, 1e-6)
    torch.testing.assert_close(v, w / 0.8, rtol=0.01, atol=0.005)
    v, _ = compensating(w, m, 1e9)
    torch.testing.assert_close(v, w)
    one, other = moments(layer, x[::2], codes[::2], q), moments(layer, x[1::2], codes[1::2], q)
    assert best_ridge(w, one, other) < 0.1
    # What is noise in one half is not found again in the other: the weights stay nearly as they are.
    torch.manual_seed(SEED)
    codes = q.quantize_tensor(torch.randn(x.shape)).to(torch.uint8)
    halves = [moments(layer, x[i::2][:8], codes[i::2][:8], q) for i in (0, 1)]
    assert best_ridge(w, *halves) > best_ridge(w, one, other)
