"""FixedPoint against exact fractions: order, splits and merges do not show, overflow is refused."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from icepoint.fixed_point import FixedPoint
from strategies import bounded

numbers = st.lists(st.floats(-(2.0**20), 2.0**20), min_size=1, max_size=30)


def rounded(x: float, unit: float) -> int:
    return round(Fraction(x) / Fraction(unit))  # Python rounds halves to even


@given(numbers, st.integers(-40, 3), st.randoms(use_true_random=False))
@bounded()
def test_any_order_split_and_merge_give_the_exact_sum(values, exponent, random):
    unit = 2.0**exponent
    expected = sum(rounded(x, unit) for x in values)
    random.shuffle(values)
    at = random.randint(0, len(values))
    parts = [FixedPoint(unit), FixedPoint(unit)]
    for part, chunk in zip(parts, (values[:at], values[at:]), strict=True):
        part.add(torch.tensor(chunk, dtype=torch.float64))
    parts[1].merge(parts[0])
    assert parts[1].total.item() == expected and parts[1].count == len(values)
    assert parts[1].value.item() == float(expected) * unit
    assert FixedPoint(unit).load(parts[1].state()).total.item() == expected


def test_leading_axes_are_addends():
    sums = FixedPoint(0.5, (3,))
    sums.add(torch.ones(4, 2, 3).double())
    sums.add(torch.tensor([0.25, 0.75, -0.25]))  # 0.5, 1.5 and -0.5 units: to even
    assert sums.total.tolist() == [16, 18, 16] and sums.count == 9
    assert sums.mean.tolist() == [8 / 9, 9 / 9, 8 / 9]
    sums.add(torch.zeros(0, 3))
    assert sums.count == 9


def test_overflow_is_refused_and_changes_nothing():
    sums = FixedPoint(1.0)
    sums.add(torch.tensor([2.0**62], dtype=torch.float64))
    for bad in ([2.0**62], [-(2.0**63)], [1e300], [2.0**60] * 5):
        with pytest.raises(ValueError, match="larger unit"):
            sums.add(torch.tensor(bad, dtype=torch.float64))
    other = FixedPoint(1.0)
    other.add(torch.tensor([2.0**62], dtype=torch.float64))
    with pytest.raises(ValueError, match="larger unit"):
        sums.merge(other)
    assert sums.total.item() == 2**62 and sums.count == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(bad):
    sums = FixedPoint(1.0)
    with pytest.raises(ValueError, match="NaN"):
        sums.add(torch.tensor([bad]))
    assert sums.count == 0


def test_other_units_and_shapes_are_refused():
    for unit in (0.0, -1.0, 3.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="power of two"):
            FixedPoint(unit)
    with pytest.raises(ValueError, match="shape"):
        FixedPoint(1.0, (3,)).add(torch.ones(2, 2))
    with pytest.raises(ValueError, match="floats"):
        FixedPoint(1.0).add(torch.ones(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="unit"):
        FixedPoint(1.0).merge(FixedPoint(2.0))
    with pytest.raises(ValueError, match="unit"):
        FixedPoint(1.0).load(FixedPoint(2.0).state())
    with pytest.raises(ValueError, match="nothing"):
        _ = FixedPoint(1.0).mean


@given(st.floats(1e-30, 1e30), st.integers(1, 10**9))
@bounded()
def test_the_unit_is_the_least_that_fits(largest, count):
    whole = count * math.ceil(Fraction(largest) / Fraction(unit := FixedPoint.unit_for(largest, count)))
    assert whole < 2**63
    assert 4 * Fraction(largest) * count > Fraction(unit) * 2**60  # and is not wasteful
