"""Quantize, dequantize, fake_quantize, requantize and the scalars of icepoint._C against the oracle."""

from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import icepoint
import icepoint.ops  # registers the operators
import oracle
import oracle_ops as ops
import oracle_pool as pool
from icepoint import _C
from oracle_numbers import rng
from strategies import (
    bounded,
    code_ranges,
    int32,
    layouts,
    multipliers,
    same,
    scales,
    seeds,
    tensor,
    zero_points,
)

op = torch.ops.icepoint
SCHEMES = ("per_channel", "per_tensor_affine", "per_channel_affine")
SPECIAL = np.array([0.0, -0.0, inf, -inf, nan, 1e30, -1e30, 2.0**31, -(2.0**31), 1e-45, 3.4e38], np.float32)
ranges = st.sampled_from(((0, 255), (-128, 127), (-127, 127), (0, 3), (-1, 1))) | code_ranges()
finite = st.floats(-1e30, 1e30) | st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from((-0.0, 1e-45))


@st.composite
def float_arrays(draw, shape, scale):
    """float32 around the codes' range, with exact ties and special values strewn in."""
    generator = rng(draw(seeds))
    codes = generator.normal(0, 200, shape)
    if draw(st.booleans()):
        codes = np.rint(codes) + 0.5
    with np.errstate(over="ignore"):
        x = (codes * scale).astype(np.float32)
    strewn = generator.random(shape) < 0.1
    x[strewn] = generator.choice(SPECIAL, strewn.sum())
    return x


@st.composite
def quantize_cases(draw):
    """x in a layout, scale and zero_point per tensor or along an axis, and the code range."""
    shape, axis = (3, 4, 5, 2), draw(st.sampled_from((None, 0, 1, 3, -1)))
    count = 1 if axis is None else shape[axis]
    qmin, qmax = draw(ranges)
    scale = np.array([draw(scales) for _ in range(count)], np.float32)
    zero_point = np.array([draw(st.integers(qmin, qmax)) for _ in range(count)], np.int32)
    x = draw(float_arrays(shape, scale[0]))
    return tensor(x, draw(layouts)), scale, zero_point, qmin, qmax, axis


@bounded(150)
@given(quantize_cases(), st.sampled_from((0, 0.5, -0.5, 0.25, 300, -300)))
def test_quantize_dequantize_fake_quantize(case, away):
    x, scale, zero_point, qmin, qmax, axis = case
    s, z = torch.from_numpy(scale), int32(zero_point)
    q = op.quantize(x, s, z, qmin, qmax, axis)
    want = oracle.quantize(x.numpy(), scale, zero_point, qmin, qmax, axis)
    same(q, want)
    assert q.dtype == (torch.uint8 if qmin >= 0 else torch.int8)
    real = oracle.dequantize(want, scale, zero_point, axis)
    assert np.array_equal(op.dequantize(q, s, z, axis).numpy(), real)
    assert np.array_equal(op.fake_quantize(x, s, z, qmin, qmax, axis).numpy(), real)
    learned = (zero_point + away).astype(np.float32)
    want = oracle.fake_quantize(x.numpy(), scale, learned, qmin, qmax, axis)
    assert np.array_equal(op.fake_quantize(x, s, torch.from_numpy(learned), qmin, qmax, axis).numpy(), want)


@bounded(100)
@given(seeds, st.sampled_from((None, 0, 1, -1)), st.integers(-8, 8), ranges, st.booleans())
def test_fake_quantize_gradients(seed, axis, exponent, limits, with_nan):
    """Powers of two and multiples of 1/8 make every sum exact, whatever its order: so == on floats."""
    generator, (qmin, qmax) = rng(seed), limits
    count = 1 if axis is None else (4, 6)[axis]
    scale = np.full(count, 2.0**exponent, np.float32)
    learned = generator.integers(qmin, qmax + 1, count) + generator.integers(-4, 5) / 4
    zero_point = learned.astype(np.float32)
    x = (generator.integers(-2400, 2400, (4, 6)) / 8 * scale[0]).astype(np.float32)
    if with_nan:
        x[1, 2], x[2, 3], x[0, 0] = nan, inf, -inf
    up = generator.integers(-8, 9, x.shape).astype(np.float32)
    leaves = [torch.from_numpy(v.copy()).requires_grad_() for v in (x, scale, zero_point)]
    op.fake_quantize(*leaves, qmin, qmax, axis).backward(torch.from_numpy(up))
    dx, dscale, dzero_point = oracle.fake_quantize_gradients(x, scale, zero_point, qmin, qmax, axis)
    assert np.array_equal(leaves[0].grad.numpy(), up * dx)
    others = None if axis is None else tuple({0, 1} - {axis % 2})
    for leaf, each in zip(leaves[1:], (dscale, dzero_point), strict=True):
        assert np.array_equal(leaf.grad.numpy().reshape(-1), np.sum(up * each, axis=others).reshape(-1))


@bounded(100)
@given(seeds, st.sampled_from((None, 0, 1, 3, -1)), zero_points, code_ranges(), layouts, st.data())
def test_requantize(seed, axis, zero_point, limits, layout, data):
    generator, shape = rng(seed), (2, 3, 4, 5)
    acc = generator.integers(-(2**31), 2**31, shape) >> generator.integers(0, 28, shape)
    acc.reshape(-1)[:4] = (2**31 - 1, -(2**31), 0, -1)
    multiplier, shift = data.draw(multipliers(1 if axis is None else shape[axis]))
    got = op.requantize(
        tensor(acc.astype(np.int32), layout), int32(multiplier), int32(shift), zero_point, *limits, axis
    )
    given_to_op = acc if layout != "expanded" else np.broadcast_to(acc[:1], shape)
    same(got, oracle.Q(given_to_op, multiplier, shift, zero_point, *limits, axis))


