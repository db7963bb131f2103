"""Odd arguments of the road's functions and classes: accepted as documented, or one clear ValueError."""

import os

import pytest
import torch
from torch import nn

import icepoint
from icepoint.models import Net
from road_nets import calibrated, images


class TestNumbers:
    """quantize_tensor, dequantize_tensor, QParam."""

    @pytest.mark.parametrize("bits, signed", [(8, False), (32, True)])
    @pytest.mark.parametrize("axis", [2, 7, -3])
    def test_an_axis_that_the_tensor_lacks(self, bits, signed, axis):
        x, scale = torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match=rf"axis.* {axis} is not in -2\.\.1"):
            icepoint.quantize_tensor(x, scale, torch.zeros(3), bits, signed, axis=axis)
        for codes in (torch.full((2, 3), 7), torch.full((2, 3), -400)):
            with pytest.raises(ValueError, match=rf"axis.* {axis} is not in -2\.\.1"):
                icepoint.dequantize_tensor(codes, scale, torch.zeros(3), axis=axis)

    def test_scales_that_do_not_fit_the_axis(self):
        wide = torch.full((2, 3), -400)
        with pytest.raises(ValueError, match="scale: expected 1 element or 3, found 2"):
            icepoint.dequantize_tensor(wide, torch.ones(2), 0, axis=1)
        with pytest.raises(ValueError, match="scale: expected 1 element, found 3"):
            icepoint.quantize_tensor(torch.ones(2, 3), torch.ones(3), 0, 32, True)

    @pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
    @pytest.mark.parametrize("code", [7, -400])
    def test_no_scale(self, scale, code):
        with pytest.raises(ValueError, match="scale: "):
            icepoint.dequantize_tensor(torch.tensor([code]), scale, 0)

    @pytest.mark.parametrize("zero_point", [0.5, float("nan"), 2**40])
    def test_a_zero_point_is_an_integer(self, zero_point):
        with pytest.raises(ValueError, match="zero_point"):
            icepoint.quantize_tensor(torch.ones(2), 1.0, zero_point)
        with pytest.raises(ValueError, match="zero_point"):
            icepoint.dequantize_tensor(torch.tensor([3]), 1.0, zero_point)
        assert icepoint.quantize_tensor(torch.ones(1), 1.0, 3.0).tolist() == [4]

    def test_a_bias_is_divided_in_double(self):
        x = torch.tensor([1e8], dtype=torch.float64)
        assert icepoint.quantize_tensor(x, 0.1, 0, 32, True).tolist() == [10**9]

    @pytest.mark.parametrize("x", [torch.eye(3).to_sparse(), torch.zeros(3, device="meta")])
    def test_an_observer_refuses_what_has_no_dense_data(self, x):
        q = icepoint.QParam()
        with pytest.raises(ValueError, match="dense tensor with data"):
            q.update(x)
        assert q.scale is None
        with pytest.raises(ValueError, match="lies on meta"):
            icepoint.choose_weight_qparams(torch.zeros(3, 2, device="meta"))


class TestLayers:
    """Constructors and shapes."""

    def test_no_bits_only_where_none_are_needed(self):
        assert (
            icepoint.QReLU(num_bits=None).num_bits == icepoint.QMaxPooling2d(2, num_bits=None).num_bits == 8
        )
        for call in (
            lambda: Net().quantize(None),
            lambda: icepoint.QConv2d(nn.Conv2d(1, 1, 1), num_bits=None),
            lambda: icepoint.QAdd(num_bits=None),
        ):
            with pytest.raises(ValueError, match=r"integer in 2\.\.8, found None"):
                call()

    @pytest.mark.parametrize("make", [icepoint.QMaxPooling2d, icepoint.QAvgPool2d])
    @pytest.mark.parametrize(
        "arguments, text",
        [
            ((2.0,), r"kernel_size: expected an integer or a pair.*2\.0"),
            ((0,), "kernel_size: expected at least 1, found 0"),
            (((2, -1),), "kernel_size: expected at least 1"),
            ((2, 0), "stride: expected at least 1, found 0"),
            ((2, 1, -1), "padding: expected at least 0, found -1"),
            (((2, 2, 2),), "kernel_size"),
            ((nn.Conv2d(1, 1, 1),), "kernel_size: .*Conv2d"),
        ],
    )
    def test_windows(self, make, arguments, text):
        with pytest.raises(ValueError, match=rf"{make.__name__}\.{text}"):
            make(*arguments)

    def test_other_arguments(self):
        for call, text in (
            (lambda: icepoint.QAvgPool2d(2, divisor_override=2.5), r"divisor_override: .*2\.5"),
            (lambda: icepoint.QAvgPool2d(2, divisor_override=0), "divisor_override: .*0"),
            (lambda: icepoint.QAdaptiveAvgPool2d(1.5), r"output_size: .*1\.5"),
            (lambda: icepoint.QAdaptiveAvgPool2d(0), "output_size: expected at least 1"),
            (lambda: icepoint.QConcat("channels"), "axis: .*channels"),
            (lambda: icepoint.QConcat(0), "axis: .*0"),
        ):
            with pytest.raises(ValueError, match=text):
                call()

    @pytest.mark.parametrize("shape", [(2, 3, 28, 28), (1, 28, 28), (28, 28), (2, 1, 1, 28, 28)])
    def test_shapes_name_the_layer(self, shape):
        net = Net()
        net.quantize()
        text = r"qconv1 \(QConv2d\): expected shape \(n, 1 channels, h, w\), found \(" + str(shape[0])
        with pytest.raises(ValueError, match=text):
            net.quantize_forward(torch.zeros(shape))
        with pytest.raises(ValueError, match="batch 0: " + text):
            icepoint.calibrate(net, [torch.zeros(shape)])
        with pytest.raises(ValueError, match=r"QLinear: expected shape \(\.\.\., 4 features\)"):
            icepoint.QLinear(nn.Linear(4, 2))(torch.zeros(2, 5))
        assert net.qconv1.q_in.scale is None

    def test_a_wrong_number_of_inputs_names_the_layer_once(self):
        cat, q = icepoint.QConcat(), icepoint.QParam.of_range(-1, 1)
        cat(torch.ones(2, 3), torch.ones(2, 3))
        cat.freeze(q, q)
        with pytest.raises(ValueError, match=r"^QConcat: expected 2 inputs, found 1$"):
            cat.quantize_inference(torch.zeros(2, 3, dtype=torch.int32))
        with pytest.raises(ValueError, match=r"^QConcat\.freeze: expected 2 QParams of inputs, found 3$"):
            cat.freeze(q, q, q)

    def test_inputs_by_name(self):
        net, x = calibrated("Net"), images(2, 0)
        net.freeze()
        codes = net.qconv1.q_in.quantize_tensor(x)
        assert torch.equal(net.qconv1.quantize_inference(x=codes), net.qconv1.quantize_inference(codes))


