"""A ReLU or ReLU6 fused into an addition or a BatchNorm: the clamp of its own, on every code and in files."""

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from icepoint.qparams import QParam
from road_nets import randomize_batchnorm

#: Ranges whose zero point is not the least code, and that reach beyond 6: both ends of the clamp count.
RANGES = [(-3.0, 9.0), (-1.0, 4.0), (-2.0, 7.5), (0.0, 12.0)]


def every_code(q: QParam) -> torch.Tensor:
    """All codes, as one image of one channel."""
    return torch.arange(q.qmax + 1, dtype=torch.int32).view(1, 1, 1, -1)


def layers(activation, q_in, q_out):
    """An addition and a BatchNorm as functions of codes, frozen for given qparams."""
    add = icepoint.QAdd(has_qout=False, num_bits=q_in.num_bits, activation=activation)
    add.freeze(q_in, q_in, q_out=q_out)
    bn = randomize_batchnorm(nn.BatchNorm2d(1), 3)
    norm = icepoint.QBatchNorm2d(bn, has_qout=False, num_bits=q_in.num_bits, activation=activation)
    norm.freeze(q_in, q_out)
    return add, norm


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("low, high", RANGES)
def test_a_fused_activation_is_the_layer_behind(low, high, bits):
    q_in, q_out = QParam.of_range(-5.0, 6.5, bits), QParam.of_range(low, high, bits)
    codes = every_code(q_in)
    mixed = codes.roll(3, -1)
    for activation, behind in (("relu", icepoint.QReLU()), ("relu6", icepoint.QReLU6())):
        behind.freeze(q_out)
        (add, norm), (fused_add, fused_norm) = layers(None, q_in, q_out), layers(activation, q_in, q_out)
        expected = behind.quantize_inference(add.quantize_inference(codes, mixed))
        assert torch.equal(fused_add.quantize_inference(codes, mixed), expected)
        expected = behind.quantize_inference(norm.quantize_inference(codes))
        assert torch.equal(fused_norm.quantize_inference(codes), expected)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_the_frozen_file_has_it(activation):
    q_in, q_out = QParam.of_range(-5.0, 6.5), QParam.of_range(-3.0, 9.0)
    codes = every_code(q_in)
    net = nn.Module()
    net.add, net.norm = layers(activation, q_in, q_out)
    net.again = icepoint.QBatchNorm2d(net.norm.bn_module, has_qout=False, activation=activation)
    net.again.freeze(q_out, q_out)

    def quantize_inference(x):
        q = q_in.quantize_tensor(x)
        return q_out.dequantize_tensor(net.again.quantize_inference(net.add.quantize_inference(q, q)))

    net.quantize_inference = quantize_inference
    x = q_in.dequantize_tensor(codes)
    frozen = icepoint.freeze(net, x)
    assert torch.equal(frozen(x), quantize_inference(x))
    top = 255 if activation == "relu" else int(q_out.quantize_tensor(torch.tensor(6.0)))
    for layer in frozen.integers().values():
        assert (layer["lo"], layer["hi"]) == (q_out.zero_point, top) and q_out.zero_point > 0
    assert np.unique(frozen.codes(x).numpy()).size > 5


def test_other_activations_are_refused():
    for make in (
        lambda: icepoint.QAdd(activation="gelu"),
        lambda: icepoint.QBatchNorm2d(nn.BatchNorm2d(2), activation="RELU"),
    ):
        with pytest.raises(ValueError, match="activation: expected one of"):
            make()
