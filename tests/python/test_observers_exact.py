"""Statistics are functions of the images alone: order, split, merge, layout and float mode do not show."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from icepoint import observers
from icepoint.observers import METHODS, Mse, Percentile, Statistics, make
from icepoint.observers.histogram import LEAST_EXPONENT, Histogram
from icepoint.observers.statistics import SIDE_OF_CHANNELS
from observer_data import KINDS, image_lists, same_state, values
from strategies import LAYOUTS, bounded, seeds, tensor

SEED = 31


def observed(method, batches, axis=None):
    seen = make(method, axis)
    for batch in batches:
        seen.update(torch.from_numpy(np.stack(batch)))
    return seen


def batches_of(images, random):
    """The images in batches of random sizes."""
    found, images = [], list(images)
    while images:
        count = random.randint(1, len(images))
        found.append(images[:count])
        images = images[count:]
    return found


@pytest.mark.parametrize("method", METHODS)
@given(image_lists(), st.sampled_from((None, 1)), st.randoms(use_true_random=False))
@bounded(25)
def test_permute_split_and_merge(method, images, axis, random):
    whole = observed(method, [images], axis)
    shuffled = random.sample(images, len(images))
    parts = [observed(method, [batch], axis) for batch in batches_of(shuffled, random)]
    parts.append(make(method, axis))  # a worker without data
    while len(parts) > 1:  # any tree of merges
        other = parts.pop(random.randrange(len(parts)))
        before = other.state()
        parts[random.randrange(len(parts))].merge(other)
        assert same_state(other.state(), before)
    streamed = observed(method, batches_of(shuffled, random), axis)
    for found in (parts[0], streamed):
        assert same_state(found.state(), whole.state())
    # The ranges are computed from the state alone; what a merge leaves behind would show here.
    assert np.array_equal(parts[0].range(4), whole.range(4))


@given(st.sampled_from(KINDS), seeds)
@bounded(40)
def test_counts_are_numpys_on_the_same_edges(kind, seed):
    x = values(kind, (4, 50), seed)
    seen = Statistics()
    seen.add(seen.look(torch.from_numpy(x)))
    counted = seen.histogram
    flat = x.astype(np.float64).ravel()
    edges = np.ldexp(np.arange(-counted.side, counted.side + 1.0), counted.exponents[0])
    expected, _ = np.histogram(flat[flat != 0], edges)
    assert np.array_equal(counted.counts[0], expected)
    assert counted.zeros[0] == (flat == 0).sum() == flat.size - expected.sum()
    assert seen.low[0] == flat.min() and seen.high[0] == flat.max()
    # The bins are as fine as the values allow.
    k, half = int(counted.exponents[0]), counted.side // 2
    too_fine = flat.max() >= math.ldexp(half, k) or flat.min() < -math.ldexp(half, k)
    assert too_fine or k == LEAST_EXPONENT


@given(image_lists(), seeds)
@bounded(25)
def test_channels_are_counted_as_if_alone(images, seed):
    x = np.stack(images)
    seen = Statistics(axis=1)
    seen.add(seen.look(torch.from_numpy(x)))
    for c in range(x.shape[1]):
        alone, own = Histogram(1, SIDE_OF_CHANNELS), np.ascontiguousarray(x[:, c].reshape(1, 1, -1))
        alone.add(own, np.float64([own.min()]), np.float64([own.max()]))
        assert alone.exponents[0] == seen.histogram.exponents[c]
        assert np.array_equal(alone.counts[0], seen.histogram.counts[c])
        assert alone.zeros[0] == seen.histogram.zeros[c]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_memory_layouts_do_not_show(layout, axis):
    x = tensor(values("laplace", (4, 3, 5, 6), SEED), layout)
    plain, laid = make("mse", axis), make("mse", axis)
    plain.update(x.contiguous())
    laid.update(x)
    assert same_state(plain.state(), laid.state()), SEED


def test_denormals_are_counted_whatever_the_float_mode():
    x = torch.from_numpy(values("special", (4, 40), SEED) * np.float32(2.0**-9))
    tiny = torch.tensor([[2.0**-149, -(2.0**-148)], [2.0**-130, 0.0]])
    expected = [observed("mse", [x.numpy()]), observed("mse", [tiny.numpy()])]
    try:
        assert torch.set_flush_denormal(True)
        found = [observed("mse", [x.numpy()]), observed("mse", [tiny.numpy()])]
    finally:
        torch.set_flush_denormal(False)
    assert all(same_state(a.state(), b.state()) for a, b in zip(found, expected, strict=True)), SEED
    assert expected[1].statistics.low[0] == -(2.0**-148) and expected[1].statistics.high[0] == 2.0**-130


@pytest.mark.parametrize("value", [1.0, -3.5, 2.0**120, -(2.0**-149), 0.0, -0.0])
@pytest.mark.parametrize("method", METHODS)
def test_one_element_and_constants(method, value):
    for shape in ((), (1,), (5, 7)):
        seen = make(method)
        seen.update(torch.full(shape, value))
        for bits in (2, 8):
            assert seen.range(bits) == (min(value, 0.0), max(value, 0.0))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 1])
def test_what_is_refused_changes_nothing(method, axis):
    seen = make(method, axis)
    with pytest.raises(ValueError, match="calibrate first"):
        seen.range()
    seen.update(torch.from_numpy(values("gauss", (2, 3, 4), SEED)))
    before = seen.state()
    bad = torch.ones(2, 3, 4)
    bad[1, 2, 3] = math.nan
    for x in (
        bad,
        torch.full((2, 3, 4), -math.inf),
        torch.zeros(0, 3, 4),
        torch.ones(2, 3, 4).double(),
        [1.0],
    ):
        with pytest.raises(ValueError, match=r"expected (a float32|data|finite values)"):
            seen.update(x)
    if axis == 1:
        with pytest.raises(ValueError, match="3 channels"):
            seen.update(torch.ones(2, 4, 4))
        with pytest.raises(ValueError, match="axis 1"):
            seen.update(torch.ones(2))
    for other in ("mse" if method != "mse" else "entropy", method):
        with pytest.raises(ValueError, match="merge"):
            seen.merge(make(other, 0))
    assert same_state(seen.state(), before)


def test_a_file_is_merged_and_gone_on_with(tmp_path):
    parts = [torch.from_numpy(values("laplace", (6, 9), SEED + i)) for i in range(3)]
    for method in (*METHODS, Percentile(90.0)):
        whole, first, second = make(method), make(method), make(method)
        for part in parts:
            whole.update(part)
        first.update(parts[0])
        second.update(parts[2])
        path = observers.save(tmp_path / "seen.pt", {"a": first, "b": second})
        resumed = observers.load(path)
        resumed["a"].merge(resumed["b"])
        resumed["a"].update(parts[1])
        assert same_state(resumed["a"].state(), whole.state()) and resumed["a"].range() == whole.range(), SEED
        with pytest.raises(ValueError, match="state of an observer"):
            make("entropy" if whole.name == "mse" else "mse").load(whole.state())


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        observers.load(tmp_path / "none.pt")
    path = tmp_path / "other.pt"
    for content in (b"", b"text", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.pt"):
            observers.load(path)
    torch.save({"weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match=r"other\.pt"):
        observers.load(path)
    seen = Mse()
    seen.update(torch.ones(3))
    state = seen.state()
    state["statistics"]["histogram"]["first"] = 10**6
    torch.save({"kind": "icepoint observers 1", "observers": {"a": state}}, path)
    with pytest.raises(ValueError, match="bin 1000000"):
        observers.load(path)


def test_a_value_outside_its_bins_is_refused():
    counts, zeros = np.zeros((1, 8), np.int64), np.zeros(1, np.int64)
    for bad in (4.0, -4.5, math.nan, math.inf, -math.inf, 3e38):
        with pytest.raises(ValueError, match="outside the bins"):
            observers.histogram._C.count_bins(np.float32([[[bad]]]), np.int32([0]), counts, zeros)
    for bad in (counts[:, ::2], counts.astype(np.int32), np.zeros((2, 8), np.int64)):
        with pytest.raises(ValueError, match="counts"):
            observers.histogram._C.count_bins(np.float32([[[1]]]), np.int32([0]), bad, zeros)
    assert not counts.any()
