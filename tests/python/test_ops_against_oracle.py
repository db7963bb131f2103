"""torch.ops.icepoint.* against the oracle, integer for integer: what accumulates, pools and combines."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import icepoint.ops  # noqa: F401  registers the operators
import oracle
import oracle_conv as conv
import oracle_ops as ops
import oracle_pool as pool
from strategies import (
    bounded,
    code_arrays,
    code_ranges,
    int8,
    int32,
    layouts,
    multipliers,
    same,
    seeds,
    tensor,
    weights,
    zero_points,
)

op = torch.ops.icepoint
small = st.integers(1, 4)
channels = st.sampled_from((1, 2, 3, 4, 5, 8, 15, 16, 17, 33))  # around the widths of vector registers


@st.composite
def conv_cases(draw):
    """x, zx, weights, bias and a window in which at least one kernel fits."""
    groups, icg, ocg = draw(st.integers(1, 4)), draw(channels), draw(channels)
    kernel, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    padding = [draw(st.integers(0, 4)) for _ in range(4)]
    h, w = draw(st.integers(1, 12)), draw(st.integers(1, 17))
    assume(h + padding[0] + padding[2] > dilation[0] * (kernel[0] - 1))
    assume(w + padding[1] + padding[3] > dilation[1] * (kernel[1] - 1))
    oc = groups * ocg
    x = tensor(draw(code_arrays((draw(st.integers(0, 3)), groups * icg, h, w))), draw(layouts))
    weight, zero_point, bias = draw(weights((oc, icg, *kernel), oc))
    return x, draw(zero_points), weight, zero_point, bias, (stride, padding, dilation, groups), oc


@bounded(150)
@given(conv_cases(), st.data())
def test_conv2d(case, data):
    x, zx, w, zw, bias, window, oc = case
    acc = conv.conv2d(x.numpy(), zx, w, zw, bias, *window)
    same(op.conv2d_int32(x, zx, int8(w), int32(zw), int32(bias), *window), acc)
    multiplier, shift = data.draw(multipliers(data.draw(st.sampled_from((1, oc)))))
    zy, (lo, hi) = data.draw(zero_points), data.draw(code_ranges())
    got = op.qconv2d(
        x, zx, int8(w), int32(zw), int32(bias), int32(multiplier), int32(shift), zy, lo, hi, *window
    )
    same(got, oracle.Q(acc, multiplier, shift, zy, lo, hi, 1))
    assert got.dtype == torch.uint8


@bounded(80)
@given(st.data(), *[small] * 6, st.integers(1, 3), channels, channels, st.integers(1, 5), st.integers(1, 6))
def test_conv_transpose2d(data, kh, kw, sh, sw, dh, dw, groups, icg, ocg, h, w):
    oc, stride, dilation = groups * ocg, (sh, sw), (dh, dw)
    more = [data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    full = [(i - 1) * s + d * (k - 1) + 1 + o
            for i, s, d, k, o in zip((h, w), stride, dilation, (kh, kw), more, strict=True)]  # fmt: skip
    padding = [data.draw(st.integers(0, min(3, (side - 1) // 2))) for side in (*full, *full)]
    x = tensor(data.draw(code_arrays((data.draw(st.integers(0, 2)), groups * icg, h, w))), data.draw(layouts))
    weight, zw, bias = data.draw(weights((groups * icg, ocg, kh, kw), oc))
    zx, zy, (lo, hi) = data.draw(zero_points), data.draw(zero_points), data.draw(code_ranges())
    multiplier, shift = data.draw(multipliers(data.draw(st.sampled_from((1, oc)))))
    window = (stride, padding, more, dilation, groups)
    acc = conv.conv_transpose2d(x.numpy(), zx, weight, zw, bias, *window)
    got = op.qconv_transpose2d(
        x, zx, int8(weight), int32(zw), int32(bias), int32(multiplier), int32(shift), zy, lo, hi, *window
    )
    same(got, oracle.Q(acc, multiplier, shift, zy, lo, hi, 1))


@pytest.mark.parametrize("groups", [1, 2])
def test_conv_transpose2d_proves_all_taps_of_a_channel(groups):
    """With the bias that brings the worst input to the very end all is well; one more is refused."""
    w = np.random.default_rng(3).integers(-127, 128, (4, 3, 2, 2))
    taps = w.reshape(groups, 4 // groups, 3, -1).swapaxes(1, 2).reshape(3 * groups, -1)
    _, hi = oracle.accumulator_bounds(taps[-1], 0, 9, 255)
    options = (int32([2**30]), int32([38]), 7, 0, 255, [1, 1], [0] * 4, [0, 0], [1, 1], groups)
    bias = [0] * (3 * groups - 1) + [2**31 - 1 - hi]
    x = torch.zeros(1, 4, 2, 2, dtype=torch.uint8)
    op.qconv_transpose2d(x, 9, int8(w), int32([0]), int32(bias), *options)
    bias[-1] += 1
    with pytest.raises(ValueError, match=f"channel {3 * groups - 1} can reach"):
        op.qconv_transpose2d(x, 9, int8(w), int32([0]), int32(bias), *options)


@bounded(60)
@given(*[st.integers(1, 9)] * 2, *[st.integers(1, 20)] * 2, st.booleans(), st.data())
def test_upsample_bilinear2d(h, w, oh, ow, corners, data):
    x = tensor(data.draw(code_arrays((data.draw(st.integers(0, 2)), 3, h, w))), data.draw(layouts))
    same(op.qupsample_bilinear2d(x, [oh, ow], corners), ops.upsample_bilinear(x.numpy(), (oh, ow), corners))


@bounded(100)
@given(st.lists(st.integers(0, 3), max_size=2), st.integers(1, 300), st.integers(1, 40), st.data())
def test_linear(rows, features, out, data):
    x = tensor(data.draw(code_arrays((*rows, features))), data.draw(layouts))
    w, zw, bias = data.draw(weights((out, features), out))
    zx, zy, (lo, hi) = data.draw(zero_points), data.draw(zero_points), data.draw(code_ranges())
    acc = conv.linear(x.numpy(), zx, w, zw, bias)
    same(op.linear_int32(x, zx, int8(w), int32(zw), int32(bias)), acc)
    multiplier, shift = data.draw(multipliers(data.draw(st.sampled_from((1, out)))))
    got = op.qlinear(x, zx, int8(w), int32(zw), int32(bias), int32(multiplier), int32(shift), zy, lo, hi)
    same(got, oracle.Q(acc, multiplier, shift, zy, lo, hi, acc.ndim - 1))


@bounded(60)
@given(seeds, zero_points, st.integers(1, 300), st.booleans())
def test_linear_reaches_the_ends_of_int32_and_refuses_one_beyond(seed, zx, features, top):
    """With the bias that brings the worst input to the very end, the sum is that end; one more is refused."""
    w = np.random.default_rng(seed).integers(-127, 128, (1, features))
    lo, hi = oracle.accumulator_bounds(w[0], 0, zx, 255)
    bias = 2**31 - 1 - hi if top else -(2**31) - lo
    assume(-(2**31) <= bias < 2**31)
    worst = np.where((w > 0) == top, 255, 0)
    args = (tensor(worst.astype(np.uint8)), zx, int8(w), int32(0))
    same(op.linear_int32(*args, int32([bias])), [[2**31 - 1 if top else -(2**31)]])
    beyond = bias + (1 if top else -1)
    assume(-(2**31) <= beyond < 2**31)
    with pytest.raises(ValueError):
        op.linear_int32(*args, int32([beyond]))


@st.composite
def pool_cases(draw, dilated: bool):
    """x and a window whose every position touches the input."""
    kernel, stride = (draw(small), draw(small)), (draw(small), draw(small))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2))) if dilated else (1, 1)
    padding = [draw(st.integers(0, k // 2)) for k in (*kernel, *kernel)]
    h, w, ceil_mode = draw(st.integers(1, 11)), draw(st.integers(1, 17)), draw(st.booleans())
    assume(h + padding[0] + padding[2] > dilation[0] * (kernel[0] - 1))
    assume(w + padding[1] + padding[3] > dilation[1] * (kernel[1] - 1))
    rows = pool.windows(h, kernel[0], stride[0], padding[0], padding[2], dilation[0], ceil_mode)
    cols = pool.windows(w, kernel[1], stride[1], padding[1], padding[3], dilation[1], ceil_mode)
    assume(all(taps for taps, _ in rows + cols))
    x = draw(code_arrays((draw(st.integers(0, 3)), draw(st.integers(1, 18)), h, w)))
    return tensor(x, draw(layouts)), kernel, stride, padding, dilation, ceil_mode


@bounded(100)
@given(pool_cases(dilated=True))
def test_max_pool2d(case):
    x, *window = case
    same(op.qmax_pool2d(x, *window), pool.max_pool2d(x.numpy(), *window))


def requants(divisors, data):
    """divisors, multipliers, shifts as tensors, and as the oracle's map."""
    multiplier, shift = data.draw(multipliers(len(divisors)))
    table = dict(zip(divisors, zip(multiplier, shift, strict=True), strict=True))
    return (int32(divisors), int32(multiplier), int32(shift)), table


