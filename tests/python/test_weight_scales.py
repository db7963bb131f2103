"""best_weight_scales against a search in NumPy with the oracle's codes."""

import numpy as np
import pytest
import torch

import oracle
from icepoint import choose_weight_qparams
from icepoint.weight_scales import best_weight_scales
from icepoint.weights import SCHEMES, weight_range

SEED = 29


def squared_error(row, scale, zero_point, code_range):
    codes = oracle.quantize(row, scale, zero_point, *code_range)
    return float(np.square((codes - zero_point) * np.float64(scale) - row).sum())


def drawn(channels: int, size: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(SEED).laplace(0, 0.1, (channels, size)).astype(np.float32))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_no_factor_is_better_by_much(bits, scheme):
    weight = drawn(3, 90)
    natural, _ = choose_weight_qparams(weight, bits, scheme)
    best, zero_points = best_weight_scales(weight, bits, scheme)
    assert best.dtype == torch.float32 and best.shape == natural.shape == zero_points.shape, SEED
    rows = weight.numpy() if scheme != "per_tensor_affine" else weight.numpy().reshape(1, -1)
    for row, scale, was, zero_point in zip(rows, best, natural, zero_points, strict=True):
        ends = int(zero_point), weight_range(bits, scheme)
        found = squared_error(row, scale.item(), *ends)
        factors = np.exp2(-np.arange(0, 4, 1 / 64))
        least = min(squared_error(row, float(np.float32(was.item() * f)), *ends) for f in factors)
        assert found <= 1.02 * least, (bits, scheme, SEED)
        assert found <= squared_error(row, was.item(), *ends), (bits, scheme, SEED)


def test_a_long_row_is_searched_as_a_whole():
    weight = drawn(1, 3 * 2**18 + 5)  # more than one block
    whole, _ = best_weight_scales(weight, 4)
    parts, _ = best_weight_scales(weight.reshape(-1, 1).repeat(1, 2).reshape(1, -1), 4)  # every weight twice
    assert torch.equal(whole, parts), SEED


def test_what_is_exact_keeps_its_scale():
    weight = torch.stack([torch.zeros(9), torch.arange(9.0) - 4, torch.full((9,), 2.0**-120)])
    natural, _ = choose_weight_qparams(weight, 4)
    best, zero_points = best_weight_scales(weight, 4)
    assert best[0] == natural[0] == 2.0**-100 and best[2] == natural[2]
    assert not zero_points.any()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_floor_of_the_bias_holds(scheme):
    weight, bias = drawn(2, 64), torch.tensor([1e6, 0.0])
    floor = 1e6 / (0.01 * 2**30)
    best, _ = best_weight_scales(weight, 8, scheme, bias, 0.01)
    natural, _ = choose_weight_qparams(weight, 8, scheme, bias, 0.01)
    assert best[0].double() >= np.float32(floor) and (best <= natural).all()


def test_errors_are_those_of_choose_weight_qparams():
    for bad in (torch.zeros(2, 0), torch.full((2, 2), torch.nan), torch.zeros(2, 2).double()):
        with pytest.raises(ValueError, match="weight"):
            best_weight_scales(bad)