class TestFiles:
    """Names of files."""

    def test_names(self, tmp_path):
        model = calibrated("Net").freeze()
        for name in (b"bytes.ice", "größe.ice", b"\xff\xfe.ice", os.fsdecode(b"\xff.ice")):
            path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
            path = path if isinstance(name, bytes) else os.fsdecode(path)
            assert icepoint.load(model.save(path)).digest == icepoint.load(path).digest == model.digest

    def test_a_zero_byte(self, tmp_path):
        model = calibrated("Net").freeze()
        for call in (model.save, icepoint.load):
            with pytest.raises(ValueError, match="zero byte") as caught:
                call(f"{tmp_path}/a\0b")
            assert len(str(caught.value)) < 300
        assert not list(tmp_path.iterdir())


class TestFreeze:
    """icepoint.freeze's own arguments and sentences."""

    class Own(nn.Module):
        def __init__(self, infer):
            super().__init__()
            self.a, self.b, self.add = icepoint.QLinear(nn.Linear(6, 6)), icepoint.QReLU(), icepoint.QAdd()
            self.infer = infer
            x = torch.linspace(-2, 2, 24).reshape(4, 6)
            y = self.a(x)
            self.add(y, self.b(y))
            self.a.freeze()
            self.b.freeze(self.a.q_out)
            self.add.freeze(self.a.q_out, self.a.q_out)

        def quantize_inference(self, x):
            q = self.a.quantize_inference(self.a.q_in.quantize_tensor(x))
            return self.infer(self, q)

    def test_inputs_by_name_follow_the_layer_s_order(self):
        def swapped(s, q):
            return s.add.q_out.dequantize_tensor(s.add.quantize_inference(b=s.b.quantize_inference(q), a=q))

        net, x = self.Own(swapped), torch.linspace(-3, 3, 12).reshape(2, 6)
        model = icepoint.freeze(net, x)
        assert torch.equal(model(x), net.quantize_inference(x))
        assert model.describe()["ops"][-1]["inputs"] == [1, 2]

    @pytest.mark.parametrize("result", [lambda s, q: q, lambda s, q: None, lambda s, q: {"y": q}])
    def test_a_wrong_result_names_the_method(self, result):
        with pytest.raises(
            ValueError, match=r"test_calls_arguments\.py:\d+: `def quantize_inference.*must return"
        ):
            icepoint.freeze(self.Own(result), torch.zeros(1, 6))

    def test_codes_may_change_to_types_that_hold_them(self):
        for cast in (torch.Tensor.long, torch.Tensor.short, torch.Tensor.byte, lambda q: q.to(torch.int64)):
            net = self.Own(
                lambda s, q, cast=cast: s.a.q_out.dequantize_tensor(s.b.quantize_inference(cast(q)))
            )
            icepoint.freeze(net, torch.zeros(1, 6)).verify()
        for cast in (torch.Tensor.char, lambda q: q.to(torch.int8)):
            net = self.Own(
                lambda s, q, cast=cast: s.a.q_out.dequantize_tensor(s.b.quantize_inference(cast(q)))
            )
            with pytest.raises(ValueError, match="int8, which holds no code above 127"):
                icepoint.freeze(net, torch.zeros(1, 6))

    def test_what_is_no_such_network(self):
        with pytest.raises(ValueError, match=r"Linear has no quantize_inference: .*icepoint.quantize"):
            icepoint.freeze(nn.Linear(2, 2), torch.zeros(1, 2))

    def test_the_example_s_memory_format_does_not_matter(self):
        net, x = calibrated("OwnNet"), images(2, 0)
        file = icepoint.freeze(net, x).file_bytes
        assert icepoint.freeze(net, x.contiguous(memory_format=torch.channels_last)).file_bytes == file
        turned = x.transpose(2, 3).contiguous().transpose(2, 3)
        assert icepoint.freeze(net, turned).file_bytes == file


def test_op_errors_name_an_argument_once():
    op, scale = torch.ops.icepoint, torch.tensor([0.0])
    zero = torch.zeros(1, dtype=torch.int32)
    with pytest.raises(ValueError, match=r"^quantize\.scale: 0 is not in 2\^-100\.\.2\^100"):
        op.quantize(torch.ones(2), scale, zero, 0, 255)
    with pytest.raises(ValueError, match=r"^quantize\.scale: has shape \(3\), expected \(1\)$"):
        op.quantize(torch.ones(2), torch.ones(3), zero, 0, 255)