@bounded(100)
@given(pool_cases(dilated=False), st.booleans(), zero_points, zero_points, code_ranges(), st.data())
def test_avg_pool2d(case, count_include_pad, zx, zy, limits, data):
    x, kernel, stride, padding, _, ceil_mode = case
    flags = (kernel, stride, padding, ceil_mode, count_include_pad)
    tensors, table = requants(pool.avg_pool2d_divisors(*x.shape[2:], *flags), data)
    want = pool.avg_pool2d(x.numpy(), zx, *flags, 0, table, zy, *limits)
    same(op.qavg_pool2d(x, zx, *flags, *tensors, zy, *limits), want)


@bounded(60)
@given(st.data(), *[st.integers(1, 13)] * 4, zero_points, zero_points, code_ranges())
def test_adaptive_avg_pool2d(data, h, w, oh, ow, zx, zy, limits):
    x = tensor(data.draw(code_arrays((data.draw(st.integers(0, 2)), 3, h, w))), data.draw(layouts))
    tensors, table = requants(pool.adaptive_avg_pool2d_divisors(h, w, (oh, ow)), data)
    want = pool.adaptive_avg_pool2d(x.numpy(), zx, (oh, ow), table, zy, *limits)
    same(op.qadaptive_avg_pool2d(x, zx, [oh, ow], *tensors, zy, *limits), want)


