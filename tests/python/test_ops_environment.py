"""Float modes, autocast, inference mode, threads and forks change no byte."""

import ctypes
import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import icepoint
from op_samples import CASE_IDS, CASES, float32, frozen, int32, op
from test_ops_layouts import same

FE_UPWARD, FE_TONEAREST = {"x86_64": (0x800, 0), "aarch64": (0x400000, 0)}.get(os.uname().machine, (None, 0))


ENVIRONMENTS = ("flush_denormal", "round_up", "no_grad", "inference", "autocast", "double", "one_thread")


@pytest.fixture(params=ENVIRONMENTS)
def environment(request):
    libm = ctypes.CDLL("libm.so.6")
    threads = icepoint.get_num_threads()
    if request.param == "flush_denormal":
        assert torch.set_flush_denormal(True)
    if request.param == "round_up":
        assert libm.fesetround(FE_UPWARD) == 0
    if request.param == "one_thread":
        icepoint.set_num_threads(1)
    if request.param == "double":
        torch.set_default_dtype(torch.float64)
    modes = {
        "no_grad": torch.no_grad,
        "inference": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    }
    with modes.get(request.param, torch.enable_grad)():
        yield request.param
    torch.set_flush_denormal(False)
    libm.fesetround(FE_TONEAREST)
    torch.set_default_dtype(torch.float32)
    icepoint.set_num_threads(threads)


WANT = {i: getattr(op, name)(*args) for i, (name, args) in zip(CASE_IDS, CASES, strict=True)}


@pytest.mark.parametrize("case", CASE_IDS)
def test_the_environment_changes_nothing(environment, case):
    name, args = CASES[CASE_IDS.index(case)]
    same(getattr(op, name)(*args), WANT[case])


def test_special_values_in_every_environment(environment):
    """Ties to even, infinities to the ends, NaN to the zero point; 2^31 and 1e30 wrap nowhere."""
    x = [0.5, 1.5, -0.5, -2.5, math.inf, -math.inf, math.nan, 1e30, -1e30, 2.0**31, -(2.0**31), 1e-45, -1e-45]
    want = [100, 102, 100, 98, 255, 0, 100, 255, 0, 255, 0, 100, 100]
    t = torch.tensor(x, dtype=torch.float32)
    assert op.quantize(t, float32(1.0), int32(100), 0, 255).tolist() == want
    assert op.quantize(t, float32(1.0), int32(0), -128, 127).tolist() == [
        min(max(w - 100, -128), 127) if abs(w - 100) < 100 else {255: 127, 0: -128}[w] for w in want
    ]
    fake = op.fake_quantize(t, float32(1.0), int32(100), 0, 255)
    assert fake.tolist() == [w - 100.0 for w in want]
    # a third is not a float32: rounding upward would give the next one
    third = op.dequantize(torch.tensor([1, 3], dtype=torch.uint8), float32(1 / 3), int32(0))
    assert third.tolist() == [0.3333333432674408, 1.0]


def test_autocast_does_not_hide_the_dtype():
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3))
        assert x.dtype == torch.bfloat16
        with pytest.raises(ValueError, match=r"quantize\.x: is bfloat16, expected float32"):
            op.quantize(x, float32(1.0), int32(0), 0, 255)


def test_many_threads_share_one_model():
    reals, _, data, key = frozen(n=4)
    want = op.run(reals, data, key)

    def work(i):
        icepoint.set_num_threads(1 + i % 3)
        for _ in range(40):
            same(op.run(reals, data, key), want)

    before = icepoint.get_num_threads()
    try:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
    finally:
        icepoint.set_num_threads(before)


def test_a_forked_child_runs_after_a_parallel_region():
    """libgomp's threads do not survive fork(); icepoint's are its own."""
    before = icepoint.get_num_threads()
    icepoint.set_num_threads(2)
    try:
        x = torch.zeros(4, 8, 64, 64, dtype=torch.uint8)
        table = torch.arange(8 * 256, dtype=torch.int32).to(torch.uint8).view(8, 256)
        want = op.lookup(x, table).sum().item()
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if int(op.lookup(x, table)[:, :, 0, 0].numpy().sum()) * 64 * 64 == want else 1)
            finally:
                os._exit(2)
        assert wait(child, seconds=30) == 0
    finally:
        icepoint.set_num_threads(before)


def wait(child: int, seconds: float) -> int:
    """The exit code of a child; it is killed, and -1 returned, where it takes longer."""
    import signal
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1
