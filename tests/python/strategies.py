"""Hypothesis' share in the tests: what is drawn, how often, and tensors in every memory layout.

Sizes and options are drawn one by one, so that a failure shrinks; bulk data comes from one drawn seed.
derandomize gives every run the same examples, and a failing one prints all that was drawn.
"""

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st

from oracle_numbers import codes, rng

LAYOUTS = ("contiguous", "channels_last", "strided", "offset", "expanded", "transposed")
KINDS = ("random", "low", "high", "both")
EXTREME_MULTIPLIERS = (
    (2**30, 2),
    (2**31 - 1, 2),
    (2**30, 54),
    (0, 54),
    (1, 54),
    (2**31 - 1, 31),
    (2**30, 30),
)


def bounded(examples: int = 60):
    return settings(derandomize=True, deadline=None, max_examples=examples, database=None)


seeds = st.integers(0, 2**32 - 1)
zero_points = st.sampled_from((0, 255, 128)) | st.integers(0, 255)
kinds = st.sampled_from(KINDS)
layouts = st.sampled_from(LAYOUTS)
scales = st.sampled_from((2.0**-100, 2.0**100, 0.1, 1.0, 0.0127)) | st.floats(2.0**-20, 2.0**20, width=32)


@st.composite
def code_ranges(draw, lowest=0, highest=255):
    a, b = draw(st.integers(lowest, highest)), draw(st.integers(lowest, highest))
    return draw(st.sampled_from(((lowest, highest), (min(a, b), max(a, b)))))


@st.composite
def multipliers(draw, count: int):
    """Legal multipliers and shifts of length `count`: mostly factors near real ones, some extreme."""
    generator = rng(draw(seeds))
    shift = generator.integers(30, 48, count)
    multiplier = generator.integers(2**30, 2**31, count)
    extreme = draw(st.sampled_from((None, *EXTREME_MULTIPLIERS)))
    if extreme:
        multiplier[0], shift[0] = extreme
    return multiplier, shift


@st.composite
def code_arrays(draw, shape, bits: int = 8):
    return codes(rng(draw(seeds)), shape, bits, draw(kinds))


@st.composite
def weights(draw, shape, channels: int):
    """int8 codes of any bits, zero points of length 1 or `channels`, a bias or none."""
    generator, bits = rng(draw(seeds)), draw(st.integers(2, 8))
    lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    w = generator.integers(lo, hi + 1, shape)
    if draw(st.booleans()):
        w = np.where(generator.integers(0, 2, shape) == 1, hi, lo)
    count = draw(st.sampled_from((1, channels)))
    zero_point = generator.integers(-128, 128, count) if draw(st.booleans()) else np.zeros(count, np.int64)
    bias = generator.integers(-(2**20), 2**20, channels) if draw(st.booleans()) else None
    return w, zero_point, bias


def int8(a):
    return torch.from_numpy(np.asarray(a, np.int8))


def int32(a):
    """int32 tensor of an array, or None."""
    return None if a is None else torch.from_numpy(np.atleast_1d(np.asarray(a, np.int32)))


def tensor(a, layout: str = "contiguous"):
    """The same values as a torch tensor that lies differently in memory; "expanded" repeats image 0."""
    t = torch.from_numpy(np.ascontiguousarray(a))
    if layout == "channels_last" and t.dim() == 4:
        return t.contiguous(memory_format=torch.channels_last)
    if layout == "strided":
        return torch.stack([t, t + 1], dim=-1)[..., 0]
    if layout == "offset":
        return torch.cat([t[:1] * 0, t])[1:]
    if layout == "expanded" and len(t):
        return t[:1].expand_as(t)
    if layout == "transposed" and t.dim() > 1:
        return t.transpose(-1, -2).contiguous().transpose(-1, -2)
    return t


def same(got, want) -> None:
    """Equal shapes and integers, with the first difference in the message."""
    got, want = got.numpy().astype(np.int64), np.asarray(want, np.int64)
    assert got.shape == want.shape, f"shape {got.shape}, the oracle says {want.shape}"
    if not np.array_equal(got, want):
        at = tuple(int(i) for i in np.argwhere(got != want)[0])
        raise AssertionError(
            f"{(got != want).sum()} of {want.size} differ, at {at}: {got[at]}, not {want[at]}"
        )
