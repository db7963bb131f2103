"""frozen(x): the direct way gives the operator's bytes, and is taken only where torch need not be asked."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import icepoint
from icepoint import torch_short_cuts

SEED = 41


class Small(nn.Module):
    def __init__(self, ends_in_argmax=False):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 6 * 6, 5)
        self.ends_in_argmax = ends_in_argmax

    def forward(self, x):
        y = self.fc(torch.flatten(F.relu(self.conv(x)), 1))
        return y.argmax(1) if self.ends_in_argmax else y


def images(n):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(SEED + n))


def made(ends_in_argmax=False):
    torch.manual_seed(SEED)
    x = images(9)
    return icepoint.quantize(Small(ends_in_argmax).eval(), x[:1], [x]).freeze()


@pytest.fixture
def frozen():
    return made()


@pytest.fixture(params=["torch's guards", "without them"], autouse=True)
def short_cuts(request, monkeypatch):
    if request.param == "without them":  # as a torch whose compiler has none
        monkeypatch.setattr(torch_short_cuts, "guard", lambda x: None)
        monkeypatch.setattr(torch_short_cuts, "empty", torch_short_cuts._empty_strided)


@pytest.fixture
def direct(monkeypatch):
    """Whether each call so far went the direct way."""
    taken, call = [], icepoint.frozen._direct_call

    def see(*arguments):
        y = call(*arguments)
        taken.append(y is not None)
        return y

    monkeypatch.setattr(icepoint.frozen, "_direct_call", see)
    return taken


def by_operator(frozen, x):
    return frozen.forward(x)


@pytest.mark.parametrize("ends_in_argmax", [False, True])
def test_the_operators_bytes(ends_in_argmax, direct):
    frozen = made(ends_in_argmax)
    for n in (1, 1, 3, 1, 9, 9, 2):
        y, want = frozen(images(n)), by_operator(frozen, images(n))
        assert torch.equal(y, want) and y.dtype == want.dtype and y.stride() == want.stride()
        assert y.untyped_storage().nbytes() == want.untyped_storage().nbytes()
    assert all(direct) and len(direct) == 7
    assert frozen(images(2)[:0]).shape == by_operator(frozen, images(2)[:0]).shape and not direct[-1]


def test_results_are_their_owners(frozen):
    first = frozen(images(1))
    kept = first.clone()
    second = frozen(images(2)[1:])
    assert torch.equal(first, kept) and first.data_ptr() != second.data_ptr()


def negated(x):
    return torch._neg_view(-x)


@pytest.mark.parametrize(
    "change", [lambda x: x.transpose(2, 3), lambda x: x[:, :, :, ::1].clone().requires_grad_(), negated,
               lambda x: nn.Parameter(x, requires_grad=False)],
    ids=["strided", "gradient", "negated", "another type"],
)  # fmt: skip
def test_other_tensors_take_the_operator(frozen, direct, change):
    want = by_operator(frozen, change(images(3)))
    for _ in range(2):  # behind a plain one of the same shape, too
        assert torch.equal(frozen(change(images(3))), want) and not direct[-1]
        frozen(images(3))
        assert direct[-1]


def test_errors_are_the_operators(frozen):
    for wrong in (torch.zeros(1, 1, 8, 9), torch.zeros(8, 8), images(1).double(), torch.tensor(0.0)):
        frozen(images(1))
        with pytest.raises(ValueError, match="expected"):
            frozen(wrong)
    with pytest.raises(ValueError, match="expected float32 tensors, found list"):
        frozen([1.0])
    with pytest.raises((TypeError, ValueError)):
        frozen()
    assert torch.equal(frozen(images(1)), by_operator(frozen, images(1)))


def test_hooks_see_the_call(frozen, direct):
    x, seen = images(2), []
    want = frozen(x)
    forms = (
        lambda: frozen.register_forward_hook(lambda m, a, y: seen.append(y)),
        lambda: frozen.register_forward_pre_hook(lambda m, a: seen.append(a[0])),
        lambda: nn.modules.module.register_module_forward_hook(lambda m, a, y: seen.append(y)),
        lambda: nn.modules.module.register_module_forward_pre_hook(lambda m, a: seen.append(a[0])),
    )
    for count, register in enumerate(forms, 1):
        handle = register()
        try:
            assert torch.equal(frozen(x), want) and len(seen) == count and not direct[-1]
        finally:
            handle.remove()
        assert torch.equal(frozen(x), want) and len(seen) == count and direct[-1]


class Functions(TorchFunctionMode):
    seen = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.seen += 1
        return function(*args, **(kwargs or {}))


class Dispatched(TorchDispatchMode):
    seen = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [Functions, Dispatched])
def test_modes_see_the_call(frozen, direct, mode):
    want = frozen(images(2))
    with mode() as active:
        before = active.seen
        y = frozen(images(2))
        assert active.seen > before and not direct[-1]
    assert torch.equal(y, want)


def test_states_that_change_no_byte(frozen, direct):
    x = images(3)
    want = frozen(x)
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.equal(frozen(x), want) and direct[-1]
    finally:
        torch.set_default_dtype(torch.float32)
    for state in (torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)):
        with state():
            y = frozen(x)
            assert torch.equal(y, want) and y.is_inference() == torch.is_inference_mode_enabled()
            assert y.dtype == torch.float32
    assert torch.equal(frozen(x), want) and direct[-1]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_tracers_and_compilers_record_the_operator(frozen):
    x, other = images(2), images(4)[2:]
    frozen(x)
    want = by_operator(frozen, other)
    assert torch.equal(torch.jit.trace(frozen, x)(other), want)
    assert torch.equal(torch.jit.trace(lambda a: frozen(a) + 0, x)(other), want)
    torch._dynamo.reset()
    assert torch.equal(torch.compile(frozen, fullgraph=True, backend="eager")(other), want)
    assert torch.equal(torch.compile(lambda a: frozen(a) + 0, fullgraph=True, backend="eager")(other), want)
    for strict in (True, False):
        assert torch.equal(torch.export.export(frozen, (x,), strict=strict).module()(other), want)


def test_copies_and_loaded_states_run_their_own_file(frozen, direct):
    x = images(2)
    want = frozen(x)
    for copied in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert torch.equal(copied(x), want) and direct[-1]
    torch.manual_seed(SEED + 1)
    other = icepoint.quantize(Small().eval(), x[:1], [x]).freeze()
    theirs = other(x)
    other.load_state_dict(frozen.state_dict())
    assert not torch.equal(theirs, want) and torch.equal(other(x), want) and direct[-1]


def test_threads_with_batches_of_different_sizes(frozen):
    wants = {n: by_operator(frozen, images(n)) for n in (1, 2, 60)}

    def work(i):
        n = (1, 2, 60)[i % 3]
        x = images(n)
        return all(torch.equal(frozen(x), wants[n]) for _ in range(300))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
