"""LSQ's and LSQ+'s gradients by the papers' formulas, legal scales, BatchNorm by a batch's statistics."""

import copy
import math

import pytest
import torch
from torch import nn

from icepoint import QParam
from icepoint.modules.folding import gain_and_offset
from icepoint.training.batch_norm import BatchCorrection
from icepoint.training.learned import LearnedQParam, LearnedRange

GENERATOR = torch.Generator().manual_seed(7)


def noise(*shape):
    return torch.randn(shape, generator=GENERATOR)


def learned(scale, zero_point, bits=4):
    q_range = LearnedRange(torch.tensor([scale]), torch.tensor([zero_point]), 0, (1 << bits) - 1, True)
    return LearnedQParam(q_range, bits)


def lsq(x, weight, scale, zero_point, qmax):
    """dL/dscale and dL/dbeta of L = sum weight fake_quantize(x), float64, element by element as in LSQ+."""
    v = x.double() / scale
    q = v.round() + zero_point
    inside = (q >= 0) & (q <= qmax)
    slope = torch.where(inside, v.round() - v, q.clamp(0, qmax) - zero_point)
    return (weight * slope).sum(), (weight * ~inside).sum()


def test_one_step_is_lsqs_to_first_order():
    """SGD on growth and shift moves scale and offset as LSQ+ moves them: by -lr g gradient."""
    scale, zero_point, lr = 0.25, 6, 1e-4
    q = learned(scale, zero_point)
    x, weight = noise(5, 40) * 2, noise(5, 40) / 100
    (q.fake_quantize(x) * weight).sum().backward()
    g = 1 / math.sqrt(40 * 15)  # elements of one image
    d_scale, d_beta = lsq(x, weight.double(), scale, zero_point, 15)
    new_scale = scale * math.exp(-lr * q.learned.growth.grad.item())
    assert new_scale - scale == pytest.approx(-lr * g * d_scale.item(), rel=1e-3)
    # offset = -scale zero_point, moved by the zero point alone
    assert -scale * -lr * q.learned.shift.grad.item() == pytest.approx(-lr * g * d_beta.item(), rel=1e-5)
    assert abs(q.learned.growth.grad.item()) < 1 and abs(q.learned.shift.grad.item()) < 1


def test_no_gradient_is_greater_than_one():
    q = learned(1e-3, 8)
    (q.fake_quantize(noise(4, 10)) * 1e6).sum().backward()
    assert q.learned.growth.grad.abs().item() == 1 and q.learned.shift.grad.abs().item() == 1


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_scales_and_zero_points_stay_legal_whatever_an_optimizer_does(optimizer):
    q = learned(0.5, 3)
    step = optimizer(q.learned.parameters(), lr=50.0)
    for sign in (1, 1, -1, -1, -1, -1):
        (q.fake_quantize(noise(4, 10)) * sign * 1e3).sum().backward()
        step.step()
        q.settle()
        assert 2.0**-100 <= q.scale <= 2.0**100 and 0 <= q.zero_point <= 15
        assert torch.isfinite(q.fake_quantize(noise(3, 3))).all()


def test_weight_decay_pulls_towards_what_was_calibrated():
    q = learned(0.3, 5)
    with torch.no_grad():
        q.learned.growth.fill_(1.0)
        q.learned.shift.fill_(3.0)
    step = torch.optim.AdamW(q.learned.parameters(), lr=0.5, weight_decay=0.5)
    for _ in range(60):
        for p in q.learned.parameters():
            p.grad = torch.zeros_like(p)
        step.step()
    q.settle()
    assert q.scale == pytest.approx(0.3, rel=1e-4) and q.zero_point == 5


def test_the_integers_take_what_the_simulation_computes_with():
    """Any growth and shift: QParam and fake_quantize agree on every value."""
    q = learned(0.1, 7)
    for _ in range(20):
        with torch.no_grad():
            q.learned.growth.copy_(noise(1))
            q.learned.shift.copy_(noise(1) * 5)
        q.settle()
        x = noise(50) * 3
        plain = QParam.of_scale(q.scale, q.zero_point, 4)
        assert torch.equal(q.fake_quantize(x), plain.dequantize_tensor(plain.quantize_tensor(x)))


@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3, 3)])
def test_a_corrected_batch_is_batchnorm_in_train_mode(shape):
    """The result, all gradients and the running statistics are torch's own, negative gammas included."""
    norm = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(5, momentum=0.3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.3, -1.2]))
        norm.bias.copy_(noise(5))
        norm.running_mean.copy_(noise(5))
        norm.running_var.copy_(noise(5).abs() + 0.3)
    reference, weight = copy.deepcopy(norm).train(), noise(*shape)
    u = noise(*shape) * 2 + 1
    ours, theirs = u.clone().requires_grad_(), u.clone().requires_grad_()
    gain, offset = (v.view(-1, *[1] * (len(shape) - 2)) for v in gain_and_offset(norm))
    correction = BatchCorrection([norm], (ours.double() * gain + offset).float())
    found, wanted = correction.corrected(), reference(theirs)
    (found * weight).sum().backward()
    (wanted * weight).sum().backward()
    correction.update_running()
    for got, want in (
        (found, wanted), (ours.grad, theirs.grad), (norm.weight.grad, reference.weight.grad),
        (norm.bias.grad, reference.bias.grad), (norm.running_mean, reference.running_mean),
        (norm.running_var, reference.running_var),
    ):  # fmt: skip
        torch.testing.assert_close(got, want, rtol=2e-5, atol=2e-5)


def test_a_dead_channel_keeps_its_statistics():
    norm = nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.weight[0] = 0
    y = noise(3, 2, 4, 4).requires_grad_()
    correction = BatchCorrection([norm], y)
    found = correction.corrected()
    found.sum().backward()
    correction.update_running()
    assert torch.equal(found[:, 0], y[:, 0]) and bool((y.grad[:, 0] == 1).all())
    assert norm.running_mean[0] == 0 and norm.running_var[0] == 1 and norm.running_mean[1] != 0
