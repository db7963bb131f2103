"""Scales and zero points of weights: against the oracle, and every odd channel of the contract."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
import oracle

SEED = 12


def odd_weights(rng) -> tuple[np.ndarray, np.ndarray]:
    """(9, 3, 2, 2) weights, (9,) biases: channels of zeros, tiny, subnormal, one-sided; dominant biases."""
    weight = rng.normal(0, 1, (9, 3, 2, 2)).astype(np.float32)
    bias = rng.normal(0, 1, 9).astype(np.float32)
    weight[0] = 0.0
    weight[1] *= np.float32(1e-6)
    weight[2] *= np.float32(1e-42)
    weight[3] = np.abs(weight[3])
    weight[4] = -np.abs(weight[4])
    bias[5] = 1e6
    weight[6], bias[6] = 0.0, 0.0
    bias[7] = 0.0
    return weight, bias


@pytest.mark.parametrize("bits", range(2, 9))
def test_against_the_oracle(bits):
    rng = np.random.default_rng(SEED + bits)
    for _ in range(20):
        weight, bias = odd_weights(rng)
        scale_in = float(np.float32(10.0 ** rng.uniform(-6, 1)))
        w, b = torch.from_numpy(weight), torch.from_numpy(bias)
        scales, zero_points = icepoint.choose_weight_qparams(w, bits, "per_channel", b, scale_in)
        assert scales.dtype == torch.float32 and zero_points.dtype == torch.int32
        assert (scales.numpy() == oracle.symmetric_weight_scales(weight, bias, scale_in, bits)).all()
        assert not zero_points.any()
        one = icepoint.choose_weight_qparams(w, bits, "per_tensor_affine", b, scale_in)
        assert (float(one[0]), int(one[1])) == oracle.affine_weight_qparams(weight, bias, scale_in, bits)
        each = icepoint.choose_weight_qparams(w, bits, "per_channel_affine", b, scale_in)
        for c in range(len(weight)):
            expected = oracle.affine_weight_qparams(weight[c : c + 1], bias[c : c + 1], scale_in, bits)
            assert (float(each[0][c]), int(each[1][c])) == expected, (c, SEED)


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor_affine", "per_channel_affine"])
def test_the_bias_stays_exact_and_no_accumulator_overflows(scheme):
    """Channels of zeros, tiny and subnormal ones answer with their bias: within half an output code."""
    rng = np.random.default_rng(SEED)
    weight, bias = odd_weights(rng)
    bias[5] = 100.0
    conv = nn.Conv2d(3, 9, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(weight))
        conv.bias.copy_(torch.from_numpy(bias))
    qconv = icepoint.QConv2d(conv, weights=scheme)
    x = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(SEED))
    y = qconv(x)
    qconv.freeze()
    scale_w = torch.as_tensor(qconv.q_weight.scale, dtype=torch.float64)
    back = qconv.integers["bias"].double() * qconv.q_in.scale * scale_w
    assert (
        float((back - conv.bias.detach().double()).abs().max()) <= qconv.q_in.scale * float(scale_w.max()) / 2
    )
    assert int(qconv.integers["bias"].abs().max()) <= 2**30 + 2**7
    codes = qconv.quantize_inference(qconv.q_in.quantize_tensor(x))
    tiny = [0, 1, 2, 6]
    error = (qconv.q_out.dequantize_tensor(codes) - y).detach().abs()[:, tiny]
    assert float(error.max()) <= qconv.q_out.scale * 0.51 + qconv.q_in.scale * float(scale_w.max()) * 20


def test_few_weights_by_hand():
    weight = torch.tensor([[0.5, -1.27], [0.0, 0.0]])
    scales, zero_points = icepoint.choose_weight_qparams(weight)
    assert scales.tolist() == [float(np.float32(float(np.float32(1.27)) / 127)), 2.0**-100]
    assert zero_points.tolist() == [0, 0]
    q = icepoint.weights.WeightQParam(8, "per_channel")
    q.update(weight)
    assert q.quantize_tensor(weight).tolist() == [[50, -127], [0, 0]]
    assert torch.allclose(q.dequantize_tensor(q.quantize_tensor(weight)), weight, atol=0.005)
    assert (q.min, q.max) == (weight.min().item(), 0.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_name_the_layer(bad):
    net = icepoint.models.Net()
    with torch.no_grad():
        net.conv2.weight[3, 0, 0, 0] = bad
    net.quantize()
    with pytest.raises(ValueError, match=r"qconv2 .*weight.*NaN or infinity"):
        net.quantize_forward(torch.zeros(1, 1, 28, 28))
    with torch.no_grad():
        net.conv2.weight[3, 0, 0, 0], net.conv2.bias[0] = 1.0, bad
    net.quantize()
    with pytest.raises(ValueError, match=r"qconv2"):
        net.quantize_forward(torch.zeros(1, 1, 28, 28))


def test_what_has_no_scale_is_refused():
    for weight in (torch.ones(0, 3), torch.ones(3, 0), torch.ones(3), torch.ones(2, 2).double()):
        with pytest.raises(ValueError, match="weight"):
            icepoint.choose_weight_qparams(weight)
    with pytest.raises(ValueError, match="2\\^100"):
        icepoint.choose_weight_qparams(torch.full((1, 1), 3e38), 2)
    with pytest.raises(ValueError, match="per_tensor_affine"):
        icepoint.choose_weight_qparams(torch.ones(2, 2), scheme="symmetric")
    with pytest.raises(ValueError, match="weights"):
        icepoint.QConv2d(nn.Conv2d(1, 1, 1), weights=None)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_accumulator_that_could_overflow_is_refused_with_its_channel(sign):
    """66,311 weights of 127 times codes up to 255 fit 2^31, one more does not."""
    most = (2**31 - 1) // (127 * 255)
    for taps in (most, most + 1):
        linear = nn.Linear(taps, 20, bias=False)
        with torch.no_grad():
            linear.weight.fill_(0.0)
            linear.weight[17].fill_(sign)
        qfc = icepoint.QLinear(linear)
        qfc(torch.ones(1, taps))
        if taps == most:
            qfc.freeze()
            continue
        with pytest.raises(ValueError, match=r"QLinear.*channel 17.*int32"):
            qfc.freeze()
