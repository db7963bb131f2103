"""The oracle itself, section 4: against torch where torch is exact, hand-made numbers elsewhere."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import oracle
import oracle_conv as conv
import oracle_ops as ops
import oracle_pool as pool
from oracle_numbers import codes, rng

ONE = (2**30, 30)  # the multiplier of M = 1


def f64(x):
    return torch.from_numpy(np.asarray(x, np.float64))


def as_int(t):
    return t.numpy().astype(np.int64)


@pytest.mark.parametrize(("groups", "stride", "dilation"), list(product((1, 2, 4), (1, 2, 3), (1, 2))))
def test_conv2d_equals_torch_in_double(groups, stride, dilation):
    """float64 holds these integers exactly; padded codes are centred first, so 0 is the padding."""
    generator = rng(10 + groups)
    x, w = codes(generator, (2, 4, 9, 8)), generator.integers(-127, 128, (8, 4 // groups, 3, 2))
    zw, bias, padding = generator.integers(-128, 128, 8), generator.integers(-9999, 9999, 8), (1, 0, 2, 3)
    got = conv.conv2d(x, 77, w, zw, bias, (stride, 1), padding, (1, dilation), groups)
    xc = F.pad(f64(x) - 77, (0, 3, 1, 2))
    want = F.conv2d(xc, f64(w - zw[:, None, None, None]), f64(bias), (stride, 1), 0, (1, dilation), groups)
    assert np.array_equal(got, as_int(want))


@pytest.mark.parametrize(("groups", "stride", "dilation"), list(product((1, 2), (1, 2, 3), (1, 2))))
def test_conv_transpose2d_equals_torch_in_double(groups, stride, dilation):
    generator = rng(20 + groups)
    x, w = codes(generator, (2, 4, 5, 4)), generator.integers(-127, 128, (4, 6 // groups, 3, 2))
    zw, bias = generator.integers(-128, 128, 6), generator.integers(-9999, 9999, 6)
    got = conv.conv_transpose2d(
        x, 5, w, zw, bias, (stride, 2), (1, 0, 1, 0), (stride - 1, 0), (dilation, 1), groups
    )
    per_group = np.tile(zw.reshape(groups, 1, -1), (1, 4 // groups, 1)).reshape(4, -1)
    want = F.conv_transpose2d(
        f64(x) - 5, f64(w - per_group[:, :, None, None]), f64(bias), (stride, 2), (1, 0), (stride - 1, 0),
        groups, (dilation, 1),
    )  # fmt: skip
    assert np.array_equal(got, as_int(want))


@pytest.mark.parametrize("shape", [(3, 7), (2, 4, 7)])
def test_linear_equals_torch_in_double(shape):
    generator = rng(30)
    x, w, bias = (
        codes(generator, shape),
        generator.integers(-127, 128, (5, 7)),
        generator.integers(-999, 999, 5),
    )
    assert np.array_equal(conv.linear(x, 3, w, 9, bias), as_int(F.linear(f64(x) - 3, f64(w) - 9, f64(bias))))


WINDOWS = list(
    product((5, 6, 7, 8), ((2, 2), (3, 2)), ((1, 1), (2, 3), (3, 2)), ((0, 0), (1, 1)), (False, True))
)


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_max_pool2d_equals_torch(dilation):
    for h, kernel, stride, pad, ceil_mode in WINDOWS:
        x = codes(rng(h), (2, 3, h, 7))
        want = F.max_pool2d(f64(x), kernel, stride, pad, dilation, ceil_mode)
        got = pool.max_pool2d(x, kernel, stride, (*pad, *pad), dilation, ceil_mode)
        assert np.array_equal(got, as_int(want)), (h, kernel, stride, pad, ceil_mode)


@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_pool2d_divisors_are_torchs(count_include_pad):
    """torch's mean of ones is taps / divisor; with divisor_override=1 it is the taps: exact in double."""
    for h, kernel, stride, pad, ceil_mode in WINDOWS:
        ones = torch.ones(1, 1, h, 7, dtype=torch.float64)
        taps = F.avg_pool2d(ones, kernel, stride, pad, ceil_mode, count_include_pad, divisor_override=1)
        mean = F.avg_pool2d(ones, kernel, stride, pad, ceil_mode, count_include_pad)
        rows, cols = pool.avg_windows(h, 7, kernel, stride, (*pad, *pad), ceil_mode)
        assert (len(rows), len(cols)) == tuple(mean.shape[2:])
        for i, j, r, c, divisor in pool.averages(rows, cols, count_include_pad, 0):
            assert len(r) * len(c) == int(taps[0, 0, i, j])
            assert float(mean[0, 0, i, j]) == len(r) * len(c) / divisor


