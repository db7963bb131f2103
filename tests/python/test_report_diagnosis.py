"""Networks broken on purpose: the report names the layer and the cause, and calls sound networks sound."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import icepoint
from icepoint import data
from icepoint.models import Net, NetBN
from icepoint.qparams import QParam
from icepoint.weights import SCHEMES

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared/data"
RECIPE = data.RECIPES["mnist"]


@pytest.fixture(scope="module")
def pixels():
    """128 test digits (n, 1, 28, 28), whole numbers 0..255 as float32."""
    return torch.from_numpy(data.load("mnist").test_images[:128]).unsqueeze(1).float()


@pytest.fixture(scope="module")
def digits(pixels):
    """The same as the committed networks take them."""
    return data.normalize(pixels.squeeze(1).to(torch.uint8).numpy())


def trained(kind):
    net = kind()
    name = {Net: "mnist_cnn.pt", NetBN: "mnist_cnnbn.pt"}[kind]
    net.load_state_dict(torch.load(REPOSITORY / "ckpt" / name, weights_only=True))
    return net.eval()


def quantized(net, x, calibration, recipe="fast", **options):
    """By default without methods, which may cure what is to be found."""
    return icepoint.quantize(net, x[:1], [calibration], recipe=recipe, **options)


def problems(q, given=None):
    """(layer, cause) of each problem that the report names."""
    return [(v.layer, v.cause) for v in q.measure(given, remedies=False).problems]


@pytest.mark.parametrize("kind", [Net, NetBN])
@pytest.mark.parametrize("weights", SCHEMES)
def test_sound_networks_have_no_problem(kind, weights, digits):
    q = quantized(trained(kind), digits, digits, "accurate", weights=weights, input_recipe=RECIPE)
    report = q.measure()
    assert report.verdicts and not report.problems and "No problem found." in report.summary()
    assert not [v for v in report.verdicts if v.cause == "dead_channels"]
    assert "The outputs are near to float: nothing has to be done." in report.summary()
    assert problems(q, digits) == []


@pytest.mark.skipif(not (SHARED / "nets").is_dir(), reason="the pretrained ResNet-20 is not here")
@pytest.mark.parametrize("weights", ["per_channel", "per_tensor_affine"])
def test_a_sound_residual_network_has_no_problem(weights, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SHARED), *sys.path])
    import pretrained

    x = torch.from_numpy(np.load(SHARED / "nets/cifar10_train1000.npz")["x"][:96])
    recipe = icepoint.Recipe(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    inputs = recipe(x.permute(0, 3, 1, 2))
    q = quantized(pretrained.cifar_resnet20(), inputs, inputs[:64], weights=weights)
    assert problems(q) == [] and problems(q, inputs[64:]) == []


def with_an_outlier(net):
    """The same function, but for rounding: channel 3 of conv1 fifty times as large, and taken back behind."""
    with torch.no_grad():
        for tensor in (net.conv1.weight, net.conv1.bias):
            tensor[3] *= 50
        net.conv2.weight[2:4, 1] /= 50  # conv2 has groups: only its channels 2 and 3 read channel 3
    return net


def test_outlier_channels_of_weights(digits):
    q = quantized(with_an_outlier(trained(Net)), digits, digits, weights="per_tensor_affine")
    report = q.measure(remedies=False)
    (verdict,) = report.problems
    assert (verdict.layer, verdict.cause) == ("conv1", "weight_outliers")
    assert "weights of channel 3 reach" in verdict.says and 'weights="per_channel"' in verdict.remedy
    row = next(row for row in report.rows if row.layer == "conv1")
    assert row.channels.weights.channels == [3] and row.channels.weights.ratio > 30


def test_outlier_channels_of_activations(digits):
    report = quantized(with_an_outlier(trained(Net)), digits, digits).measure(remedies=False)
    (verdict,) = report.problems
    assert (verdict.layer, verdict.cause) == ("conv1", "activation_outliers")
    assert "results of channel 3 reach" in verdict.says
    row = next(row for row in report.rows if row.layer == "conv1")
    assert row.main_cause == "activation_rounding" and row.channels.activations.channels == [3]


def test_calibration_that_covers_too_little(digits):
    q = quantized(trained(Net), digits, digits * 0.2 - 0.3)  # dark and grey, but never white
    assert problems(q) == []  # its own images are within its ranges
    report = q.measure(digits, remedies=False)
    (verdict,) = report.problems
    assert (verdict.layer, verdict.cause) == ("x", "clipped_range")
    assert report.images == 128 and report.rows[0].saturated > 0.1 and report.outputs.changed > 0


def test_one_layer_with_a_clipped_range(digits):
    q = quantized(trained(Net), digits, digits)
    stage = next(stage for stage in q.stages if stage.name == "conv2")
    before = {row.layer: row for row in q.measure(remedies=False).rows}
    stage.layer.q_out = QParam.of_range(0.0, 0.2 * stage.layer.q_out.max)
    q._plans.first.qparams(fix=True)
    report = q.measure(remedies=False)
    assert [(v.layer, v.cause) for v in report.problems] == [("conv2", "clipped_range")]
    rows = {row.layer: row for row in report.rows}
    assert rows["conv2"].main_cause == "activation_clipping" and rows["conv2"].saturated > 0.01
    assert rows["conv1"].causes == before["conv1"].causes
    assert rows["fc"].main_cause != "activation_clipping"  # it inherits, and is not blamed


def kill_weights(net):
    net.conv1.weight[5] = 0
    net.conv1.bias[5] = 0


def kill_gamma(net):
    net.bn1.weight[4] = 0


def kill_variance(net):
    net.bn2.running_var[6] = 1e-12


def kill_activity(net):
    net.conv2.bias[7] = -100


@pytest.mark.parametrize("kind, kill, layer, reason, channel", [
    (Net, kill_weights, "conv1", "weights", 5),
    (NetBN, kill_gamma, "conv1", "gamma", 4),
    (NetBN, kill_variance, "conv2", "variance", 6),
    (Net, kill_activity, "conv2", "never_active", 7),
])  # fmt: skip
def test_dead_channels(kind, kill, layer, reason, channel, digits):
    net = trained(kind)
    with torch.no_grad():
        kill(net)
    report = quantized(net, digits, digits).measure(remedies=False)
    (verdict,) = [v for v in report.verdicts if v.cause == "dead_channels"]
    assert verdict.layer == layer and f"dead: channel {channel} (" in verdict.says
    row = next(row for row in report.rows if row.layer == layer)
    assert row.channels.dead == {reason: [channel]}


@pytest.mark.parametrize("kind, scale, recipe, layer", [
    (Net, 1, None, "x"),  # whole numbers, and outputs that explode
    (Net, 1, RECIPE, "x"),
    (Net, 255, RECIPE, "x"),
    (NetBN, 1, None, "conv1"),  # BatchNorm remembers what it saw in training
    (NetBN, 255, None, "conv1"),
    (NetBN, 1, RECIPE, "x"),
])  # fmt: skip
def test_data_that_are_not_normalized(kind, scale, recipe, layer, pixels):
    x = pixels / scale
    report = quantized(trained(kind), x, x, input_recipe=recipe).measure(remedies=False)
    assert [(v.layer, v.cause) for v in report.problems] == [(layer, "unnormalized_data")]
    assert ("0..255" if scale == 1 else "0..1") in report.problems[0].says


def test_calibration_on_pixels_shows_on_inputs(pixels, digits):
    found = problems(quantized(trained(Net), digits, pixels), digits)
    assert ("x", "wide_range") in found and ("conv1", "wide_range") in found


def test_a_batchnorm_that_was_never_trained_tells_nothing(digits):
    torch.manual_seed(7)
    assert problems(quantized(NetBN().eval(), digits, digits)) == []


def test_the_remedy_of_a_problem_is_measured(digits):
    """What the verdict says that the remedy gains is what the model has when one does it."""
    q = quantized(with_an_outlier(trained(Net)), digits, digits, weights="per_tensor_affine")
    report = q.measure(remedies=600)
    verdict = next(v for v in report.problems if v.cause == "weight_outliers")
    gain = next(gain for gain in verdict.gains if gain.change == 'weights="per_channel"')
    done = q.again(weights="per_channel").measure(remedies=False).outputs
    assert gain.before_db == report.outputs.sqnr_db and gain.db > 2.0
    assert gain.after_db == pytest.approx(done.sqnr_db, abs=1e-3)
    assert f"{gain.before_db:.1f} dB -> {gain.after_db:.1f} dB" in str(verdict)

    narrow = quantized(trained(Net), digits, digits * 0.2 - 0.3)
    before = narrow(digits)
    (verdict,) = narrow.measure(digits, remedies=600).problems
    assert verdict.gains[0].change == "calibrate on these images too" and verdict.gains[0].db > 20.0
    assert verdict.gains[0].changed_after < verdict.gains[0].changed_before
    assert torch.equal(narrow(digits), before)  # tried on a copy


def test_methods_that_fold_batchnorm_do_not_hide_it(pixels, digits):
    net = trained(NetBN)
    with torch.no_grad():
        kill_gamma(net)
    report = quantized(net, pixels, pixels, ["fold_batchnorm"]).measure(remedies=False)
    assert [(v.layer, v.cause) for v in report.problems] == [("conv1", "unnormalized_data")]
    report = quantized(net, digits, digits, ["fold_batchnorm"]).measure(remedies=False)
    assert next(row for row in report.rows if row.layer == "conv1").channels.dead == {"gamma": [4]}


def test_images_of_another_size_are_reported_too():
    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    x, larger = torch.randn(8, 1, 9, 9), torch.randn(8, 1, 12, 15)
    rows = quantized(net, x, x).measure(larger, remedies=False).rows
    assert [row.shape for row in rows] == [(1, 12, 15), (4, 10, 13)]
