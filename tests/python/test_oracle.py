"""The oracle itself, sections 1 to 3: hand-made numbers and exact arithmetic with Fractions."""

from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

import oracle
from oracle_numbers import rne_fraction, rng


def test_choose_qparams_by_hand():
    assert oracle.choose_qparams(-1, 1, 8) == (oracle.f32(2 / 255), 128)  # 127.5 is a tie: to even
    assert oracle.choose_qparams(0, 6, 8) == (oracle.f32(6 / 255), 0)
    assert oracle.choose_qparams(2, 4, 8) == (oracle.f32(4 / 255), 0)  # widened to hold 0
    assert oracle.choose_qparams(-3, -1, 2) == (1.0, 3)
    assert oracle.choose_qparams(0, 0, 8) == (1.0, 0)
    assert oracle.choose_qparams(0, 1e-40, 8) == (2.0**-100, 0)
    assert oracle.choose_qparams(-1e-40, 0, 8) == (2.0**-100, 255)
    for lo, hi in ((nan, 1), (0, nan), (-inf, 0), (0, inf), (-1e38, 1e38), (-1e308, 1e308)):
        with pytest.raises(ValueError):
            oracle.choose_qparams(lo, hi, 8)


@pytest.mark.parametrize("bits", range(2, 9))
def test_choose_qparams_holds_its_range(bits):
    """Symmetric float32 ranges give 2^(b-1); every zero point is within half a code of the exact one."""
    generator, (_, qmax) = rng(bits), oracle.qrange(bits)
    for span in np.exp(generator.uniform(-60, 60, 200)).astype(np.float32).astype(float):
        assert oracle.choose_qparams(-span, span, bits)[1] == 2 ** (bits - 1)
        lo, hi = -span * generator.random(), span * generator.random()
        scale, zero_point = oracle.choose_qparams(lo, hi, bits)
        exact = qmax - Fraction(hi) * qmax / (Fraction(hi) - Fraction(lo))
        assert abs(zero_point - exact) <= Fraction(1, 2) + Fraction(1, 10**9) and 0 <= zero_point <= qmax
        assert abs(Fraction(scale) * qmax / (Fraction(hi) - Fraction(lo)) - 1) < Fraction(1, 2**23)


def test_quantize_by_hand():
    x = np.array([-inf, -1.25, -0.75, -0.25, 0.0, 0.25, 0.75, 1.25, 1e30, inf, nan])
    # scale 1/2: -2.5 -1.5 -0.5 0 0.5 1.5 2.5, all ties, to even before the zero point is added
    assert list(oracle.quantize(x, 0.5, 3, 0, 7)) == [0, 1, 1, 3, 3, 3, 5, 5, 7, 7, 3]
    assert list(oracle.quantize(x, 0.5, 0, -1, 1)) == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 0]
    per_channel = oracle.quantize(np.ones((2, 2)), [0.5, 0.25], [0, 1], 0, 255, axis=0)
    assert per_channel.tolist() == [[2, 2], [5, 5]]
    assert oracle.dequantize(np.array([0, 128, 255]), 0.5, 128).tolist() == [-64.0, 0.0, 63.5]


def test_quantize_is_exact_division_rounded_once():
    """The float32 quotient is the exact one rounded to float32, and rne of that is the code."""
    generator = rng(1)
    x = generator.normal(0, 3, 3000).astype(np.float32)
    for scale in (0.1, 0.0127, 1 / 3):
        s = Fraction(oracle.f32(scale))
        for value, q in zip(x, oracle.quantize(x, scale, 128, 0, 255), strict=True):
            # double holds more than twice float32's bits: rounding the quotient twice is rounding it once
            quotient = np.float32(float(Fraction(float(value)) / s))
            assert q == min(max(rne_fraction(Fraction(float(quotient))) + 128, 0), 255)


