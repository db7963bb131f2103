"""torch.library.opcheck on every operator, and the list of operators itself."""

import pytest
import torch

from op_samples import CASE_IDS, CASES, SAMPLES, codes, float32, floats, frozen, int32, op

SCHEMAS = """
quantize(Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, int? axis=None) -> Tensor
dequantize(Tensor q, Tensor scale, Tensor zero_point, int? axis=None) -> Tensor
fake_quantize(Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, int? axis=None) -> Tensor
fake_quantize_backward(Tensor grad, Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, int? axis=None) -> Tensor[]
requantize(Tensor acc, Tensor multiplier, Tensor shift, int zero_point, int qmin, int qmax, int? axis=None) -> Tensor
conv2d_int32(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, int[2] stride, int[4] padding, int[2] dilation, int groups) -> Tensor
linear_int32(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias) -> Tensor
qconv2d(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax, int[2] stride, int[4] padding, int[2] dilation, int groups) -> Tensor
qconv_transpose2d(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax, int[2] stride, int[4] padding, int[2] output_padding, int[2] dilation, int groups) -> Tensor
qlinear(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor
qmax_pool2d(Tensor x, int[2] kernel_size, int[2] stride, int[4] padding, int[2] dilation, bool ceil_mode) -> Tensor
qavg_pool2d(Tensor x, int x_zero_point, int[2] kernel_size, int[2] stride, int[4] padding, bool ceil_mode, bool count_include_pad, Tensor divisors, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor
qadaptive_avg_pool2d(Tensor x, int x_zero_point, int[2] output_size, Tensor divisors, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor
qadd(Tensor a, int a_zero_point, int a_multiplier, Tensor b, int b_zero_point, int b_multiplier, int shift, int y_zero_point, int qmin, int qmax) -> Tensor
qmul(Tensor a, int a_zero_point, Tensor b, int b_zero_point, int multiplier, int shift, int y_zero_point, int qmin, int qmax) -> Tensor
qaffine(Tensor x, int x_zero_point, Tensor multiplier, Tensor offset, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor
lookup(Tensor x, Tensor table) -> Tensor
qupsample_bilinear2d(Tensor x, int[2] output_size, bool align_corners) -> Tensor
qconcat(Tensor[] xs, int[] zero_points, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax, int axis=1) -> Tensor
run(Tensor[] inputs, Tensor model, str key) -> Tensor[]
run_codes(Tensor[] inputs, Tensor model, str key) -> Tensor[]
"""  # noqa: E501  the contract, line for line


def test_the_operators_are_those_of_the_contract():
    lines = SCHEMAS.strip().splitlines()
    assert set(SAMPLES) == {line.partition("(")[0] for line in lines}
    for line in lines:
        assert str(getattr(op, line.partition("(")[0]).default._schema) == f"icepoint::{line}"


def check(name, args):
    results = torch.library.opcheck(getattr(op, name).default, args)
    assert set(results.values()) == {"SUCCESS"} and len(results) == 4, results


@pytest.mark.parametrize(("name", "args"), CASES, ids=CASE_IDS)
def test_opcheck(name, args):
    check(name, args)


@pytest.mark.parametrize("name", ["qconv2d", "qmax_pool2d", "qavg_pool2d", "qaffine", "lookup", "qadd"])
@pytest.mark.parametrize("shape", [(0, 4, 7, 6), (1, 4, 7, 6), (2, 4, 7, 6)])
def test_opcheck_channels_last_and_small_batches(name, shape):
    args = list(SAMPLES[name][0])
    args[0] = codes(*shape).to(memory_format=torch.channels_last)
    if name == "qadd":
        args[3] = codes(*shape, seed=5)
    check(name, tuple(args))


def test_opcheck_one_channel_in_channels_last():
    """(N, 1, H, W) has the same bytes in both formats; the strides still say which one is meant."""
    x = codes(2, 1, 5, 6).contiguous(memory_format=torch.channels_last)
    x = x.as_strided(x.shape, (30, 1, 6, 1))
    check("lookup", (x, codes(256, seed=6)))
    check("qmax_pool2d", (x, [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False))


@pytest.mark.parametrize("zero_point", [int32(0, 1, 2), float32(0.0, 1.4, -2.6)], ids=["int32", "float32"])
def test_opcheck_fake_quantize_with_gradients(zero_point):
    x, scale = floats(2, 3, 4, 5).requires_grad_(), float32(0.05, 0.1, 0.2).requires_grad_()
    if zero_point.is_floating_point():
        zero_point.requires_grad_()
    check("fake_quantize", (x, scale, zero_point, -8, 7, 1))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_opcheck_run_with_any_batch(n):
    reals, inputs, data, key = frozen(n=n)
    check("run", (reals, data, key))
    check("run_codes", (inputs, data, key))