@st.composite
def pairs(draw):
    """Two tensors of one shape, or either of them (n, c, 1, 1), or both of another rank."""
    shape = draw(st.sampled_from(((2, 3, 4, 5), (1, 17, 3, 3), (0, 2, 2, 2), (3, 7), (2, 3, 4), (5,))))
    broadcast = len(shape) == 4 and draw(st.booleans())
    other = (*shape[:2], 1, 1) if broadcast else shape
    shapes = draw(st.permutations((shape, other)))
    return [tensor(draw(code_arrays(s)), draw(layouts)) for s in shapes]


factors = st.sampled_from((0, 2**21 - 1, 1 - 2**21)) | st.integers(1 - 2**21, 2**21 - 1)


@bounded(100)
@given(pairs(), zero_points, zero_points, zero_points, factors, factors, st.integers(1, 30), code_ranges())
def test_add(xs, za, zb, zy, ma, mb, shift, limits):
    a, b = xs
    want = ops.add(a.numpy(), za, ma, b.numpy(), zb, mb, shift, zy, *limits)
    same(op.qadd(a, za, ma, b, zb, mb, shift, zy, *limits), want)


@bounded(100)
@given(pairs(), zero_points, zero_points, zero_points, multipliers(1), code_ranges())
def test_mul(xs, za, zb, zy, requant, limits):
    a, b = xs
    multiplier, shift = int(requant[0][0]), int(requant[1][0])
    want = ops.mul(a.numpy(), za, b.numpy(), zb, multiplier, shift, zy, *limits)
    same(op.qmul(a, za, b, zb, multiplier, shift, zy, *limits), want)


@bounded(80)
@given(
    st.sampled_from(((2, 5, 3, 4), (3, 9), (0, 4, 2, 2))), zero_points, zero_points, code_ranges(), st.data()
)
def test_affine(shape, zx, zy, limits, data):
    c, generator = shape[1], np.random.default_rng(data.draw(seeds))
    shift = generator.integers(1, 31, c)
    multiplier = generator.integers(1 - 2**21, 2**21, c)
    room = 2**31 - 1 - 255 * abs(multiplier) - (1 << (shift - 1))  # the widest offset that a file may hold
    offset = (room * generator.choice([-1.0, 1.0, *generator.uniform(-1, 1, 4)], c)).astype(np.int64)
    x = tensor(data.draw(code_arrays(shape)), data.draw(layouts))
    want = ops.affine(x.numpy(), zx, multiplier, offset, shift, zy, *limits)
    same(op.qaffine(x, zx, int32(multiplier), int32(offset), int32(shift), zy, *limits), want)


@bounded(60)
@given(st.sampled_from(((2, 5, 3, 4), (3, 9), (0, 4, 2, 2))), st.booleans(), st.data())
def test_lookup(shape, per_channel, data):
    x = tensor(data.draw(code_arrays(shape)), data.draw(layouts))
    table = data.draw(code_arrays((shape[1], 256) if per_channel else (256,)))
    same(op.lookup(x, tensor(table)), ops.lookup(x.numpy(), table))


@bounded(60)
@given(st.integers(1, 4), st.sampled_from((1, 2, 3, -1)), zero_points, code_ranges(), st.data())
def test_concat(count, axis, zy, limits, data):
    shapes = [[2, 3, 4, 5] for _ in range(count)]
    for shape in shapes:
        shape[axis] = data.draw(st.integers(1, 18))
    xs = [tensor(data.draw(code_arrays(s)), data.draw(layouts)) for s in shapes]
    zs, (multiplier, shift) = [data.draw(zero_points) for _ in xs], data.draw(multipliers(count))
    want = ops.concat([x.numpy() for x in xs], zs, multiplier, shift, zy, *limits, axis)
    same(op.qconcat(xs, zs, int32(multiplier), int32(shift), zy, *limits, axis), want)
