"""Calibrating and freezing under other float modes: the file's bytes stay the same (A6, A16)."""

import contextlib
import ctypes
import os

import pytest
import torch
from torch import nn

import icepoint
from road_nets import calibrated, frozen, images, outputs, subjects

UPWARD, DOWNWARD, NEAREST = {
    "x86_64": (0x800, 0x400, 0), "aarch64": (0x400000, 0x800000, 0)
}.get(os.uname().machine, (None, None, 0))  # fmt: skip


@contextlib.contextmanager
def rounding(mode):
    libm = ctypes.CDLL("libm.so.6")
    assert libm.fesetround(mode) == 0
    try:
        yield
        assert libm.fegetround() == mode, "the caller's mode was not put back"
    finally:
        libm.fesetround(NEAREST)


@contextlib.contextmanager
def flush_denormal():
    assert torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextlib.contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


ROUNDING = [lambda: rounding(UPWARD), lambda: rounding(DOWNWARD)] if UPWARD is not None else []


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine"])
@pytest.mark.parametrize("name", tuple(subjects()))
def test_freezing_in_any_float_mode_gives_the_same_file(name, weights):
    x = images(3, 7, subjects()[name][1])
    for environment in (*ROUNDING, flush_denormal, double, autocast, torch.inference_mode):
        plain, other = calibrated(name, 8, weights), calibrated(name, 8, weights)
        file, want = frozen(plain, name).file_bytes, outputs(plain.quantize_inference(x))
        with environment():
            model = frozen(other, name)
            codes = outputs(other.quantize_inference(x))
        assert model.file_bytes == file
        assert all(torch.equal(a, b) for a, b in zip(codes, want, strict=True))


@pytest.mark.parametrize("environment", [double, autocast, torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("name", ["Net", "NetBN", "OwnNet"])
def test_calibrating_in_any_mode_of_torch_gives_the_same_file(name, environment):
    make, channels = subjects()[name]
    files = []
    for mode in (contextlib.nullcontext, environment):
        torch.manual_seed(3)
        net = make().eval()
        net.quantize()
        with mode():
            net.quantize_forward(images(8, 1, channels))
            files.append(frozen(net, name).file_bytes)
            simulated = net.quantize_forward(images(2, 2, channels))
        assert all(y.dtype == torch.float32 for y in outputs(simulated))
    assert files[0] == files[1]


def test_quantize_in_inference_mode_gives_the_same_file():
    """Methods compute gradients; weights and images that are made in that mode have none of their own."""

    def subject():
        torch.manual_seed(3)
        first = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))  # its weight is made in forward
        return nn.Sequential(first, nn.ReLU(), nn.Conv2d(8, 4, 3)).eval(), images(8, 1, 3, 10)

    def files(net, x):
        q = icepoint.quantize(net, x[:1], x)
        first = q.freeze().file_bytes
        q.calibrate(x * 2)
        return first, q.freeze().file_bytes

    want, outside = files(*subject()), subject()
    with torch.inference_mode():
        assert files(*outside) == files(*subject()) == want


@pytest.mark.parametrize("environment", ROUNDING)
def test_numbers_in_any_rounding_mode(environment):
    weight, bias = torch.linspace(-0.37, 0.91, 24).reshape(4, 6), torch.tensor([0.1, 7.0, 0.0, 1e9])
    x = torch.tensor([0.7, 0.25, 123.4])

    def numbers():
        scales = icepoint.choose_weight_qparams(weight, bias=bias, scale_in=0.1)
        wide = icepoint.dequantize_tensor(torch.tensor([300, -7]), 0.1, 3)
        codes = [icepoint.quantize_tensor(x, 0.1, 0, bits, True) for bits in (8, 32)]
        return [t.tolist() for t in (*scales, wide, *codes)]

    want = numbers()
    with environment():
        found = numbers()
    assert found == want
