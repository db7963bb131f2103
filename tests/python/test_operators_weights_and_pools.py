"""icepoint.quantize, operator by operator: convolutions of every kind, linear layers, BatchNorm, pools."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import icepoint
from operator_nets import SEED, batch, ops, refusal, through
from road_nets import SCHEMES, randomize_batchnorm
from strategies import bounded

IMAGE, SEQUENCE = batch(4, 9, 8), batch(4, 11)


def made(make):
    torch.manual_seed(SEED)
    return randomize_batchnorm(make(), SEED)


def alone(module: nn.Module, x: torch.Tensor, least_db: float = 30.0, **options) -> list[str]:
    return ops(through(lambda n, x: n.module(x), x, least_db, {"module": module}, **options))


# Convolutions.


@bounded(40)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.sampled_from((1, 2, 4)),
    st.sampled_from(("same", "valid", 0, 1, 2)), st.sampled_from(("zeros", "reflect", "replicate",
    "circular")),
    st.sampled_from(SCHEMES),
)  # fmt: skip
def test_convolutions_of_any_padding(kh, kw, stride, dilation, groups, padding, mode, weights):
    assume(padding != "same" or stride == 1)
    conv = made(lambda: nn.Conv2d(4, 8, (kh, kw), stride, padding, dilation, groups, padding_mode=mode))
    found = alone(conv, IMAGE, 25.0, weights=weights)
    assert found[-1] == "qconv2d" and (mode != "zeros" or len(found) == 1)


@pytest.mark.parametrize("mode, expected", [
    ("reflect", ["pad", "qconv2d"]), ("replicate", ["pad", "qconv2d"]),
    ("circular", ["slice", "slice", "qconcat", "slice", "slice", "qconcat", "qconv2d"]),
])  # fmt: skip
def test_padding_modes_are_a_pad_before_the_convolution(mode, expected):
    conv = made(lambda: nn.Conv2d(4, 3, 3, padding=(2, 1), padding_mode=mode))
    assert alone(conv, IMAGE) == expected


@bounded(40)
@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.sampled_from((1, 2, 4)), st.booleans(),
    st.sampled_from(("same", "valid", 0, 2)), st.sampled_from(("zeros", "circular", "reflect")),
)  # fmt: skip
def test_conv1d_runs_as_an_image_of_height_1(kernel, stride, dilation, groups, bias, padding, mode):
    assume(padding != "same" or stride == 1)
    conv = made(lambda: nn.Conv1d(4, 8, kernel, stride, padding, dilation, groups, bias, mode))
    found = alone(conv, SEQUENCE)
    assert found[0] == "reshape" and found[-2:] == ["qconv2d", "reshape"]


def test_a_chain_of_sequences_stays_an_image():
    parts = {
        "net": made(lambda: nn.Sequential(
            nn.Conv1d(4, 8, 3, padding="same"), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(8, 8, 3, padding=1, groups=8), nn.BatchNorm1d(8), nn.SiLU(),
        )),
        "skip": nn.Conv1d(4, 8, 1), "fc": nn.Linear(16, 3),
    }  # fmt: skip

    def forward(n, x):
        y = n.net(x)
        y = y + F.avg_pool1d(n.skip(x), 2)
        y = torch.cat([y, F.relu(y)[:, :, 1:]], 2).chunk(2, 2)[0]
        y = torch.cat([y * torch.sigmoid(y.mean(2, keepdim=True)), y], 1)
        return n.fc(F.adaptive_max_pool1d(y, 1).flatten(1))

    graph = through(forward, batch(4, 12), 25.0, parts)
    assert ops(graph)[0] == "reshape" and ops(graph).count("reshape") == 2  # in front, and the flatten
    assert "qaffine" not in ops(graph) and ops(graph).count("qconv2d") == 3


@bounded(50)
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.sampled_from((1, 2, 4)),
    st.integers(0, 2), st.integers(0, 2), st.booleans(), st.sampled_from(SCHEMES),
    st.sampled_from((8, 4, None)),
)  # fmt: skip
def test_transposed_convolutions(kh, kw, stride, dilation, groups, padding, more, bias, weights, bits):
    assume(more < max(stride, dilation))
    for k, size in ((kh, 9), (kw, 8)):
        assume((size - 1) * stride - 2 * padding + dilation * (k - 1) + more + 1 > 0)
    conv = made(lambda: nn.ConvTranspose2d(4, 8, (kh, kw), stride, padding, more, groups, bias, dilation))
    found = alone(conv, IMAGE, 25.0 if bits != 4 else 5.0, weights=weights, weight_bits=bits)
    assert found == ["qconv_transpose2d"]


def test_transposed_convolutions_of_sequences():
    conv = made(lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, groups=2))
    assert alone(conv, SEQUENCE) == ["reshape", "qconv_transpose2d", "reshape"]


def test_a_transposed_convolution_by_hand():
    """One pixel 3 stamps the kernel (1, 2; -1, 0) at stride 2; BatchNorm doubles and adds 1: 7, 13; -5, 1."""
    conv, bn = nn.ConvTranspose2d(1, 1, 2, 2, bias=False), nn.BatchNorm2d(1, eps=0.0).eval()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[[1.0, 2.0], [-1.0, 0.0]]]]))
        bn.weight.fill_(2.0)
        bn.bias.fill_(1.0)
    layer = icepoint.QConvTranspose2d(conv, folded=[bn])
    x = torch.tensor([[[[3.0]]]])
    real = layer(x)
    layer.freeze()
    assert torch.allclose(real.flatten(), torch.tensor([7.0, 13.0, -5.0, 1.0]), atol=0.05)
    y = layer.q_out.dequantize_tensor(layer.quantize_inference(layer.q_in.quantize_tensor(x)))
    assert torch.allclose(y.flatten(), torch.tensor([7.0, 13.0, -5.0, 1.0]), atol=0.1)


# BatchNorm.


@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6, lambda: nn.Hardtanh(-1, 2)])
@pytest.mark.parametrize("make, x, expected", [
    (lambda: [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)], IMAGE, ["qconv2d"]),
    (lambda: [nn.ConvTranspose2d(4, 6, 2, 2, groups=2), nn.BatchNorm2d(6)], IMAGE, ["qconv_transpose2d"]),
    (lambda: [nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)], SEQUENCE, ["reshape", "qconv2d", "reshape"]),
    (lambda: [nn.Linear(5, 6), nn.BatchNorm1d(6)], batch(5), ["qlinear"]),
    (lambda: [nn.BatchNorm2d(4)], IMAGE, ["qaffine"]),
    (lambda: [nn.BatchNorm1d(4)], batch(4), ["qaffine"]),
    (lambda: [nn.BatchNorm1d(4)], SEQUENCE, ["reshape", "qaffine", "reshape"]),
    (lambda: [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.BatchNorm2d(6)], IMAGE, ["qconv2d"]),
    (lambda: [nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)], IMAGE, ["qaffine", "qconv2d"]),
])  # fmt: skip
def test_batch_norm_folds_or_is_affine(make, x, expected, activation):
    layers = [*make(), *([activation()] if activation else [])]
    assert alone(made(lambda: nn.Sequential(*layers)), x) == expected


def test_batch_norm_folds_into_nothing_that_others_read():
    parts = {"conv": nn.ConvTranspose2d(4, 4, 1), "bn": made(lambda: nn.BatchNorm2d(4))}
    graph = through(lambda n, x: (n.bn(y := n.conv(x)), y.flatten(1)), IMAGE, parts=parts)
    assert ops(graph) == ["qconv_transpose2d", "qaffine", "reshape"]


# Linear.


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_on_any_rank(shape, bias):
    found = alone(made(lambda: nn.Sequential(nn.Linear(5, 6, bias), nn.ReLU())), batch(*shape))
    assert [op for op in found if op != "reshape"] == (
        ["qlinear"] if len(shape) < 3 else ["qlinear", "clamp"]
    )


def test_a_constant_matrix():
    parts = {"w": nn.Parameter(torch.randn(5, 3))}
    assert ops(through(lambda n, x: x @ n.w, batch(5), parts=parts)) == ["qlinear"]
    assert "multiply by constant matrices only" in refusal(lambda n, x: x @ x.transpose(1, 2), batch(5, 5))


# Pools.


@bounded(40)
@given(*[st.integers(1, 3)] * 4, st.integers(0, 1), st.integers(1, 2), st.booleans())
def test_max_pool(kh, kw, sh, sw, padding, dilation, ceil_mode):
    assume(2 * padding <= min(kh, kw))
    pool = nn.MaxPool2d((kh, kw), (sh, sw), padding, dilation, ceil_mode=ceil_mode)
    assert alone(pool, IMAGE) in ([], ["qmax_pool2d"])


@bounded(40)
@given(
    *[st.integers(1, 3)] * 4, st.integers(0, 1), st.booleans(), st.booleans(), st.sampled_from((None, 1, 7))
)
def test_avg_pool(kh, kw, sh, sw, padding, ceil_mode, include, divisor):
    assume(2 * padding <= min(kh, kw))
    pool = nn.AvgPool2d((kh, kw), (sh, sw), padding, ceil_mode, include, divisor)
    assert alone(pool, IMAGE, 28.0) == ["qavg_pool2d"]


@pytest.mark.parametrize("pool, x", [
    (nn.MaxPool1d(3, 2, 1), SEQUENCE), (nn.AvgPool1d(3, 2, 1, True, False), SEQUENCE),
    (nn.AdaptiveAvgPool1d(4), SEQUENCE), (nn.AdaptiveMaxPool1d(1), SEQUENCE),
    (nn.AdaptiveAvgPool2d((3, 5)), IMAGE),
    (nn.AdaptiveAvgPool2d((None, 3)), IMAGE), (nn.AdaptiveMaxPool2d(1), IMAGE),
    (nn.AdaptiveMaxPool2d((3, 4)), IMAGE),
])  # fmt: skip
def test_other_pools(pool, x):
    found = [op for op in alone(pool, x, 28.0) if op != "reshape"]
    assert len(found) == 1 and "pool2d" in found[0]


@pytest.mark.parametrize("dims", [(1,), (2,), (3,), (1, 2), (2, 3), (-1, -2), (1, 2, 3), -1])
@pytest.mark.parametrize("keepdim", [True, False])
def test_means_and_maxima_over_neighbouring_dimensions(dims, keepdim):
    if dims == (1, 2, 3) and not keepdim:
        assert "makes the shape (n,); integers have 1 to 3 dimensions" in refusal(
            lambda n, x: x.mean(dims), IMAGE
        )
        return
    x = batch(4, 6, 5, low=-1.0, high=9.0)
    through(lambda n, x: x.mean(dims, keepdim), x, 28.0)
    graph = through(lambda n, x: x.amax(dims, keepdim), x)
    assert [op for op in ops(graph) if op != "reshape"] == ["qmax_pool2d"]
    rows = batch(6, 5, low=-1.0, high=9.0)
    for dim in (1, 2):
        through(lambda n, x, dim=dim: x.mean(dim, keepdim), rows, 28.0)
    through(lambda n, x: x.max(2)[0], rows)


def test_pools_that_are_refused():
    text = refusal(lambda n, x: F.adaptive_max_pool2d(x, 2), IMAGE)
    assert "pools (n, 4, 9, 8) to (n, 4, 2, 2)" in text and "size that divides the input's" in text
    assert "gives the indices" in refusal(
        lambda n, x: F.max_pool2d(x, 2, return_indices=True)[1] * 1.0, IMAGE
    )
    assert "averages dimensions [1, 3] of 4" in refusal(lambda n, x: x.mean((1, 3)), IMAGE)
    assert "averages in torch.float64" in refusal(
        lambda n, x: x.mean((2, 3), dtype=torch.float64).float(), IMAGE
    )
    assert "batch's own statistics" in refusal(
        lambda n, x: F.batch_norm(x, torch.zeros(4), torch.ones(4), training=True), IMAGE
    )
    assert "weight is computed in forward" in refusal(
        lambda n, x: F.conv2d(x, x.mean((0, 2, 3)).view(1, 4, 1, 1)), IMAGE
    )


@pytest.mark.parametrize("bits", [3, 5])
def test_few_bits(bits):
    net = made(
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2), nn.BatchNorm2d(6), nn.GELU(), nn.AvgPool2d(2))
    )
    assert alone(net, IMAGE, -math.inf, num_bits=bits) == ["qconv_transpose2d", "lookup", "qavg_pool2d"]
