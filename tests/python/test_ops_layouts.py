"""The same bytes from any view of the same tensors; outputs in the input's memory format; nothing aliased."""

import copy

import numpy as np
import pytest
import torch

import icepoint
from icepoint import _C
from op_samples import CASE_IDS, CASES, SAMPLES, codes, frozen, frozen_bytes, op


def strided(t):
    view = t.new_zeros([2 * s for s in t.shape])[tuple(slice(None, None, 2) for _ in t.shape)]
    return view.copy_(t) if t.dim() else t


def offset(t):
    return torch.cat([t.new_zeros(3), t.reshape(-1)])[3:].view(t.shape)


def transposed(t):
    return t.transpose(0, -1).contiguous().transpose(0, -1) if t.dim() > 1 else t


def channels_last(t):
    return t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t


def expanded(t):
    """Stride 0 along the batch: only equal images can lie so."""
    return t[:1].expand(t.shape) if t.dim() > 1 else t


VIEWS = (strided, offset, transposed, channels_last)


def mapped(change, value):
    if isinstance(value, torch.Tensor):
        return change(value)
    return [mapped(change, v) for v in value] if isinstance(value, list) else value


def tensors_of(value):
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, torch.Tensor)]


def same(got, want):
    got, want = tensors_of(got), tensors_of(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape and torch.equal(g, w)


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.__name__)
@pytest.mark.parametrize(("name", "args"), CASES, ids=CASE_IDS)
def test_every_view_gives_the_same_bytes(name, args, view):
    want = getattr(op, name)(*args)
    changed = [mapped(view, a) for a in args]
    before = copy.deepcopy(changed)
    got = getattr(op, name)(*changed)
    same(got, want)
    for after, untouched in zip(changed, before, strict=True):
        same(after, untouched)
    inputs = {t.untyped_storage().data_ptr() for a in changed for t in tensors_of(a)}
    for y in tensors_of(got):
        assert y.untyped_storage().data_ptr() not in inputs, "an operator returned its input"
        if view is not channels_last or name.startswith("run"):
            assert y.is_contiguous()


@pytest.mark.parametrize(("name", "args"), CASES, ids=CASE_IDS)
def test_expanded_tensors(name, args):
    if name.startswith("run"):
        args = ([expanded(x) for x in args[0]], *args[1:])
    else:
        args = [mapped(expanded, a) for a in args]
    same(getattr(op, name)(*args), getattr(op, name)(*[mapped(lambda t: t.contiguous(), a) for a in args]))


IMAGES = [
    (name, args)
    for name, args in CASES
    if not name.startswith("run")
    and (x := tensors_of(args[0])[0]).dim() == 4
    and x.shape[2] > 1
    and tensors_of(args[0])[0].dim() == 4
    and tensors_of(args[0])[0].shape[2] > 1
]


@pytest.mark.parametrize(("name", "args"), IMAGES, ids=[name for name, _ in IMAGES])
def test_channels_last_comes_back_as_channels_last(name, args):
    args = [mapped(channels_last, a) for a in args]
    first = tensors_of(getattr(op, name)(*args))[0]
    assert first.is_contiguous(memory_format=torch.channels_last)


def test_every_operator_on_images_was_judged():
    flat = {"run", "run_codes", "linear_int32"}
    assert {name for name, _ in IMAGES} | flat == set(SAMPLES)


def test_a_view_of_the_notebook_works_on_every_format():
    x = codes(2, 4, 7, 6)
    for t in (x, channels_last(x), strided(x)):
        y = op.qmax_pool2d(t, [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False)
        assert torch.equal(y.reshape(-1, 36), y.contiguous().view(-1, 36))
    assert op.qmax_pool2d(x, [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False).view(-1, 36).shape == (2, 36)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_copies_between_formats(threads):
    """Sizes that no tile divides, more than one thread's share; an identity table moves bytes only."""
    before = icepoint.get_num_threads()
    icepoint.set_num_threads(threads)
    try:
        x, table = codes(3, 37, 65, 70), torch.arange(256, dtype=torch.uint8).expand(37, 256)
        for t in (x, channels_last(x), strided(x), x.transpose(2, 3), x.flip(1)[:, :, 1::3]):
            assert torch.equal(op.lookup(t, table), t)
        floats = x.float() - 128
        one, zero = torch.tensor([1.0]), torch.tensor([128], dtype=torch.int32)
        assert torch.equal(op.quantize(floats.transpose(1, 3), one, zero, 0, 255), x.transpose(1, 3))
    finally:
        icepoint.set_num_threads(before)


def empty_batch(t):
    return t[:0] if t.dim() > 1 else t


@pytest.mark.parametrize("name", [n for n in SAMPLES if n not in ("requantize",)])
def test_an_empty_batch_gives_an_empty_result(name):
    args = list(SAMPLES[name][0])
    want = getattr(op, name)(*args)
    for i in {"qadd": (0, 3), "qmul": (0, 2), "fake_quantize_backward": (0, 1)}.get(name, (0,)):
        args[i] = mapped(empty_batch, args[i])
    for got, full in zip(tensors_of(getattr(op, name)(*args)), tensors_of(want), strict=True):
        assert got.shape == (empty_batch(full).shape) and got.dtype == full.dtype


def test_numpy_arrays_with_negative_strides():
    data = frozen_bytes()
    _, inputs, tensor, key = frozen()
    flipped = [x.numpy()[::-1] for x in inputs]
    with pytest.raises(ValueError, match="negative strides"):  # torch's own words
        torch.from_numpy(flipped[0])
    want = op.run_codes([torch.from_numpy(x.copy()) for x in flipped], tensor, key)
    for got, w in zip(_C.Model(data).run_codes(flipped), want, strict=True):
        assert np.array_equal(got, w.numpy())


def test_batches_split_and_reversed():
    reals, _, data, key = frozen(n=5)
    want = op.run(reals, data, key)
    parts = [op.run([x[i : i + 1] for x in reals], data, key) for i in range(5)]
    for i, w in enumerate(want):
        assert torch.equal(torch.cat([p[i] for p in parts]), w)
        assert torch.equal(op.run([x.flip(0) for x in reals], data, key)[i], w.flip(0))
