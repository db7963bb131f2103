"""What each method chooses, against NumPy and exact arithmetic on the values themselves."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oracle
from icepoint import choose_qparams
from icepoint.observers import METHODS, Entropy, MinMax, Mse, Percentile, make
from observer_data import image_lists, values
from strategies import bounded, seeds

SEED = 37
ORDINARY = ("gauss", "relu", "laplace", "powers")


def observed(method, x, axis=None):
    seen = make(method, axis)
    seen.update(torch.from_numpy(x))
    return seen


def width(seen) -> float:
    return float(np.ldexp(1.0, seen.statistics.histogram.exponents[0]))


@given(image_lists())
@bounded(40)
def test_moving_average_is_the_exact_mean(images):
    low, high = observed("moving_average", np.stack(images)).range()
    for found, ends, side in ((low, [x.min() for x in images], min), (high, [x.max() for x in images], max)):
        exact = sum(Fraction(float(end)) for end in ends) / len(ends)
        assert found == side(float(exact), 0.0)


@given(st.sampled_from(ORDINARY), st.sampled_from((50.0, 90.0, 99.0, 99.9, 100.0)), seeds)
@bounded(60)
def test_percentile_is_a_quantile_within_a_bin(kind, percentile, seed):
    x = values(kind, (10, 150), seed)
    seen = observed(Percentile(percentile), x)
    low, high = seen.range()
    cut = (1 - percentile / 100) / 2
    quantiles = (
        np.quantile(x.astype(np.float64), cut, method="lower"),
        np.quantile(x.astype(np.float64), 1 - cut, method="higher"),
    )
    # NumPy counts the intervals between values and not the values: one rank of difference.
    ranked = np.sort(x.ravel().astype(np.float64))
    for found, quantile, side in ((low, quantiles[0], min), (high, quantiles[1], max)):
        at = np.searchsorted(ranked, quantile)
        near = ranked[max(at - 1, 0) : at + 2]
        near = [side(v, 0.0) for v in (near.min() - width(seen), near.max() + width(seen))]
        assert near[0] <= found <= near[1], (kind, percentile, seed)
    assert ((x < low).sum() <= cut * x.size + 1e-9) and ((x > high).sum() <= cut * x.size + 1e-9)


def squared_error(x, low, high, bits) -> float:
    scale, zero_point = choose_qparams(low, high, bits)
    codes = oracle.quantize(x, scale, zero_point, 0, 2**bits - 1)
    return float(np.square((codes - zero_point) * np.float64(scale) - x).sum())


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("kind", ORDINARY)
def test_mse_is_as_good_as_a_search_on_the_values(kind, bits):
    """No range on a grid has a squared error that is smaller by more than what a bin cannot tell."""
    x = values(kind, (8, 500), SEED)
    if kind != "powers":
        x[3, 7] = 25.0  # an outlier
    seen = observed("mse", x)
    low, high = seen.range(bits)
    found = squared_error(x, low, high, bits)
    least_low, greatest = min(x.min(), 0.0), max(x.max(), 0.0)
    factors = np.exp2(-np.arange(0, 7, 1 / 4))
    grid = ((least_low * a, greatest * b) for a in (factors if least_low < 0 else [1.0]) for b in factors)
    best = min(squared_error(x, *ends, bits) for ends in grid)
    # Within a bin a value, and so its error, is known to half a bin: by Cauchy and Schwarz for the sums.
    slack = width(seen) * np.sqrt(np.count_nonzero(x))
    assert np.sqrt(found) <= np.sqrt(best) + slack, (kind, bits, SEED)
    assert found <= squared_error(x, least_low, greatest, bits) * (1 + 1e-9) or width(seen) > 1e-2


def test_mse_clips_more_with_fewer_bits():
    seen = observed("mse", values("laplace", (8, 5000), SEED))
    widths = [high - low for low, high in (seen.range(bits) for bits in (8, 6, 4, 3))]
    assert widths == sorted(widths, reverse=True) and widths[-1] < widths[0] / 2


@pytest.mark.parametrize("method", ["mse", "entropy"])
def test_zeros_do_not_hide_the_others(method):
    x = values("laplace", (8, 500), SEED)
    x = x[x != 0][None]
    alone = observed(method, x)
    among = observed(method, np.concatenate([x, np.zeros((1, 100_000), np.float32)], axis=1))
    for bits in (4, 8):
        assert alone.range(bits) == among.range(bits)


def test_entropy_leaves_out_a_far_outlier_and_keeps_a_flat_distribution():
    flat = np.linspace(-1, 1, 40001, dtype=np.float32)
    assert observed("entropy", flat[None]).range() == (-1.0, 1.0)
    x = values("gauss", (1, 40000), SEED)
    x[0, 5] = 60.0
    for bits in (4, 8):
        low, high = observed("entropy", x).range(bits)
        assert -6 < low < -2 and 2 < high < 8, (bits, SEED)


@pytest.mark.parametrize("method", METHODS)
def test_channels_have_their_own_ranges(method):
    x = values("laplace", (20, 3, 100), SEED) * np.float32([1, 2.0**30, 2.0**-30]).reshape(3, 1)
    low, high = observed(method, x, axis=1).range(8)
    assert low.dtype == high.dtype == np.float64 and low.shape == high.shape == (3,)
    alone = [observed(method, np.ascontiguousarray(x[:, c : c + 1]), axis=1).range(8) for c in range(3)]
    assert np.array_equal(low, [a[0][0] for a in alone]) and np.array_equal(high, [a[1][0] for a in alone])


def test_scaling_by_a_power_of_two_scales_the_range():
    x = values("laplace", (8, 500), SEED)
    for method in METHODS:
        for exponent in (-100, 50):
            low, high = observed(method, x).range(4)
            scaled = observed(method, x * np.float32(2.0**exponent)).range(4)
            assert scaled == (low * 2.0**exponent, high * 2.0**exponent)


def test_one_pass_serves_every_method():
    x = values("laplace", (8, 500), SEED)
    for start in ("percentile", "mse", "entropy", MinMax(gather_all=True)):
        seen = observed(start, x)
        for method in (*METHODS, Percentile(90.0)):
            assert seen.as_(method).range(4) == observed(method, x).range(4)
    with pytest.raises(ValueError, match="counts"):
        observed("min_max", x).as_("mse")
    copied = observed("mse", x).as_("entropy")
    copied.update(torch.ones(1))  # a copy: the other does not see it
    with pytest.raises(ValueError, match="expected one of min_max"):
        make("median")


def test_parameters():
    for bad in (0.0, -1.0, 100.5, float("nan")):
        with pytest.raises(ValueError, match="percentile"):
            Percentile(bad)
    for bits in (1, 9, 8.0):
        with pytest.raises(ValueError, match=r"2\.\.8"):
            observed("mse", np.ones((1, 2), np.float32)).range(bits)
    assert repr(make(Percentile(90.0), 1)) == "Percentile(percentile=90.0, axis=1)"
    assert isinstance(Mse().fresh(), Mse) and Entropy(axis=1).fresh().axis == 1
