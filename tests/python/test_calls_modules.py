"""Bad and odd calls of QModules, calibration and freezing: one clear error each, or the same bytes."""

import signal
import time

import pytest
import torch
from torch import nn

import icepoint
from icepoint.models import Net, NetBN
from road_nets import calibrated, frozen, images, subjects

SEED = 15


def net_of(num_bits=8):
    torch.manual_seed(SEED)
    net = Net().eval()
    net.quantize(num_bits)
    return net


class TestCalibration:
    """A1: what the data may be."""

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_non_finite_data_names_batch_and_layer(self, value):
        net, good = net_of(), images(4, 0)
        bad = good.clone()
        bad[2, 0, 5, 5] = value
        with pytest.raises(ValueError, match=r"batch 2: .*qconv1 \(QConv2d\)\.q_in.*NaN or infinity in 1 of"):
            icepoint.calibrate(net, [good, good, bad])
        with pytest.raises(ValueError, match=r"qconv1 \(QConv2d\)\.q_in: .*NaN or infinity"):
            net.quantize_forward(bad)
        icepoint.calibrate(net, [good])
        clean = net_of()
        icepoint.calibrate(clean, [good])
        assert net.freeze().file_bytes == clean.freeze().file_bytes

    def test_layers_inside_blocks_have_their_full_path(self):
        class Outer(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = net_of()

            def quantize_forward(self, x):
                return self.block.quantize_forward(x)

        with pytest.raises(ValueError, match=r"block\.qconv1 \(QConv2d\)"):
            icepoint.calibrate(Outer(), [torch.full((1, 1, 28, 28), float("nan"))])

    @pytest.mark.parametrize("data", [[], (), iter([])])
    def test_no_batch(self, data):
        with pytest.raises(ValueError, match="held no batch"):
            icepoint.calibrate(net_of(), data)

    @pytest.mark.parametrize(
        "x, text",
        [
            (torch.zeros(0, 1, 28, 28), "empty"),
            (torch.zeros(2, 1, 28, 28).double(), "float32"),
            (torch.zeros(2, 1, 28, 28).half(), "float32"),
            (torch.zeros(2, 1, 28, 28).bfloat16(), "float32"),
            (torch.zeros(2, 1, 28, 28, dtype=torch.int32), "float32"),
            (torch.zeros(2, 3, 28, 28), "channels"),
            ({"path": "a.png", "image": torch.zeros(2, 1, 28, 28)}, "str"),
            ("images", "str"),
            ((), "tuple"),
        ],
    )
    def test_other_batches(self, x, text):
        with pytest.raises(ValueError, match=f"batch 1: .*{text}"):
            icepoint.calibrate(net_of(), [images(2, 0), x])
        if isinstance(x, torch.Tensor) and x.dtype != torch.float32:
            with pytest.raises(ValueError, match=r"qconv1 .*float32"):
                net_of().quantize_forward(x)

    @pytest.mark.parametrize("value", [0.0, 3.5, -3.5, 1e-42, -1e-42])
    def test_constant_data(self, value):
        net = net_of()
        x = torch.full((2, 1, 28, 28), value)
        icepoint.calibrate(net, [x])
        q = net.qconv1.q_in
        assert (q.scale, q.zero_point) == icepoint.choose_qparams(min(value, 0), max(value, 0))
        assert q.dequantize_tensor(q.quantize_tensor(torch.zeros(1))).item() == 0.0
        assert torch.equal(net.freeze()(x), net.quantize_inference(x))

    def test_a_range_beyond_every_scale(self):
        x = torch.zeros(1, 1, 28, 28)
        x[0, 0, 0, :2] = torch.tensor([3e38, -3e38])
        with pytest.raises(ValueError, match=r"qconv1 \(QConv2d\)\.q_in.*scale"):
            net_of().quantize_forward(x)

    def test_without_qmodules(self):
        with pytest.raises(ValueError, match="quantize"):
            icepoint.calibrate(Net(), [images(1, 0)])

    def test_all_or_some_batches(self):
        net, x = net_of(), images(8, 0)
        assert icepoint.calibrate(net, x.split(2), max_batches=3) == 3
        assert net.qconv1.q_in.max == float(x[:6].max())


class TestOrder:
    """A2: what comes before what."""

    @pytest.mark.parametrize("name", tuple(subjects()))
    def test_freeze_before_calibrate_names_the_layer(self, name):
        make, channels = subjects()[name]
        net = make().eval()
        net.quantize()
        first = next(n for n, m in net.named_modules() if isinstance(m, icepoint.QModule))
        for call in (net.freeze, lambda: icepoint.freeze(net, images(1, 0, channels))):
            with pytest.raises(ValueError, match=rf"calibrate first: {first} \(.*\)\.q_in has seen no data"):
                call()
        with pytest.raises(ValueError, match="calibrate first"):
            net.quantize_inference(images(1, 0, channels))

    def test_inference_before_freeze(self):
        net = calibrated("Net")
        with pytest.raises(ValueError, match=r"qconv1 \(QConv2d\): freeze first"):
            net.quantize_inference(images(1, 0))

    def test_calibrate_after_freeze(self):
        net = calibrated("Net")
        file = net.freeze().file_bytes
        with pytest.raises(ValueError, match="frozen"):
            icepoint.calibrate(net, [images(4, 1) * 50])
        assert net.freeze().file_bytes == file

    def test_freezing_moves_no_observer(self):
        net = calibrated("ResidualNet")
        layers = [m for m in net.modules() if isinstance(m, icepoint.QModule)]
        before = [(q.min, q.max) for m in layers for n, q in m._named_qparams() if n == "q_out"]
        frozen(net, "ResidualNet")
        assert [
            (q.min, q.max) for m in layers if m.has_qout or hasattr(m, "q_out") for q in [m.q_out]
        ] == before

    def test_train_mode(self):
        net = calibrated("NetBN").train()
        with pytest.raises(ValueError, match=r"qconv1 \(QConvBNReLU\): .*train\(\) mode.*eval\(\)"):
            net.freeze()
        net.eval()
        assert net.freeze().file_bytes == calibrated("NetBN").freeze().file_bytes
        plain = calibrated("Net").train()  # nothing in it depends on the mode
        assert plain.freeze().file_bytes == calibrated("Net").freeze().file_bytes

    def test_training_mode_never_moves_batchnorm(self):
        net = NetBN().train()
        net.quantize()
        before = net.bn1.running_mean.clone()
        net.quantize_forward(images(4, 0) * 7)
        assert torch.equal(net.bn1.running_mean, before) and int(net.bn1.num_batches_tracked) == 0


class TestTensors:
    """A5: what a tensor of codes may be."""

    @pytest.mark.parametrize("name", ["Net", "ResidualNet"])
    def test_layouts_give_the_same_bytes_and_stay_as_they_are(self, name):
        net = calibrated(name)
        frozen(net, name)
        first = net.qconv1 if name == "Net" else net.qstem
        codes = first.q_in.quantize_tensor(images(4, 1, subjects()[name][1]))
        wide = torch.zeros(4, codes.shape[1], 28, 60, dtype=torch.int32)
        wide[..., 3:59:2] = codes
        odd = [
            codes.contiguous(memory_format=torch.channels_last),
            codes.transpose(2, 3).contiguous().transpose(2, 3),
            wide[..., 3:59:2],
            codes.to(torch.uint8),
            codes.to(torch.int64),
        ]
        expected = first.quantize_inference(codes)
        for x in odd:
            before = x.clone()
            assert torch.equal(first.quantize_inference(x), expected)
            assert torch.equal(x, before)
        expanded = codes[:1].expand(4, -1, -1, -1)
        assert torch.equal(first.quantize_inference(expanded)[3], expected[0])
        assert not expanded.is_contiguous()

    def test_layouts_of_floats(self):
        model, x = calibrated("ResidualNet"), images(4, 1, channels=3)
        model = frozen(model, "ResidualNet")
        wide = torch.zeros(4, 3, 28, 60)
        wide[..., 3:59:2] = x
        for odd in (
            x.contiguous(memory_format=torch.channels_last),
            wide[..., 3:59:2],
            x.clone().requires_grad_(),
        ):
            assert all(torch.equal(a, b) for a, b in zip(model(odd), model(x), strict=True))
        backwards = torch.from_numpy(x.numpy()[:, :, ::-1].copy()).flip(2)
        assert torch.equal(model(backwards)[0], model(x)[0])

    def test_empty_batch(self):
        net = calibrated("Net")
        model = net.freeze()
        x = images(1, 0)[:0]
        assert net.quantize_inference(x).shape == model(x).shape == (0, 10)
        assert model.codes(x).shape == (0, 10) and model.codes(x).dtype == torch.uint8

    @pytest.mark.parametrize(
        "codes, text",
        [
            (torch.zeros(1, 1, 28, 28), "int32 codes .*found torch.float32"),
            (torch.zeros(1, 1, 28, 28, dtype=torch.bool), "found torch.bool"),
            ([[0]], "found list"),
            (torch.full((1, 1, 28, 28), 256), r"0\.\.255, found 256\.\.256"),
            (torch.full((1, 1, 28, 28), -1), r"0\.\.255, found -1\.\.-1"),
            (torch.zeros(1, 28, 28, dtype=torch.int32), "qconv2d"),
            (torch.zeros(1, 3, 28, 28, dtype=torch.int32), "qconv2d"),
            (torch.zeros(1, 1, 2, 2, dtype=torch.int32), "qconv2d"),
        ],
    )
    def test_other_codes_name_the_layer(self, codes, text):
        net = calibrated("Net")
        net.freeze()
        with pytest.raises(ValueError, match=rf"QConv2d: .*{text}"):
            net.qconv1.quantize_inference(codes)

    def test_codes_of_fewer_bits(self):
        net = calibrated("Net", num_bits=3)
        net.freeze()
        with pytest.raises(ValueError, match=r"0\.\.7, found 0\.\.8"):
            net.qrelu1.quantize_inference(torch.tensor([0, 8]))

    @pytest.mark.parametrize("device", ["meta"])
    def test_other_devices(self, device):
        net = calibrated("Net")
        model = net.freeze()
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
            net.qconv1.quantize_inference(torch.zeros(1, 1, 28, 28, dtype=torch.int32, device=device))
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
            model(torch.zeros(1, 1, 28, 28).to_sparse())


def test_interrupting_calibration_leaves_a_usable_state():
    """A11: Ctrl-C during a long calibration arrives within a second."""
    net, x = net_of(), images(64, 3)

    def minutes():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            yield x
        raise AssertionError("a minute went by without a look at the signal")

    # What Ctrl-C does, by another signal: SIGINT may be ignored where the tests run in the background.
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            icepoint.calibrate(net, minutes())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    icepoint.calibrate(net, [x])
    fresh = net_of()
    icepoint.calibrate(fresh, [x])
    assert net.freeze().file_bytes == fresh.freeze().file_bytes
