"""The pixels method: ranges whose codes do not merge neighbouring pixels, and where recipes use it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from icepoint import choose_qparams, quantize
from icepoint.observers import Mse, Pixels, make
from oracle_numbers import rng
from strategies import bounded, seeds

LEVELS = np.arange(256, dtype=np.float32)
SEED = 41


def observed(x, bits=8):
    seen = make("pixels")
    seen.update(torch.from_numpy(x.astype(np.float32)))
    return seen.range(bits)


def net(seed=SEED):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()


def images(seed=SEED):
    return torch.from_numpy(rng(seed).integers(0, 256, (16, 3, 8, 8)).astype(np.float32)) / 127.5 - 1.0


def range_of(q):
    q_in = q.stages[0].layer.q_in
    return q_in.min, q_in.max


def test_pixels_between_codes_get_codes_of_their_own():
    x = LEVELS / np.float32(127.5) - np.float32(1)
    low, high = observed(x)
    assert (low, high) == (-255 / 254, 255 / 254)

    def codes(*ends):
        scale, zero_point = choose_qparams(*ends)
        return len(np.unique(np.clip(np.rint(x / np.float32(scale)) + zero_point, 0, 255)))

    assert codes(-1.0, 1.0) < 220 and codes(low, high) == 255


@pytest.mark.parametrize("std", [1.0, 1 / 255, 0.3530 / 255], ids=str)
@pytest.mark.parametrize("zero", [0, 72.93, 33.33])
def test_an_error_that_is_constant_needs_no_other_range(zero, std):
    x = (LEVELS - zero) * std
    assert observed(x) == (min(np.float32(x[0]), 0), np.float32(x[-1]))


@given(st.sampled_from((4, 6, 8)), st.floats(0, 255), st.floats(2.0**-20, 2.0**20), seeds)
@bounded(60)
def test_it_never_clips_and_never_gets_wide(bits, zero, std, seed):
    x = ((rng(seed).integers(0, 256, 3000) - zero) * std).astype(np.float32)
    low, high = observed(x, bits)
    least, greatest = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    assert low <= least and greatest <= high
    assert high - low <= (greatest - least) * 33 / 32 * (1 + 1e-12), (bits, zero, std, seed)


@given(st.integers(4, 1016), seeds)
@bounded(40)
def test_errors_vary_hardly_more_than_in_any_other_range(quarters, seed):
    zero = quarters / 4  # 2 / 4 are ties; a bin, 1/16, cannot tell what is next to one
    x = (rng(seed).integers(0, 256, 5000) - zero).astype(np.float32)
    least, greatest = float(x.min()), float(x.max())

    def variance(low, high):
        scale, zero_point = choose_qparams(low, high)
        codes = np.clip(np.rint(x / np.float32(scale)) + zero_point, 0, 255)
        return float(((codes - zero_point) * np.float64(scale) - x).var())

    others = [variance(least * 255 / n, greatest * 255 / n) for n in range(248, 256)]
    # What the histogram knows a value to, 1/16 of a step at most, may hide as much of the deviation.
    assert np.sqrt(variance(*observed(x))) <= np.sqrt(1.125 * min(others)) + 1 / 32, (zero, seed)


def test_ranges_that_no_scale_could_widen_stay():
    assert observed(np.float32([-(2.0**107), 2.0**107])) == (-(2.0**107), 2.0**107)
    assert observed(np.zeros(5)) == (0.0, 0.0)


def test_recipes_use_it_for_inputs_alone():
    x, wide = images(), (-255 / 254, 255 / 254)
    found = {recipe: quantize(net(), x[:1], x, recipe=recipe) for recipe in ("fast", "accurate", "max")}
    assert range_of(found["fast"]) == (-1.0, 1.0)
    for recipe in ("accurate", "max"):
        assert range_of(found[recipe]) == wide
        assert [type(s.layer.q_out.observer).__name__ for s in found[recipe].stages[1:2]] == ["MinMax"]
    assert range_of(found["fast"].again(recipe="accurate")) == wide
    assert range_of(found["max"].again(recipe="fast")) == (-1.0, 1.0)


@pytest.mark.parametrize(
    "asked", [{"observer": "min_max"}, {"power_of_two": True}, {"recipe": ["correct_bias"]}], ids=str
)
def test_what_the_caller_asks_for_counts(asked):
    x = images()
    assert range_of(quantize(net(), x[:1], x, **asked)) == (-1.0, 1.0)


def test_fewer_bits_clip_inputs_as_all_others():
    x = images()
    q = quantize(net(), x[:1], x, activation_bits={"input": 4})
    assert isinstance(q.stages[0].layer.q_in.observer, Mse) and q.stages[0].layer.num_bits == 4
    q = quantize(net(), x[:1], x)
    assert isinstance(q.stages[0].layer.q_in.observer, Pixels)