def test_avg_pool2d_is_the_mean_of_reals():
    """zero points differ, M = 1/d: every code is the exact mean of x - zx, rounded, plus zy."""
    x = codes(rng(40), (1, 2, 5, 6))
    divisors = pool.avg_pool2d_divisors(5, 6, (3, 2), (2, 2), (1, 0, 1, 1), True, True)
    requant = {d: oracle.quantize_multiplier(1 / d) for d in divisors}
    y = pool.avg_pool2d(x, 100, (3, 2), (2, 2), (1, 0, 1, 1), True, True, 0, requant, 90, 0, 255)
    rows, cols = pool.avg_windows(5, 6, (3, 2), (2, 2), (1, 0, 1, 1), True)
    for i, j, r, c, d in pool.averages(rows, cols, True, 0):
        total = (x.astype(int)[:, :, r][:, :, :, c] - 100).sum(axis=(2, 3))
        for value, code in zip(total.flat, y[:, :, i, j].flat, strict=True):
            real = min(max(90 + Fraction(int(value), d), 0), 255)
            assert abs(int(code) - real) <= Fraction(1, 2)  # 1/6 has no exact multiplier: ties go either way
    assert pool.avg_pool2d_divisors(5, 6, (3, 2), (2, 2), (0, 0, 0, 0), False, True, 7) == [7]


def test_adaptive_windows_are_torchs():
    for size, out in product(range(1, 13), range(1, 13)):
        powers = 2.0 ** torch.arange(size, dtype=torch.float64).reshape(1, 1, size, 1)
        want = F.adaptive_avg_pool2d(powers, (out, 1)).reshape(-1).tolist()
        got = [sum(2.0**t for t in taps) / n for taps, n in pool.adaptive_windows(size, out)]
        assert got == want, (size, out)
    assert pool.adaptive_avg_pool2d_divisors(7, 5, (1, 1)) == [35]
    x = np.arange(35).reshape(1, 1, 7, 5)
    requant = {35: oracle.quantize_multiplier(1 / 35)}
    assert pool.adaptive_avg_pool2d(x, 0, (1, 1), requant, 3, 0, 255).reshape(-1).tolist() == [20]


def test_affine_add_mul_by_hand():
    x = np.array([[[0, 3]], [[1, 255]]])[None]  # (1, 2, 1, 2)
    assert ops.affine(x, 1, [2, -4], [3, 0], [1, 3], 10, 0, 255).tolist() == [[[[11, 14]], [[10, 0]]]]
    assert ops.add([3, 4], 1, 2, [5, 9], 5, -1, 2, 7, 0, 9).tolist() == [8, 8]  # (4+2>>2)+7, (6-4+2>>2)+7
    assert ops.mul([0, 255, 10], 128, [255, 255, 0], 0, *ONE, 3, 0, 255).tolist() == [0, 255, 3]
    a, b = codes(rng(50), (2, 3, 4, 5)), codes(rng(51), (2, 3, 1, 1))
    full = np.broadcast_to(b, a.shape)
    assert np.array_equal(ops.mul(a, 9, b, 7, *ONE, 0, 0, 255), ops.mul(a, 9, full, 7, *ONE, 0, 0, 255))


