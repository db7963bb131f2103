"""icepoint.quantize, operator by operator: joins, cuts, shuffles and views."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import icepoint
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


def test_writes_into_parts_are_not_lost():
    """What was written through a part changes the whole, and the other way round."""

    def into_a_part(n, x):
        a, _ = (y := x * 2).chunk(2, 1)
        a.relu_()
        return y + 1

    def into_the_whole(n, x):
        _, b = (y := x * 2).chunk(2, 1)
        y.relu_()
        return b + 1

    for f in (into_a_part, into_the_whole):
        assert "view of a tensor that was written in place since" in refusal(f, IMAGE)


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
