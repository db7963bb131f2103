"""icepoint.quantize, operator by operator: padding and up-sampling."""

import math

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
    assert ops(graph) == (["lookup", "pad"] if value == -6.0 else ["pad"])
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
