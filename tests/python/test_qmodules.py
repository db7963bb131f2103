"""Every QModule by itself: codes against the oracle, names of notebook and lab, and their errors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
import oracle
import oracle_conv
import oracle_ops
from icepoint import QParam

SEED = 13
SCHEMES = ("per_channel", "per_tensor_affine", "per_channel_affine")


def randn(*shape, scale=1.0, seed=SEED):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def observed(x: torch.Tensor, bits: int = 8) -> QParam:
    q = QParam(bits)
    q.update(x)
    return q


def seeded(make, seed=SEED):
    torch.manual_seed(seed)
    return make()


CONVS = [
    {"in_channels": 3, "out_channels": 4, "kernel_size": 3},
    {"in_channels": 3, "out_channels": 4, "kernel_size": 3, "bias": False},
    {
        "in_channels": 4,
        "out_channels": 6,
        "kernel_size": (3, 2),
        "stride": (2, 1),
        "padding": (1, 2),
        "groups": 2,
    },
    {
        "in_channels": 4,
        "out_channels": 4,
        "kernel_size": 3,
        "padding": "same",
        "dilation": (2, 1),
        "groups": 4,
        "bias": False,
    },
    {"in_channels": 2, "out_channels": 3, "kernel_size": 4, "padding": "same"},
    {"in_channels": 2, "out_channels": 3, "kernel_size": 1, "stride": 3, "padding": "valid"},
]


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("options", CONVS)
def test_conv2d_against_the_oracle(options, weights):
    conv = seeded(lambda: nn.Conv2d(**options))
    before = conv.weight.detach().clone()
    for bits in range(2, 9):
        for activation in (None, "relu", "relu6"):
            qconv = icepoint.QConv2d(conv, num_bits=bits, weights=weights, activation=activation)
            x = randn(3, options["in_channels"], 9, 8, scale=4.0)
            real = qconv(x)
            qconv.freeze()
            codes = qconv.q_in.quantize_tensor(x)
            weight_codes = qconv.q_weight.quantize_tensor(conv.weight).numpy()
            bias = None
            scale_w = np.asarray(qconv.q_weight.scale, np.float64).reshape(-1)
            if conv.bias is not None:
                bias = oracle.quantize_bias(conv.bias.detach().numpy(), qconv.q_in.scale, scale_w)
            padding = icepoint.modules.windows.conv_padding(conv)
            zero_point = np.asarray(qconv.q_weight.zero_point)
            acc = oracle_conv.conv2d(
                codes.numpy(), qconv.q_in.zero_point, weight_codes, zero_point, bias,
                conv.stride, padding, conv.dilation, conv.groups,
            )  # fmt: skip
            pairs = [oracle.quantize_multiplier(m) for m in qconv.q_in.scale * scale_w / qconv.q_out.scale]
            low, high = oracle.output_range(
                bits,
                qconv.q_out.scale,
                qconv.q_out.zero_point,
                {"relu6": "clamp"}.get(activation, activation),
            )
            multiplier, shift = (np.array(v) for v in zip(*pairs, strict=True))
            expected = oracle.Q(acc, multiplier, shift, qconv.q_out.zero_point, low, high, axis=1)
            y = qconv.quantize_inference(codes)
            assert y.dtype == torch.int32 and y.shape == real.shape
            assert (y.numpy() == expected).all(), (bits, activation, SEED)
            assert torch.equal(qconv.quantize_inference(codes.to(torch.uint8)), y)
            assert torch.equal(
                qconv.M.reshape(-1), torch.tensor([m * 2.0**-s for m, s in pairs], dtype=torch.float64)
            )
    assert torch.equal(conv.weight, before)


def test_linear_takes_any_rank():
    fc = seeded(lambda: nn.Linear(6, 4, bias=False))
    qfc = icepoint.QLinear(fc)
    x = randn(2, 3, 6)
    qfc(x)
    qfc.freeze()
    codes = qfc.q_in.quantize_tensor(x)
    flat = qfc.quantize_inference(codes.view(6, 6))
    assert torch.equal(qfc.quantize_inference(codes).view(6, 4), flat)
    assert torch.equal(qfc.quantize_inference(codes[0, 0]), flat[0])


def test_fused_batchnorm_folds_in_double():
    conv, bn = seeded(lambda: (nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5).eval()))
    bn.running_mean.normal_()
    bn.running_var.uniform_(0.1, 3)
    x = randn(4, 3, 8, 8)
    for relu in (True, False):
        fused = icepoint.QConvBNReLU(conv, bn, relu=relu)
        y = fused(x).detach()
        expected = bn(conv(x)).relu() if relu else bn(conv(x))
        assert float((y - expected.detach()).abs().max()) < 0.05
        assert fused.q_out.min == (0.0 if relu else float(y.min()))  # observes behind the ReLU
        weight, bias = fused.float_weights()
        numbers = [v.detach().numpy() for v in (conv.weight, conv.bias, bn.weight, bn.bias)]
        folded = oracle.fold_batch_norm(*numbers, bn.running_mean.numpy(), bn.running_var.numpy(), bn.eps)
        assert (weight.detach().numpy() == folded[0]).all()
        assert np.allclose(bias.detach().numpy(), folded[1], rtol=1e-15, atol=1e-15)
        fused.freeze()
        twin = nn.Conv2d(3, 5, 3)
        with torch.no_grad():
            twin.weight.copy_(weight)
        assert torch.equal(fused.q_weight.quantize_tensor(weight), fused.integers["codes"].int())
        codes = fused.quantize_inference(fused.q_in.quantize_tensor(x))
        assert int(codes.min()) >= (fused.q_out.zero_point if relu else 0)
        assert float((fused.q_out.dequantize_tensor(codes) - expected).detach().abs().max()) < 0.15
    with pytest.raises(ValueError, match="statistics"):
        icepoint.QConvBNReLU(conv, nn.BatchNorm2d(5, track_running_stats=False))
    with pytest.raises(ValueError, match="5 channels"):
        icepoint.QConvBNReLU(conv, nn.BatchNorm2d(4))


def test_batchnorm_alone_against_the_oracle():
    bn = seeded(lambda: nn.BatchNorm2d(6).eval())
    with torch.no_grad():
        bn.running_mean.normal_()
        bn.running_var.uniform_(0.1, 3)
        bn.weight.normal_()
        bn.bias.normal_()
        bn.weight[0] = 0.0  # a constant channel
        bn.weight[1] *= -1
    x = randn(3, 6, 5, 7)
    for bits in (2, 4, 8):
        qbn = icepoint.QBatchNorm2d(bn, has_qin=True, num_bits=bits)
        assert torch.allclose(qbn(x), bn(x))
        qbn.freeze()
        q, y = qbn.q_in, qbn.q_out
        numbers = (v.detach().numpy() for v in (bn.weight, bn.bias, bn.running_mean, bn.running_var))
        gain, offset = oracle.affine_gain_offset(*numbers, bn.eps, q.scale, y.scale)
        rows = [
            oracle.quantize_affine(g, o, q.zero_point, q.num_bits, y.zero_point, y.num_bits)
            for g, o in zip(gain, offset, strict=True)
        ]
        m, b, s = (np.array(v) for v in zip(*rows, strict=True))
        codes = q.quantize_tensor(x)
        expected = oracle_ops.affine(codes.numpy(), q.zero_point, m, b, s, y.zero_point, 0, y.qmax)
        assert (qbn.quantize_inference(codes).numpy() == expected).all(), (bits, SEED)


def test_activations_are_exact_on_every_code():
    for bits in range(2, 9):
        for low, high in ((-3.0, 9.0), (-1.0, 4.0), (0.0, 7.0), (-2.0, 0.0)):
            q = QParam.of_range(low, high, bits)
            codes = torch.arange(q.qmax + 1, dtype=torch.int32)
            real = q.dequantize_tensor(codes)
            qrelu, qrelu6, qsigmoid = icepoint.QReLU(), icepoint.QReLU6(), icepoint.QSigmoid(num_bits=bits)
            for layer in (qrelu, qrelu6, qsigmoid):
                layer.freeze(q)
            assert torch.equal(q.dequantize_tensor(qrelu.quantize_inference(codes)), F.relu(real))
            expected = q.quantize_tensor(real.clamp(0, 6))
            assert torch.equal(qrelu6.quantize_inference(codes), expected)
            table = oracle_ops.build_table(
                lambda v: 1 / (1 + np.exp(-v)), q.scale, q.zero_point, bits,
                qsigmoid.q_out.scale, qsigmoid.q_out.zero_point, bits,
            )  # fmt: skip
            assert (qsigmoid.quantize_inference(codes).numpy() == table[codes.numpy()]).all()
            assert (qsigmoid.integers["table"].numpy() == table).all()  # codes above qmax included
            assert (qsigmoid.q_out.scale, qsigmoid.q_out.zero_point) == icepoint.choose_qparams(0, 1, bits)


def test_max_pool_is_exact_and_padding_never_wins():
    x = -randn(2, 3, 7, 6).abs() - 1  # padding with the zero point would win everywhere
    q = observed(x)
    codes = q.quantize_tensor(x)
    pools = [
        nn.MaxPool2d(2), nn.MaxPool2d((3, 2), (2, 1), (1, 1)),
        nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
    ]  # fmt: skip
    for pool in pools:
        by_module = icepoint.QMaxPooling2d(pool)
        by_module.freeze(q)
        expected = pool(codes.float()).to(torch.int32)
        assert torch.equal(by_module.quantize_inference(codes), expected)
        assert torch.equal(by_module(x), pool(x))
    by_numbers = icepoint.QMaxPooling2d(kernel_size=2, stride=2, padding=0)
    by_numbers.freeze(q)
    assert torch.equal(by_numbers.quantize_inference(codes), nn.MaxPool2d(2)(codes.float()).int())
    assert icepoint.QMaxPooling2d().stride == [1, 1] and icepoint.QMaxPooling2d(4, None).stride == [4, 4]
    with pytest.raises(ValueError, match="return_indices"):
        icepoint.QMaxPooling2d(nn.MaxPool2d(2, return_indices=True))


@pytest.mark.parametrize("options", [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": (3, 2), "padding": (1, 0), "count_include_pad": False},
    {"kernel_size": 3, "divisor_override": 5},
])  # fmt: skip
def test_average_pools_round_the_exact_mean(options):
    """Q(sum - t zx) with M = sx / (sy d): within half a code of torch's average, plus M's 2^-31."""
    x = randn(2, 3, 8, 9)
    pool = nn.AvgPool2d(**options)
    for layer in (icepoint.QAvgPool2d(pool), icepoint.QAvgPool2d(**options)):
        q = observed(x)
        layer(x)
        layer.freeze(q)
        codes = q.quantize_tensor(x)
        exact = pool((codes - q.zero_point).double()) * q.scale / layer.q_out.scale + layer.q_out.zero_point
        error = (layer.quantize_inference(codes) - exact.clamp(0, 255)).abs()
        assert float(error.max()) <= 0.5 + 1e-5
    for size in (1, (2, 3), (None, 1), (5, 5)):
        layer = icepoint.QAdaptiveAvgPool2d(nn.AdaptiveAvgPool2d(size))
        layer(x)
        layer.freeze(q)
        exact = nn.AdaptiveAvgPool2d(size)((codes - q.zero_point).double()) * q.scale / layer.q_out.scale
        error = (layer.quantize_inference(codes) - (exact + layer.q_out.zero_point).clamp(0, 255)).abs()
        assert float(error.max()) <= 0.5 + 1e-5
