"""Ctrl-C and errors in the middle of calibration: what the model is then, and how it goes on."""

import os
import signal
import threading
import time

import pytest
import torch

import icepoint
from capture_nets import small_chain

SEED = 31


@pytest.fixture(scope="module")
def x():
    return torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))


def interrupted(*batches):
    yield from batches
    raise KeyboardInterrupt


def test_an_interrupt_leaves_the_float_model_as_it_was(x):
    model = small_chain(SEED)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    modules = list(model.modules())

    with pytest.raises(KeyboardInterrupt):
        icepoint.quantize(model, x[:1], interrupted(x[:16]))
    assert list(model.modules()) == modules and not model.training
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


@pytest.mark.parametrize("recipe", ["fast", "accurate"])
def test_an_interrupted_calibration_goes_on(x, recipe):
    def quantized(data):
        return icepoint.quantize(small_chain(SEED), x[:1], data, recipe=recipe)

    q = quantized(x[:8])
    with pytest.raises(KeyboardInterrupt):
        q.calibrate(interrupted(x[8:16]))
    seen = q.freeze().file_bytes  # usable, with what was seen
    assert recipe != "fast" or seen == quantized(x[:16]).freeze().file_bytes
    with pytest.raises(ValueError, match="batch 0: expected shape"):
        q.calibrate([x[:, :2]])
    assert q.freeze().file_bytes == seen
    assert q.calibrate(x[8:]) == 1
    assert q.freeze().file_bytes == quantized(x).freeze().file_bytes


@pytest.mark.parametrize("recipe", ["fast", "accurate"])
@pytest.mark.parametrize("observer", ["min_max", "moving_average"])
def test_what_an_interrupted_call_has_seen_counts_later_only_without_corrections(x, recipe, observer):
    def calibrated(*calls):
        q = icepoint.quantize(small_chain(SEED), x[:1], x[:8], recipe=recipe, observer=observer)
        for data in calls:
            try:
                q.calibrate(data)
            except KeyboardInterrupt:
                continue
        return q.freeze().file_bytes

    wide, other = [1.5 * x, 2.0 * x], [1.2 * x]
    assert calibrated(interrupted(*wide)) != calibrated()
    later, again = calibrated(interrupted(*wide), other), calibrated(interrupted(*wide), wide)
    if recipe == "accurate":
        assert later == calibrated(other) and again == calibrated(wide)
    else:
        assert later == calibrated(wide, other) and again == calibrated(wide, wide)
        assert (again == calibrated(wide)) == (observer == "min_max")  # whose extremes count once


def test_ctrl_c_in_the_middle_of_a_batch_leaves_a_model_that_computes(x):
    """The first layers have seen the batch, the others have not."""
    q = icepoint.quantize(small_chain(SEED), x[:1], x[:8], recipe="fast")
    before = [q.get_submodule(name).q_out.max for name in ("0", "3")]

    def stop(*_):
        raise KeyboardInterrupt

    hook = q.get_submodule("3").register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        q.calibrate([3 * x])
    hook.remove()
    first, last = (q.get_submodule(name).q_out.max for name in ("0", "3"))
    assert first > before[0] and last == before[1]
    assert torch.equal(q.freeze()(x), q(x))


def test_ctrl_c_ends_a_long_calibration_at_once(x):
    """The signal is seen between two layers, which take milliseconds, and not only at the data's end."""
    # Whoever started the tests in the background may have left SIGINT ignored.
    old = signal.signal(signal.SIGINT, signal.default_int_handler)

    def minutes():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            yield x
        raise AssertionError("a minute went by without a look at the signal")

    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    model = small_chain(SEED)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            icepoint.quantize(model, x[:1], minutes())
    finally:
        timer.join()
        signal.signal(signal.SIGINT, old)
