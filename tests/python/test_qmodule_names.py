"""Joins of several inputs, the names of notebook and lab with their errors, simulation and gradients."""

import pytest
import torch
from torch import nn

import icepoint
import oracle
import oracle_ops
from icepoint import QParam

SEED = 13


def randn(*shape, scale=1.0, seed=SEED):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def observed(x: torch.Tensor, bits: int = 8) -> QParam:
    q = QParam(bits)
    q.update(x)
    return q


def test_joins_against_the_oracle():
    a, b = randn(2, 4, 5, 6), randn(2, 4, 5, 6, scale=3.0, seed=1) + 1
    gate = randn(2, 4, 1, 1, seed=2)
    for other in (b, gate):
        qa, qb = observed(a), observed(other)
        ca, cb = qa.quantize_tensor(a), qb.quantize_tensor(other)
        for swap in (False, True):
            xs, qs, codes = ((a, other), (qa, qb), (ca, cb)) if not swap else ((other, a), (qb, qa), (cb, ca))
            qadd, qmul = icepoint.QAdd(), icepoint.QMul()
            assert torch.equal(qadd(*xs), xs[0] + xs[1]) and torch.equal(qmul(*xs), xs[0] * xs[1])
            qadd.freeze(q_in=list(qs))
            qmul.freeze(*qs)
            ma, mb, s = oracle.quantize_add(*(q.scale / qadd.q_out.scale for q in qs))
            first, second = (c.numpy() for c in codes)
            expected = oracle_ops.add(first, qs[0].zero_point, ma, second, qs[1].zero_point, mb, s,
                                      qadd.q_out.zero_point, 0, 255)  # fmt: skip
            assert (qadd.quantize_inference(*codes).numpy() == expected).all()
            m, s = oracle.quantize_multiplier(qs[0].scale * qs[1].scale / qmul.q_out.scale)
            expected = oracle_ops.mul(first, qs[0].zero_point, second, qs[1].zero_point, m, s,
                                      qmul.q_out.zero_point, 0, 255)  # fmt: skip
            assert (qmul.quantize_inference(*codes).numpy() == expected).all()
    qa, qb = observed(a), observed(b)
    for axis in (1, 2, -1):
        qcat = icepoint.QConcat(axis)
        assert torch.equal(qcat([a, b]), torch.cat([a, b], axis)) and torch.equal(
            qcat(a, b), torch.cat([a, b], axis)
        )
        qcat.freeze(q_in=[qa, qb])
        pairs = [oracle.quantize_multiplier(q.scale / qcat.q_out.scale) for q in (qa, qb)]
        codes, zero_points = (qa.quantize_tensor(a), qb.quantize_tensor(b)), [qa.zero_point, qb.zero_point]
        expected = oracle_ops.concat(
            [c.numpy() for c in codes], zero_points, *zip(*pairs, strict=True),
            qcat.q_out.zero_point, 0, 255, axis,
        )  # fmt: skip
        assert (qcat.quantize_inference(*codes).numpy() == expected).all()