def test_lookup_and_its_table():
    table = ops.build_table(lambda v: max(v, 0.1 * v), 0.5, 4, 4, 0.25, 20, 8)
    # q = 0: -2 becomes -0.2 = -0.8 codes; 15 and above: 5.5 = 22 codes
    assert (table[0], table[4], table[5], table[15], table[255]) == (19, 20, 22, 42, 42)
    two = np.stack([table, 255 - table])
    x = codes(rng(52), (2, 2, 3, 3))
    y = ops.lookup(x, two)
    assert np.array_equal(y[:, 0], table[x[:, 0]]) and np.array_equal(y[:, 1], 255 - table[x[:, 1]])
    assert np.array_equal(ops.lookup(x[:, 0], two[:1].repeat(3, 0), axis=2), table[x[:, 0]])


def test_moves_equal_torch():
    x = codes(rng(60), (2, 6, 5, 4))
    t = torch.from_numpy(x)
    assert np.array_equal(ops.slice_axis(x, 1, 1, 6, 2), t[:, 1:6:2])
    assert np.array_equal(ops.permute(x, [0, 3, 1, 4, 2, 5]), F.channel_shuffle(t, 2))
    assert np.array_equal(ops.reshape(x, (3, 40)), t.reshape(2, 3, 40))
    for mode in ("constant", "reflect", "replicate"):
        value = {"value": 9} if mode == "constant" else {}
        assert np.array_equal(
            ops.pad(x, (1, 2, 3, 0), mode, 9), as_int(F.pad(f64(x), (2, 0, 1, 3), mode, **value))
        )
    assert np.array_equal(
        ops.pad(x, (0, 0, 0, 0), "constant", 3, (1, 2))[:, [0, 7, 8]], np.full((2, 3, 5, 4), 3)
    )
    y = ops.concat([x, x], [0, 5], [2**30, 2**30], [30, 31], 1, 0, 200, axis=2, identity=[True, False])
    assert np.array_equal(y[:, :, :5], x)
    assert np.array_equal(y[:, :, 5:], np.clip(1 + ((x.astype(int) - 5 + 1) >> 1), 0, 200))


def test_nearest_equals_torch():
    for size, out in product(range(1, 20), range(1, 40)):
        x = torch.arange(size, dtype=torch.float32).reshape(1, 1, size, 1)
        want = F.interpolate(x, size=(out, 1), mode="nearest").reshape(-1)
        assert ops.nearest_indices(size, out).tolist() == want.int().tolist(), (size, out)
    x = codes(rng(61), (1, 2, 3, 5))
    assert np.array_equal(ops.upsample_nearest(x, (6, 7)), as_int(F.interpolate(f64(x), size=(6, 7))))


@pytest.mark.parametrize("align_corners", [False, True])
def test_bilinear_is_within_its_eleven_bits_of_torch(align_corners):
    for h, w, oh, ow in ((2, 3, 5, 7), (4, 4, 8, 8), (7, 5, 3, 2), (1, 6, 4, 1), (3, 3, 3, 3)):
        x = codes(rng(h), (2, 2, h, w), kind="both")
        want = F.interpolate(f64(x), size=(oh, ow), mode="bilinear", align_corners=align_corners).numpy()
        got = ops.upsample_bilinear(x, (oh, ow), align_corners)
        # each weight is off by at most 2^-12 on either axis, times 255, plus the last rounding
        assert np.max(np.abs(got - want)) <= 0.5 + 2 * 255 * 2.0**-12
    exact = ops.upsample_bilinear(np.array([[[[0, 100]]]]), (1, 4), align_corners)
    assert exact.reshape(-1).tolist() == ([0, 33, 67, 100] if align_corners else [0, 25, 75, 100])


def test_pixel_table_is_the_recipe_in_float32():
    table = ops.pixel_table(255, [0.1307, 0.5], [0.3081, 0.25], 0.0127, 33, 8)
    for c, (mean, std) in enumerate(((0.1307, 0.3081), (0.5, 0.25))):
        x = (torch.arange(256, dtype=torch.uint8).float() / 255 - torch.tensor(mean)) / torch.tensor(std)
        assert np.array_equal(table[c], oracle.quantize(x.numpy(), 0.0127, 33, 0, 255))
    assert ops.pixel_table(1, [0], [1], 1.0, 0, 8)[0].tolist() == list(range(256))
