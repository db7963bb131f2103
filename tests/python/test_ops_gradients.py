"""Gradients of fake_quantize against autograd of an explicit float64 formula, and against plain reasoning."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import icepoint.ops  # registers the operators
from op_samples import float32, int32, op
from oracle_numbers import rng
from strategies import bounded, seeds


class Rounded(torch.autograd.Function):
    """round() whose gradient passes straight through."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


def explicit(x, scale, zero_point, qmin, qmax):
    """float64, differentiable: clamp(rne(x / s) + rne(z)) - rne(z), times s. Autograd does the rest.

    Inside, d/ds of rne(x / s) s with a straight-through rne is rne(v) - v; outside the code is constant, and
    so the gradients are clamp(q) - z and -s: LSQ and LSQ+ need no formula of their own.
    """
    z = Rounded.apply(zero_point).clamp(qmin, qmax)
    q = Rounded.apply(x / scale) + z
    return (q.clamp(qmin, qmax) - z) * scale


def leaf(values, dtype=torch.float32):
    return torch.as_tensor(values, dtype=dtype).detach().clone().requires_grad_()


def gradients(function, *tensors):
    for t in tensors:
        t.grad = None
    function().backward()
    return [t.grad.clone() for t in tensors]


LIMITS = ((0, 255), (0, 15), (-8, 7), (-127, 127), (0, 3))


@bounded(60)
@given(seeds, st.sampled_from(LIMITS), st.sampled_from((None, 0, 1, -1)))
def test_against_autograd_of_the_formula(seed, limits, axis):
    qmin, qmax = limits
    generator = rng(seed)
    shape = (3, 4, 5)
    count = 1 if axis is None else shape[axis]
    # Powers of two: x / s and its rounding are then the same in float32 and float64.
    scale = torch.from_numpy(2.0 ** generator.integers(-6, 3, count)).float()
    zero_point = torch.from_numpy(generator.uniform(qmin, qmax, count)).float()
    codes = torch.from_numpy(generator.uniform(2 * qmin - qmax, 2 * qmax - qmin, shape)).float()
    view = [1] * 3
    view[0 if axis is None else axis] = count
    x = (codes - zero_point.round().view(view)) * scale.view(view)
    weight = torch.from_numpy(generator.normal(0, 1, shape)).float()

    ours = [leaf(t) for t in (x, scale, zero_point)]
    got = gradients(lambda: (op.fake_quantize(*ours, qmin, qmax, axis) * weight).sum(), *ours)
    theirs = [leaf(t, torch.float64) for t in (x, scale, zero_point)]
    wide = (theirs[0], *(t.view(view) for t in theirs[1:]))
    want = gradients(lambda: (explicit(*wide, qmin, qmax) * weight.double()).sum(), *theirs)
    forward = op.fake_quantize(x, scale, zero_point, qmin, qmax, axis)
    assert torch.equal(forward.double(), explicit(*wide, qmin, qmax).detach())
    assert torch.equal(got[0].double(), want[0])
    for g, w in zip(got[1:], want[1:], strict=True):
        torch.testing.assert_close(g.double(), w, rtol=1e-5, atol=1e-4)  # sums of float32 products


def test_by_hand():
    """scale 0.5, zero point 2, codes 0..15: each element's three gradients, read off section 1."""
    x, scale, zero_point = leaf([0.3, -5.0, 100.0, 6.5, math.nan, math.inf, -math.inf]), leaf(0.5), leaf(2.0)
    y = op.fake_quantize(x, scale, zero_point, 0, 15)
    assert y.tolist() == [0.5, -1.0, 6.5, 6.5, 0.0, 6.5, -1.0]
    each = []
    for i in range(len(x)):
        one = torch.autograd.grad(y[i], (x, scale, zero_point), retain_graph=True)
        each.append((one[0].tolist(), one[1].item(), one[2].item()))
    rounding = 1 - torch.tensor(0.3).div(0.5).item()  # rne(0.6) - 0.6
    expected = [
        (0, 1.0, rounding, 0.0),
        (1, 0.0, -2.0, -0.5),  # below: clamp(q) - z = 0 - 2
        (2, 0.0, 13.0, -0.5),  # above: 15 - 2
        (3, 1.0, 0.0, 0.0),  # the last code itself is inside
        (4, 0.0, 0.0, 0.0),  # NaN is the zero point, whatever scale and zero point are
        (5, 0.0, 13.0, -0.5),
        (6, 0.0, -2.0, -0.5),
    ]
    for (dx, dscale, dzero), (i, slope, want_scale, want_zero) in zip(each, expected, strict=True):
        assert dx == [slope if j == i else 0.0 for j in range(len(x))]
        assert dscale == want_scale and dzero == want_zero