class TestNames:
    def test_of_the_lab(self):
        dense = icepoint.QDense(nn.Linear(3, 2), qi=True, qo=False)
        assert dense.qi is dense.q_in and not hasattr(dense, "qo") and not hasattr(dense, "q_out")
        assert dense.qw is dense.q_weight
        assert torch.equal(dense.construct(torch.ones(1, 3)), dense(torch.ones(1, 3)))
        q = QParam.of_range(-1, 1)
        dense.freeze(qo=q)
        assert dense.qo is q and dense.q_out is q

    def test_layers_that_keep_their_qparams_have_no_q_out(self):
        for layer in (icepoint.QReLU(), icepoint.QReLU6(), icepoint.QMaxPooling2d(2)):
            assert not hasattr(layer, "q_in") and not hasattr(layer, "q_out")
            with pytest.raises(ValueError, match="q_in is not existed, should be provided"):
                layer.freeze()
            with pytest.raises(ValueError, match="q_out"):
                layer.freeze(QParam.of_range(0, 1), QParam.of_range(0, 1))
        own = icepoint.QReLU(has_qin=True)
        assert torch.equal(own(torch.tensor([-1.0, 3.0])), torch.tensor([0.0, 3.0])) and own.q_in.max == 3.0
        own.freeze()
        with pytest.raises(ValueError, match="q_in has been provided in init function"):
            own.freeze(QParam.of_range(0, 1))

    def test_freeze_has_the_notebooks_errors(self):
        q = QParam.of_range(-1, 1)
        both = icepoint.QConv2d(nn.Conv2d(1, 1, 1))
        neither = icepoint.QConv2d(nn.Conv2d(1, 1, 1), has_qin=False, has_qout=False)
        for layer, call, text in (
            (both, {"q_in": q}, "q_in has been provided in init function"),
            (both, {"q_out": q}, "q_out has been provided in init function"),
            (neither, {"q_out": q}, "q_in is not existed, should be provided"),
            (neither, {"q_in": q}, "q_out is not existed, should be provided"),
            (neither, {"q_in": 0.5, "q_out": q}, "must be a QParam"),
        ):
            with pytest.raises(ValueError, match=text):
                layer.freeze(**call)
            assert not layer.frozen
        neither.freeze(q_in=q, q_out=q)
        neither.freeze(q, q)
        neither.freeze()
        assert neither.frozen

    def test_the_base_class_is_the_notebooks(self):
        class Own(icepoint.QModule):
            def __init__(self):
                super().__init__(True, False, 4)

        layer = Own()
        assert layer.q_in.num_bits == 4 and not hasattr(layer, "q_out")
        with pytest.raises(NotImplementedError, match=r"quantize_inference should be implemented\."):
            layer.quantize_inference(torch.zeros(1))

    def test_padding_that_integers_do_not_have(self):
        for mode in ("reflect", "replicate", "circular"):
            with pytest.raises(ValueError, match=f"padding_mode: expected 'zeros', found '{mode}'"):
                icepoint.QConv2d(nn.Conv2d(1, 1, 3, padding=1, padding_mode=mode))

    def test_wrong_modules(self):
        for make in (
            lambda: icepoint.QConv2d(nn.Linear(1, 1)),
            lambda: icepoint.QLinear(nn.Conv2d(1, 1, 1)),
            lambda: icepoint.QBatchNorm2d(nn.BatchNorm3d(1)),
            lambda: icepoint.QConv2d(nn.Conv2d(1, 1, 1), activation="gelu"),
            lambda: icepoint.QMaxPooling2d("2"),
            lambda: icepoint.QAvgPool2d(2, divisor_override=0),
            lambda: icepoint.QConcat(axis=0),
        ):
            with pytest.raises(ValueError):
                make()


def test_gradients_reach_the_float_weights():
    """forward is differentiable: straight through the weights, the folded BatchNorm and the simulation."""
    conv, bn = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3).eval()
    fused = icepoint.QConvBNReLU(conv, bn)
    x = randn(2, 2, 6, 6).requires_grad_()
    for _ in range(2):
        fused(x).sum().backward()
        for p in (conv.weight, conv.bias, bn.weight, bn.bias, x):
            assert p.grad is not None and bool(torch.isfinite(p.grad).all()) and bool(p.grad.abs().sum() > 0)
            p.grad = None
        fused.freeze()


def test_simulation_rounds_inputs_and_outputs_once_frozen():
    """As the lab does: before freezing an own input passes as it is, afterwards fake-quantized."""
    for layer in (icepoint.QConv2d(nn.Conv2d(1, 2, 3), num_bits=4), icepoint.QReLU(has_qin=True, num_bits=4)):
        x = randn(2, 1, 6, 6)
        before = layer(x).detach()
        layer.freeze()
        after = layer(x).detach()
        assert torch.equal(after, layer(layer.q_in.fake_quantize(x)).detach()) and not torch.equal(
            after, before
        )
        if layer.has_qout:
            assert torch.equal(after, layer.q_out.fake_quantize(after))
