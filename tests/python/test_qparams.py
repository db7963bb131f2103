"""Scale, zero point, codes: the notebook's functions and QParam against the oracle and hand-made numbers."""

import math

import numpy as np
import pytest
import torch

import icepoint
import oracle
from icepoint import QParam, dequantize_tensor, quantize_tensor

SEED = 11


def test_hand_made_qparams():
    assert icepoint.choose_qparams(-1.0, 1.0) == (float(np.float32(2 / 255)), 128)
    assert icepoint.choose_qparams(0, 255) == (1.0, 0)
    assert icepoint.choose_qparams(-255, 0) == (1.0, 255)
    assert icepoint.choose_qparams(3.0, 3.0, 2) == (1.0, 0)  # constant: widened to 0..3
    assert icepoint.choose_qparams(0.0, 0.0) == (1.0, 0)
    assert icepoint.choose_qparams(torch.tensor(-1.0), torch.tensor(2.0), 2) == (1.0, 1)
    # The notebook truncates: int(255 - 1 / (3 / 255)) = 170 is also the rounded one, (-1, 1.01) is not.
    assert icepoint.calcu_scale_and_zeropoint(-1.0, 1.01)[1] == round(255 - 1.01 * 255 / 2.01) == 127
    assert icepoint.calculate_scale_zero_point(-1.0, 1.004)[1] == round(255 - 1.004 * 255 / 2.004)


def test_qparams_against_the_oracle():
    rng = np.random.default_rng(SEED)
    for _ in range(2000):
        low, high = np.sort(rng.normal(0, 10.0 ** rng.integers(-30, 30), 2).astype(np.float32))
        bits = int(rng.integers(2, 9))
        expected = oracle.choose_qparams(float(low), float(high), bits)
        assert icepoint.choose_qparams(low, high, bits) == expected, SEED


@pytest.mark.parametrize(
    "low, high", [(math.nan, 1), (0, math.inf), (-math.inf, 0), (0, 1e39), (-3.4e38, 3.4e38)]
)
def test_ranges_without_a_scale_are_refused(low, high):
    with pytest.raises(ValueError):
        icepoint.choose_qparams(low, high)


@pytest.mark.parametrize("num_bits", [0, 1, 9, 32, -8, True, 8.0, "8"])
def test_other_num_bits_are_refused(num_bits):
    conv, linear = torch.nn.Conv2d(1, 1, 1), torch.nn.Linear(1, 1)
    for call in (
        lambda: icepoint.choose_qparams(0, 1, num_bits),
        lambda: icepoint.calcu_scale_and_zeropoint(0, 1, num_bits),
        lambda: quantize_tensor(torch.zeros(1), 1.0, 0, num_bits),
        lambda: QParam(num_bits),
        lambda: icepoint.choose_weight_qparams(torch.ones(2, 2), num_bits),
        lambda: icepoint.models.Net().quantize(num_bits),
        lambda: icepoint.QConv2d(conv, num_bits=num_bits),
        lambda: icepoint.QLinear(linear, num_bits=num_bits),
        lambda: icepoint.QReLU(has_qin=True, num_bits=num_bits),
    ):
        with pytest.raises(ValueError, match=r"2\.\.8"):
            call()


def test_codes_against_the_oracle():
    rng = np.random.default_rng(SEED)
    for bits in range(2, 9):
        for signed in (False, True):
            scale = float(np.float32(rng.uniform(1e-3, 2)))
            low = -(2 ** (bits - 1)) if signed else 0
            high = low + 2**bits - 1
            zero_point = int(rng.integers(low, high + 1))
            x = rng.normal(0, 2**bits * scale, 500).astype(np.float32)
            x[:6] = 0, -0.0, np.inf, -np.inf, np.nan, 1e30
            x[6:40] = (np.arange(34) - 17 + 0.5) * np.float32(scale)  # ties
            codes = quantize_tensor(torch.from_numpy(x), scale, zero_point, bits, signed)
            assert codes.dtype == torch.int32
            expected = oracle.quantize(x, scale, zero_point, low, high)
            assert (codes.numpy() == expected).all(), (bits, signed, SEED)
            back = dequantize_tensor(codes, scale, zero_point)
            assert back.dtype == torch.float32
            assert (back.numpy() == oracle.dequantize(codes.numpy(), scale, zero_point)).all()


def test_a_bias_of_32_bits_is_exact():
    rng = np.random.default_rng(SEED)
    bias, scale_in, scale_w = rng.normal(0, 3, 100).astype(np.float32), *np.float32([0.02, 0.0003]).tolist()
    codes = quantize_tensor(torch.from_numpy(bias), scale_in * scale_w, 0, num_bits=32, signed=True)
    assert (codes.numpy() == oracle.quantize_bias(bias, scale_in, scale_w)).all(), SEED
    ends = quantize_tensor(torch.tensor([1e30, -1e30, math.nan, math.inf]), 1.0, 0, 32, True)
    assert ends.tolist() == [2**31 - 1, -(2**31), 0, 2**31 - 1]
    per_channel = quantize_tensor(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.25]), 0, 32, True, axis=0)
    assert per_channel.tolist() == [2, 4]
    back = dequantize_tensor(per_channel * 1000, torch.tensor([0.5, 0.25]), 0, axis=0)
    assert back.tolist() == [1000.0, 1000.0]
    for bad in (32.0, True):
        with pytest.raises(ValueError):
            quantize_tensor(torch.zeros(1), 1.0, 0, num_bits=bad, signed=True)
    with pytest.raises(ValueError):
        quantize_tensor(torch.zeros(1), 1.0, 0, num_bits=32, signed=False)