def test_fake_quantize_and_its_gradients_by_hand():
    x = np.array([-4.0, -0.25, 0.3, 4.0, nan], np.float32)
    assert oracle.fake_quantize(x, 0.5, 2, 0, 3).tolist() == [-1.0, 0.0, 0.5, 0.5, 0.0]
    assert oracle.fake_quantize(x, 0.5, 1.5, 0, 3).tolist() == [-1.0, 0.0, 0.5, 0.5, 0.0]  # 1.5 reads as 2
    dx, dscale, dzero_point = oracle.fake_quantize_gradients(x, 0.5, 2, 0, 3)
    assert dx.tolist() == [0, 1, 1, 0, 0]
    assert dscale.tolist() == [-2.0, 0.5, float(np.float32(1) - np.float32(0.3) / np.float32(0.5)), 1.0, 0.0]
    assert dzero_point.tolist() == [-0.5, 0, 0, -0.5, 0]


def test_weight_qparams_keep_the_bias():
    weight = np.array([[[[0.5, -1.27]]], [[[0.0, 0.0]]], [[[1e-9, 0.0]]]])
    scale = oracle.symmetric_weight_scales(weight, None, 0.5, 8)
    assert scale.tolist() == [oracle.f32(1.27 / 127), 2.0**-100, oracle.f32(1e-9 / 127)]
    bias = np.array([1.0, 3.0, -5.0])
    scale = oracle.symmetric_weight_scales(weight, bias, 0.5, 8)
    assert scale.tolist() == [oracle.f32(1.27 / 127), oracle.f32(3 / 2.0**29), oracle.f32(5 / 2.0**29)]
    codes = oracle.quantize_bias(bias, 0.5, scale)
    assert np.all(np.abs(codes) <= 2**30 * (1 + 2.0**-23)) and codes[1] > 2**29
    assert np.allclose(codes * (0.5 * scale.astype(np.float64)), bias, rtol=2.0**-25)


def test_affine_weight_qparams():
    weight = np.array([-0.5, 1.5])
    assert oracle.affine_weight_qparams(weight, None, 1.0, 8) == oracle.choose_qparams(-0.5, 1.5, 8)
    assert oracle.affine_weight_qparams(weight * 0, None, 1.0, 4) == (2.0**-100, 15)
    scale, zero_point = oracle.affine_weight_qparams(weight * 1e-9, np.array([2.0]), 1.0, 8)
    assert (scale, zero_point) == (2.0**-29, 254)  # 255 - rne(1.5e-9 2^29 = 0.805)
    assert oracle.quantize_bias(2.0, 1.0, scale) == 2**30


def test_fold_batch_norm_equals_the_two_layers_in_exact_numbers():
    weight, bias, folded_bias = np.ones((2, 1, 1, 1), np.float32), [3.0, -1.0], [10.0, 3.5]
    folded = oracle.fold_batch_norm(weight, bias, [4.0, 2.0], [6.0, 6.0], [1.0, 0.25], [3.0, 3.0], 1.0)
    # g = gamma / 2 = 2, 1; bias = beta + (bias - mean) g
    assert folded[0].reshape(-1).tolist() == [2.0, 1.0] and folded[0].dtype == np.float32
    assert folded[1].tolist() == [10.0, 4.75] and folded_bias[0] == folded[1][0]
    gain, offset = oracle.affine_gain_offset([4.0], [6.0], [1.0], [3.0], 1.0, 0.5, 0.25)
    assert (gain[0], offset[0]) == (4.0, 16.0)


def test_quantize_multiplier_by_hand():
    assert oracle.quantize_multiplier(0.75) == (3 * 2**29, 31)
    assert oracle.quantize_multiplier(1.0) == (2**30, 30)
    assert oracle.quantize_multiplier(0.0) == (0, 54)
    assert oracle.quantize_multiplier(2.0**-24) == (2**30, 54)
    assert oracle.quantize_multiplier(2.0**-54) == (1, 54)
    assert oracle.quantize_multiplier(2.0**-55) == (0, 54)  # a tie: to even
    assert oracle.quantize_multiplier(5e-324) == (0, 54)
    assert oracle.quantize_multiplier(1 - 2.0**-53) == (2**30, 30)  # rounds to 2^31
    assert oracle.quantize_multiplier(2.0**28) == (2**30, 2)
    for bad in (2.0**29, np.nextafter(2.0**29, 0), -1.0, -5e-324, inf, nan):
        with pytest.raises(ValueError):
            oracle.quantize_multiplier(float(bad))