def test_an_integer_zero_point_has_no_gradient():
    x, scale, zero_point = leaf([1.0, 2.0]), leaf([0.5]), int32(3)
    op.fake_quantize(x, scale, zero_point, 0, 15).sum().backward()
    assert zero_point.grad is None and scale.grad.shape == (1,) and x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("needs", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
def test_only_what_asks_gets_a_gradient(needs):
    tensors = [float32(1.0, -9.0), float32(0.5), float32(2.0)]
    for t, need in zip(tensors, needs, strict=True):
        t.requires_grad_(bool(need))
    op.fake_quantize(*tensors, 0, 15).sum().backward()
    assert [t.grad is not None for t in tensors] == [bool(n) for n in needs]


def test_a_learned_zero_point_counts_as_the_nearest_legal_integer():
    x = float32(-1.0, 0.0, 0.3, 1.0)
    for learned, integer in ((2.4, 2), (2.5, 2), (3.5, 4), (-7.0, 0), (99.0, 15)):
        got = op.fake_quantize(x, float32(0.25), float32(learned), 0, 15)
        assert torch.equal(got, op.fake_quantize(x, float32(0.25), int32(integer), 0, 15))


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_do_not_depend_on_the_layout(axis, channels_last):
    x = torch.from_numpy(rng(5).normal(0, 2, (2, 3, 4, 5))).float()
    scale = float32(0.1) if axis is None else float32(0.1, 0.2, 0.3)
    plain = [leaf(x), leaf(scale)]
    want = gradients(lambda: op.fake_quantize(*plain, int32(0), -8, 7, axis).pow(2).sum(), *plain)
    changed = x.contiguous(memory_format=torch.channels_last) if channels_last else x.mT.contiguous().mT
    other = [leaf(changed), leaf(scale)]
    assert other[0].stride() == changed.stride() != x.stride()
    got = gradients(lambda: op.fake_quantize(*other, int32(0), -8, 7, axis).pow(2).sum(), *other)
    assert torch.equal(got[0], want[0])
    torch.testing.assert_close(got[1], want[1], rtol=1e-5, atol=0)


def test_a_scale_is_learned():
    """Gradient descent on the scale alone finds one with a small error from one far too large."""
    x = torch.from_numpy(rng(6).normal(0, 1, 2000)).float()
    scale, zero_point = leaf([2.0]), int32(0)
    start = (op.fake_quantize(x, scale, zero_point, -8, 7) - x).pow(2).mean().item()
    optimizer = torch.optim.SGD([scale], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = (op.fake_quantize(x, scale, zero_point, -8, 7) - x).pow(2).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < start / 10 and 0.1 < scale.item() < 0.6


def test_the_formula_is_public():
    """ops.fake_quantize_backward is what autograd calls."""
    x, scale, zero_point = float32(0.3, -5.0), float32(0.5), float32(2.0)
    dx, dscale, dzero = icepoint.ops.fake_quantize_backward(torch.ones(2), x, scale, zero_point, 0, 15, None)
    assert dx.tolist() == [1.0, 0.0] and dscale.shape == dzero.shape == (1,)
    assert icepoint.ops.fake_quantize_backward(torch.ones(2), x, scale, int32(2), 0, 15, None)[2] is None
