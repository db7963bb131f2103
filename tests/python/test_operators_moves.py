"""icepoint.quantize, operator by operator: joins, cuts, shuffles, views, padding and up-sampling."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import icepoint
import oracle_ops
from icepoint.modules.upsample import nearest_index
from operator_nets import batch, ops, refusal, through
from strategies import bounded

IMAGE, SEQUENCE = batch(4, 9, 8), batch(4, 11)
MOVES = 36.0  # dB: bytes that move lose nothing beside the input's own rounding


@pytest.mark.parametrize("f", [
    lambda n, x: x[:, 1:3], lambda n, x: x[:, ::2], lambda n, x: x[:, :, 1:-1], lambda n, x: x[..., 1::3],
    lambda n, x: x[:, 1:, ::2, 2:7], lambda n, x: x.narrow(2, 1, 5), lambda n, x: x.chunk(3, 1)[1],
    lambda n, x: x.split([1, 2, 1], 1)[2], lambda n, x: torch.split(x, 3, 3)[2], lambda n, x: x[:, 2],
    lambda n, x: torch.tensor_split(x, 3, 2)[2], lambda n, x: torch.tensor_split(x, (1, 5), 2)[1],
    lambda n, x: x.select(3, -1), lambda n, x: x[:, -1:],
])  # fmt: skip
def test_cuts(f):
    graph = through(f, IMAGE, MOVES)
    assert set(ops(graph)) <= {"slice", "reshape"} and "slice" in ops(graph)


def test_parts_of_one_tensor_are_all_there():
    def forward(n, x):
        a, b, c = x.chunk(3, 2)
        return torch.cat([c, F.relu(b), a], 2)

    graph = through(forward, IMAGE, MOVES)
    assert sorted(ops(graph)) == ["clamp", "qconcat", "slice", "slice", "slice"]


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenation_along_any_dimension(axis):
    graph = through(lambda n, x: torch.cat([x, torch.sigmoid(x), x], axis), IMAGE)
    assert ops(graph) == ["lookup", "qconcat"]


def shuffled(n, x):
    b, c, h, w = x.shape
    return x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)


@pytest.mark.parametrize("f, x, expected", [
    (shuffled, IMAGE, ["permute_channels"]),
    (lambda n, x: nn.ChannelShuffle(2)(x), IMAGE, ["permute_channels"]),
    (lambda n, x: x[:, [2, 0, 3, 1]], IMAGE, ["permute_channels"]),
    (lambda n, x: x.index_select(1, torch.tensor([3, 2, 1, 0])), IMAGE, ["permute_channels"]),
    (lambda n, x: x.view(-1, 2, 2, 11).transpose(1, 2).reshape(-1, 4, 11), SEQUENCE,
     ["reshape", "permute_channels", "reshape"]),
    (lambda n, x: F.pixel_shuffle(x, 2), IMAGE, ["qconv_transpose2d"]),
    (lambda n, x: F.pixel_unshuffle(x[:, :, :6], 2), IMAGE, ["slice", "qconv2d"]),
    (lambda n, x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2) + 0.5, IMAGE, ["lookup"]),
    (lambda n, x: x.flatten(1).unflatten(1, (4, 9, 8)).unsqueeze(1).squeeze(1) + 1, IMAGE, ["lookup"]),
    (lambda n, x: x.view(len(x), 2, 2, -1).flatten(2) * 2, IMAGE, ["reshape", "lookup"]),
    (lambda n, x: x.mean((2, 3)).unsqueeze(-1).unsqueeze(-1) + x, IMAGE, ["qadaptive_avg_pool2d", "qadd"]),
])  # fmt: skip
def test_views_and_permutations_in_a_row_are_one_move(f, x, expected):
    assert ops(through(f, x)) == expected


@bounded(30)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(2, 8))
def test_pixel_shuffles_move_bytes(r, c, h, w, bits):
    for module, x in (
        (nn.PixelShuffle(r), batch(c * r * r, h, w)),
        (nn.PixelUnshuffle(r), batch(c, h * r, w * r)),
    ):
        layer = icepoint.QPixelShuffle(module, has_qin=True, num_bits=bits)
        layer(x)
        layer.freeze()
        codes = layer.q_in.quantize_tensor(x)
        assert torch.equal(layer.quantize_inference(codes), module(codes))
        through(lambda n, x, module=module: F.relu(module(x)), x, -math.inf, num_bits=bits)


def test_moves_that_are_refused():
    for f, text in (
        (lambda n, x: x.transpose(2, 3), "reorders (n, 4, 9, 8) into (n, 4, 8, 9)"),
        (lambda n, x: x.permute(0, 2, 3, 1).flatten(1), "reorders (n, 4, 9, 8) into (n, 288)"),
        (lambda n, x: x.view(len(x), 2, 2, 9, 8).mean((3, 4)), "the shape (n, 2, 2, 9, 8)"),
        (lambda n, x: x.unbind(1)[0], "takes a tensor apart"),
        (lambda n, x: x[:, [0, 1]], "takes channels [0, 1]"),
        (lambda n, x: x.expand(2, *x.shape)[0], "expand"),
        (lambda n, x: x.repeat(1, 2, 1, 1), "repeat in"),
        (lambda n, x: x.flip(3), "flip in"),
        (lambda n, x: torch.stack([x, x], 1).flatten(1, 2), "stack in"),
    ):
        said = refusal(f, IMAGE)
        assert text in said and ".py:" in said and "; " in said, said


# Padding.


@bounded(40)
@given(
    *[st.integers(0, 3)] * 4, st.sampled_from(("constant", "reflect", "replicate", "circular")),
    st.sampled_from((0.0, 1.5, -7.0, 9.0)), st.integers(2, 8),
)  # fmt: skip
def test_padding(top, bottom, left, right, mode, value, bits):
    value = value if mode == "constant" else 0.0
    pads = (left, right, top, bottom)
    graph = through(lambda n, x: F.relu(F.pad(x, pads, mode, value) * 2), IMAGE, -math.inf, num_bits=bits)
    if mode == "constant" and any(pads):
        assert ops(graph)[-2:] == ["pad", "lookup"]


@pytest.mark.parametrize("value", [0.0, 1.0, -6.0])
def test_constants_beside_the_range_of_the_input(value):
    graph = through(lambda n, x: F.pad(x, (1, 1, 1, 1), value=value), IMAGE)
    assert ops(graph) == (["lookup", "pad"] if value == -6.0 else ["pad"] if value == 0 else ops(graph))
    layer = icepoint.QPad((1, 0, 0, 0), value=value, has_qin=True)
    layer(IMAGE)
    layer.freeze()
    q = layer.q_in if value == 0.0 else layer.q_out
    codes = layer.quantize_inference(layer.q_in.quantize_tensor(IMAGE))
    assert (codes[:, :, 0] == int(q.quantize_tensor(torch.tensor([value])))).all()
    assert float((q.dequantize_tensor(codes[:, :, 1:]) - IMAGE).abs().max()) <= q.scale * 1.01


def test_padding_of_channels_vectors_and_sequences():
    assert ops(through(lambda n, x: F.pad(x, (0, 0, 1, 0, 2, 3)), IMAGE)) == ["pad"]
    assert ops(through(lambda n, x: F.pad(x, (1, 2)), SEQUENCE)) == ["reshape", "pad", "reshape"]
    assert ops(through(lambda n, x: F.pad(x, (1, 2), "circular"), SEQUENCE))[-2:] == ["qconcat", "reshape"]
    assert ops(through(lambda n, x: F.pad(x, (1, 2, 0, 1)), SEQUENCE)) == ["reshape", "pad", "reshape"]
    assert ops(through(lambda n, x: F.pad(x, (1, 2)), batch(5))) == ["reshape", "pad", "reshape"]
    for module in (
        nn.ReflectionPad2d(2),
        nn.ReplicationPad2d((1, 0, 2, 1)),
        nn.ZeroPad2d(1),
        nn.ReflectionPad1d(2),
    ):
        x = SEQUENCE if isinstance(module, nn.ReflectionPad1d) else IMAGE
        assert "pad" in ops(through(lambda n, x, module=module: module(x), x))


def test_padding_that_is_refused():
    assert "negative padding" in refusal(lambda n, x: F.pad(x, (-1, 1)), IMAGE)
    assert "pads with -inf; finite" in refusal(lambda n, x: F.pad(x, (1, 1), value=-math.inf), IMAGE)
    for arguments in (((0, 0, 0),), ((0, 0, 0, -1),), ((0,) * 4, "wrap"), ((1,) * 4, "reflect", 0.0, (1, 0))):
        with pytest.raises(ValueError, match="QPad"):
            icepoint.QPad(*arguments)


# Up-sampling.


@bounded(40)
@given(*[st.integers(1, 20)] * 2, st.sampled_from(("nearest", "bilinear")), st.booleans(), st.integers(2, 8))
def test_up_sampling_to_any_size(h, w, mode, corners, bits):
    corners = corners if mode == "bilinear" else None
    f = lambda n, x: F.interpolate(x, (h, w), mode=mode, align_corners=corners)  # noqa: E731
    found = ops(through(lambda n, x: f(n, x) * 2, IMAGE, -math.inf if bits < 8 else 28.0, num_bits=bits))
    assert found == ["lookup"] or found == [f"upsample_{mode}", "lookup"]
    layer = icepoint.QUpsample((h, w), mode, bool(corners), has_qin=True, num_bits=bits)
    layer(IMAGE)
    layer.freeze()
    codes = layer.q_in.quantize_tensor(IMAGE)
    want = (
        oracle_ops.upsample_nearest(codes.numpy(), (h, w))
        if mode == "nearest"
        else oracle_ops.upsample_bilinear(codes.numpy(), (h, w), corners)
    )
    assert (layer.quantize_inference(codes).numpy() == want).all()


def test_nearest_indices_are_the_oracle_s():
    for size in (1, 2, 3, 7, 10, 224):
        for out in (1, 2, 3, 5, 9, 21, 448):
            assert (nearest_index(size, out).numpy() == oracle_ops.nearest_indices(size, out)).all()


@pytest.mark.parametrize("module, x", [
    (nn.Upsample(scale_factor=2), IMAGE),
    (nn.Upsample(scale_factor=(2, 1.5), mode="bilinear"), batch(4, 6, 8)),
    (nn.Upsample(scale_factor=3, mode="bilinear", align_corners=True), IMAGE),
    (nn.Upsample(size=(5, 5)), IMAGE),
    (nn.UpsamplingNearest2d(scale_factor=2), IMAGE), (nn.UpsamplingBilinear2d(scale_factor=2), IMAGE),
])  # fmt: skip
def test_modules_of_up_sampling(module, x):
    graph = through(lambda n, x: module(x), x, 36.0)
    assert len(ops(graph)) == 1 and "upsample" in ops(graph)[0]
    layer = icepoint.QUpsample(module, has_qin=True)
    layer(x)
    layer.freeze()
    assert layer.quantize_inference(layer.q_in.quantize_tensor(x)).shape == module(x).shape


def test_up_sampling_of_sequences():
    for mode in ("nearest", "linear"):
        graph = through(lambda n, x, mode=mode: F.interpolate(x, scale_factor=2, mode=mode), SEQUENCE, 36.0)
        assert ops(graph)[0] == "reshape" and "upsample" in ops(graph)[1] and len(ops(graph)) == 3
    exact = through(lambda n, x: F.interpolate(x, scale_factor=2, mode="nearest-exact"), IMAGE, 36.0)
    assert ops(exact) == ["upsample_nearest"]


def test_up_sampling_that_is_refused():
    for options, text in (
        (
            {"scale_factor": 1.55, "mode": "bilinear"},
            "scale_factor 1.55 is not the ratio of the sizes 9 and 13",
        ),
        ({"scale_factor": 1.55}, "takes other neighbours than the sizes"),
        ({"size": (5, 5), "mode": "nearest-exact"}, "takes other neighbours"),
        ({"size": (18, 16), "mode": "bicubic"}, "upsample_bicubic2d in"),
        ({"size": (18, 16), "mode": "bilinear", "antialias": True}, "_upsample_bilinear2d_aa in"),
    ):
        said = refusal(lambda n, x, options=options: F.interpolate(x, **options), IMAGE)
        assert text in said and ("give the size" in said or "without antialias" in said), said
    for arguments in (((2, 2), "bicubic"), (nn.Upsample(scale_factor=2, mode="bicubic"),)):
        with pytest.raises(ValueError, match=r"QUpsample\.mode"):
            icepoint.QUpsample(*arguments)
    layer = icepoint.QUpsample(nn.Upsample(scale_factor=1.5), has_qin=True)
    with pytest.raises(ValueError, match="expected whole sizes"):
        layer(IMAGE)


# The layers by hand.


def test_moves_by_hand():
    q = icepoint.QParam.of_range(0.0, 255.0)
    codes = torch.arange(12, dtype=torch.int32).reshape(1, 4, 3)
    for layer, expected in (
        (icepoint.QSlice(1, 1, 4, 2), [[3, 4, 5], [9, 10, 11]]),
        (icepoint.QPermuteChannels([3, 0, 1, 2]), [[9, 10, 11], [0, 1, 2], [3, 4, 5], [6, 7, 8]]),
        (icepoint.QChannelShuffle(2, 4), [[0, 1, 2], [6, 7, 8], [3, 4, 5], [9, 10, 11]]),
    ):
        layer.freeze(q)
        assert layer.quantize_inference(codes)[0].tolist() == expected
        assert torch.equal(layer(codes.float()), layer.quantize_inference(codes).float())
    for make in (
        lambda: icepoint.QSlice(0, 0, 1), lambda: icepoint.QSlice(1, 2, 2),
        lambda: icepoint.QPermuteChannels([0, 0]),
        lambda: icepoint.QChannelShuffle(3, 4), lambda: icepoint.QPixelShuffle(nn.ReLU()),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^Q"):
            make()
    assert np.array_equal(nearest_index(2, 4).numpy(), [0, 0, 1, 1])