def test_quantize_multiplier_is_nearest_and_legal():
    generator = rng(2)
    for M in np.exp2(generator.uniform(-80, 28.99, 5000)):
        multiplier, shift = oracle.quantize_multiplier(float(M))
        assert oracle.legal_multiplier(multiplier, shift)
        assert abs(multiplier - Fraction(float(M)) * 2**shift) <= Fraction(1, 2)


def test_requantize_is_the_exact_product_rounded_half_up():
    generator = rng(3)
    extremes = [0, 1, -1, 2**31 - 1, -(2**31), 2**30, -(2**30)]
    acc = np.concatenate([extremes, generator.integers(-(2**31), 2**31, 200)])
    for multiplier in (2**30, 2**31 - 1, *generator.integers(2**30, 2**31, 5)):
        for shift in range(2, 55):
            exact = [(Fraction(int(a) * int(multiplier), 2**shift) + Fraction(1, 2)).__floor__() for a in acc]
            assert list(oracle.requantize(acc, multiplier, shift)) == exact
    assert list(oracle.requantize([3, -3, 1, -1], 2**30, 31)) == [2, -1, 1, 0]  # halves go up
    assert list(oracle.Q([[2**31 - 1], [-(2**31)]], 2**31 - 1, 2, 5, 0, 255)[:, 0]) == [255, 0]
    rows = oracle.Q(np.full((1, 2, 2), 8), [2**30, 2**30], [30, 31], 1, 0, 7, axis=1)
    assert rows.tolist() == [[[7, 7], [5, 5]]]


def test_accumulator_bounds_are_reached():
    generator = rng(4)
    for _ in range(50):
        centred, zx = generator.integers(-255, 256, 12), int(generator.integers(0, 16))
        lo, hi = oracle.accumulator_bounds(centred, 7, zx, 15)
        assert hi == 7 + int(((np.where(centred > 0, 15, 0) - zx) * centred).sum())
        assert lo == 7 + int(((np.where(centred > 0, 0, 15) - zx) * centred).sum())
    assert oracle.fits_int32(-(2**31), 2**31 - 1)
    assert not oracle.fits_int32(0, 2**31) and not oracle.fits_int32(-(2**31) - 1, 0)


def test_output_range():
    assert oracle.output_range(8, 0.5, 10) == (0, 255)
    assert oracle.output_range(4, 0.5, 10, "relu") == (10, 15)
    assert oracle.output_range(8, 0.5, 10, "clamp", 0, 6) == (10, 22)
    assert oracle.output_range(4, 0.5, 10, "clamp", -100, 100) == (0, 15)


def test_quantize_add_takes_the_largest_shift():
    assert oracle.quantize_add(1.0, 1.0) == (2**20, 2**20, 20)
    assert oracle.quantize_add(0.001, -0.5) == (rne_fraction(Fraction(0.001) * 2**21), -(2**20), 21)
    assert oracle.quantize_add(0.0, 0.0) == (0, 0, 30)
    assert oracle.quantize_add(2.0**20 - 0.5, 0.0) == (2**21 - 1, 0, 1)
    with pytest.raises(ValueError):
        oracle.quantize_add(2.0**20, 0.0)


def test_quantize_affine_shift_constant_and_error():
    assert oracle.quantize_affine(1.0, 0.0, 0, 8, 0, 8) == (2**20, 0, 20)
    assert oracle.quantize_affine(0.0, 255.0, 0, 8, 0, 8) == (0, 255 * 2**23, 23)  # b + 2^22 < 2^31
    assert oracle.quantize_affine(0.0, 2.0**31, 0, 8, 0, 8) == (0, 512, 1)
    assert oracle.quantize_affine(2.0**22, 2.0**40, 255, 8, 0, 8) == (0, 512, 1)
    assert oracle.quantize_affine(2.0**22, -(2.0**40), 0, 8, 0, 8) == (0, -512, 1)
    with pytest.raises(ValueError):
        oracle.quantize_affine(2.0**21, 0.0, 128, 8, 0, 8)