def test_codes_do_not_wrap_in_arithmetic():
    q = quantize_tensor(torch.tensor([0.0, -9.0]), scale=1.0, zero_point=5)
    assert (q - 10).tolist() == [-5, -10]  # uint8 would give 251 and 246


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.uint8, torch.bool]
)
def test_other_dtypes_are_refused(dtype):
    x = torch.zeros(3).to(dtype)
    with pytest.raises(ValueError):
        quantize_tensor(x, 1.0, 0)
    with pytest.raises(ValueError, match="float32"):
        QParam().update(x)
    if dtype.is_floating_point or dtype == torch.bool:
        with pytest.raises(ValueError, match="integer"):
            dequantize_tensor(x, 1.0, 0)
    with pytest.raises(ValueError):
        quantize_tensor([1.0], 1.0, 0)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e-40])
def test_scales_outside_the_range_are_refused(scale):
    with pytest.raises(ValueError):
        quantize_tensor(torch.ones(2), scale, 0)
    with pytest.raises(ValueError):
        dequantize_tensor(torch.ones(2, dtype=torch.int32), scale, 0)


class TestQParam:
    def test_follows_the_data(self):
        q = QParam(num_bits=4)
        assert (q.scale, q.zero_point, q.min, q.max) == (None, None, None, None)
        q.update(torch.tensor([1.0, 2.0]))
        assert (q.min, q.max) == (0.0, 2.0)
        q.update(torch.tensor([[-1.0]]))
        assert (q.min, q.max) == (-1.0, 2.0) and (q.scale, q.zero_point) == icepoint.choose_qparams(-1, 2, 4)
        x = torch.tensor([-5.0, -1.0, 0.0, 0.1, 2.0, 7.0])
        codes = q.quantize_tensor(x)
        assert codes.tolist() == [0, 0, 5, 5, 15, 15] and codes.dtype == torch.int32
        assert torch.equal(q.dequantize_tensor(codes), quantize_then_back(x, q))
        assert torch.equal(q.fake_quantize(x), q.dequantize_tensor(codes))

    def test_order_of_batches_changes_nothing(self):
        rng = torch.Generator().manual_seed(SEED)
        batches = [torch.randn(7, generator=rng) * 10**i for i in range(4)]
        forward, backward, whole = QParam(), QParam(), QParam()
        for a, b in zip(batches, reversed(batches), strict=True):
            forward.update(a)
            backward.update(b)
        whole.update(torch.cat(batches))
        assert forward.state() == backward.state() == whole.state()

    @pytest.mark.parametrize(
        "values, expected",
        [
            ([0.0, 0.0], (1.0, 0)),  # all zero
            ([5.0, 5.0], (float(np.float32(5 / 255)), 0)),  # all equal, all positive
            ([-5.0, -2.0], (float(np.float32(5 / 255)), 255)),  # all negative
            ([1e-42, -1e-42], (2.0**-100, 128)),  # subnormal
        ],
    )
    def test_odd_ranges(self, values, expected):
        q = QParam()
        q.update(torch.tensor(values))
        assert (q.scale, q.zero_point) == expected
        assert q.dequantize_tensor(q.quantize_tensor(torch.zeros(1))).item() == 0.0

    def test_bad_data_is_refused_and_changes_nothing(self):
        q = QParam()
        q.update(torch.tensor([1.0]))
        before = q.state()
        for bad in ([math.nan, 1.0], [math.inf], [-math.inf, 0.0], [], [3.4e38, -3.4e38]):
            with pytest.raises(ValueError):
                q.update(torch.tensor(bad, dtype=torch.float32))
            assert q.state() == before
        with pytest.raises(ValueError, match="tensor"):
            q.update([1.0])

    def test_is_no_scale_before_data(self):
        for call in (QParam().quantize_tensor, QParam().fake_quantize):
            with pytest.raises(ValueError, match="calibrate first"):
                call(torch.zeros(1))
        with pytest.raises(ValueError, match="calibrate first"):
            QParam().dequantize_tensor(torch.zeros(1, dtype=torch.int32))

    def test_tensors_of_every_layout(self):
        base = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(SEED))
        views = [base.transpose(0, 2), base[:, ::2], base[1:], base[:1].expand(4, 6, 5)]
        views.append(base.clone().requires_grad_())
        for view in views:
            q, dense = QParam(), QParam()
            q.update(view)
            dense.update(view.detach().contiguous())
            assert q.state() == dense.state()
            codes = q.quantize_tensor(view)
            assert torch.equal(codes, q.quantize_tensor(view.detach().contiguous()))
            assert not codes.requires_grad


def quantize_then_back(x: torch.Tensor, q: QParam) -> torch.Tensor:
    codes = oracle.quantize(x.numpy(), q.scale, q.zero_point, 0, q.qmax)
    return torch.from_numpy(oracle.dequantize(codes, q.scale, q.zero_point))