def agree(ours, theirs, *args):
    """Both refuse with ValueError, or both answer the same."""
    try:
        want = theirs(*args)
    except ValueError:
        with pytest.raises(ValueError):
            ours(*args)
    else:
        assert tuple(ours(*args)) == tuple(want)


@bounded(300)
@given(finite, finite, st.integers(2, 8))
@example(-1e38, 1e38, 8)
@example(-1e308, 1e308, 2)
@example(0.0, -0.0, 8)
@example(nan, 1.0, 8)
@example(0.0, inf, 8)
@example(-1.0, 255 * 2.0**100, 8)
@example(0.0, 255 * 2.0**100, 8)
@example(0.0, 255 * 2.0**-100, 8)
@example(0.0, np.nextafter(255 * 2.0**100, inf), 8)
def test_choose_qparams(a, b, bits):
    agree(_C.choose_qparams, oracle.choose_qparams, min(a, b), max(a, b), bits)


@bounded(300)
@given(st.floats(0, 2.0**29) | st.floats(2.0**-60, 1.0) | st.floats(allow_nan=True, allow_infinity=True))
@example(0.0)
@example(-0.0)
@example(5e-324)
@example(1 - 2.0**-53)
@example(2.0**29)
@example(float(np.nextafter(2.0**29, 0)))
@example(2.0**29 - 0.25)
@example(2.0**-24 * (1 - 2.0**-40))
@example(2.0**-55)
@example(3 * 2.0**-55)
def test_quantize_multiplier(M):
    agree(_C.quantize_multiplier, oracle.quantize_multiplier, M)


ratios = (
    st.floats(-(2.0**22), 2.0**22) | st.floats(-4, 4) | st.sampled_from((0.0, 2.0**20, 2.0**20 - 0.25, 1.0))
)


@bounded(300)
@given(ratios, ratios)
def test_quantize_add(a, b):
    agree(_C.quantize_add, oracle.quantize_add, a, b)


@bounded(300)
@given(
    ratios,
    st.floats(-(2.0**45), 2.0**45) | ratios,
    zero_points,
    st.integers(2, 8),
    zero_points,
    st.integers(2, 8),
)
@example(0.0, 2.0**31, 0, 8, 0, 8)
@example(2.0**21, 2.0**40, 3, 8, 0, 8)
@example(-(2.0**20), 0.0, 0, 2, 0, 2)
@example(-(2.0**20), -1e-150, 3, 2, 3, 2)
def test_quantize_affine(gain, offset, zx, x_bits, zy, y_bits):
    zx, zy = min(zx, 2**x_bits - 1), min(zy, 2**y_bits - 1)

    def ours(*_):
        return _C.quantize_affine(gain, offset, 0.5, zx, x_bits, 0.25, zy, y_bits)

    def theirs(*args):
        want = oracle.quantize_affine(*args)
        if want not in (oracle.ABOVE, oracle.BELOW):
            return want
        m, b, s = ours()  # of a constant channel only what it gives is defined
        assert m == 0 and 1 <= s <= 30 and abs(b) + 2 ** (s - 1) < 2**31
        assert ops.affine(0, 0, m, b, s, zy, 0, 255) == ops.affine(0, 0, *want, zy, 0, 255)
        return m, b, s

    agree(ours, theirs, gain, offset, zx, x_bits, zy, y_bits)


small = st.integers(1, 4)


@bounded(200)
@given(st.data(), st.integers(1, 12), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(0, 3))
def test_divisors(data, h, w, ceil_mode, count_include_pad, override):
    kernel, stride = [data.draw(st.integers(1, min(h, w)))] * 2, [data.draw(small), data.draw(small)]
    padding = [data.draw(st.integers(0, kernel[0] // 2)) for _ in range(4)]
    args = (h, w, kernel, stride, padding, ceil_mode, count_include_pad, override)
    assert list(_C.avg_pool2d_divisors(*args)) == pool.avg_pool2d_divisors(*args)
    out = [data.draw(st.integers(1, 14)), data.draw(st.integers(1, 14))]
    assert list(_C.adaptive_avg_pool2d_divisors(h, w, out)) == pool.adaptive_avg_pool2d_divisors(h, w, out)


@bounded(100)
@given(seeds, st.integers(2, 8), st.sampled_from((0.0, 1e-30, 1e-9, 1.0)), st.booleans())
def test_choose_weight_qparams(seed, bits, size, with_bias):
    """All three schemes, with channels of zeros, tiny channels, and biases that raise the scale."""
    generator, scale_in = rng(seed), oracle.f32(0.0127)
    weight = generator.normal(0, 1, (4, 2, 3, 1)).astype(np.float32)
    weight[1] *= size
    weight[2] = np.abs(weight[2]) * size
    bias = generator.normal(0, 10, 4) if with_bias else None
    told = {} if bias is None else {"bias": torch.from_numpy(bias), "scale_in": scale_in}
    answers = [icepoint.choose_weight_qparams(torch.from_numpy(weight), bits, s, **told) for s in SCHEMES]
    (scale, zero_point), per_tensor, per_channel = answers
    assert np.array_equal(scale.numpy(), oracle.symmetric_weight_scales(weight, bias, scale_in, bits))
    assert not zero_point.any()
    rows = [
        oracle.affine_weight_qparams(w, None if bias is None else bias[[c]], scale_in, bits)
        for c, w in enumerate(weight)
    ]
    assert list(zip(*(t.tolist() for t in per_channel), strict=True)) == rows
    want = oracle.affine_weight_qparams(weight, bias, scale_in, bits)
    assert [t.tolist() for t in per_tensor] == [[want[0]], [want[1]]]
