"""The report's numbers against their definitions, computed anew; its forms; that batches do not show."""

import copy
import itertools
import json
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn

import icepoint
from icepoint.qparams import QParam
from icepoint.report.causes import CAUSES
from icepoint.tuning import Tuning

SEED = 5


class Branches(nn.Module):
    """Convolutions with BatchNorm, a table, an addition, a concatenation, a pool and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.act = nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.SiLU()
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        y = self.norm(self.first(x)).relu()
        z = self.act(self.second(y)) + y
        return self.head(torch.cat([y, z], 1).mean((2, 3)))


def images(count, seed=SEED):
    return torch.randn(count, 3, 10, 10, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model():
    print("seed", SEED)
    torch.manual_seed(SEED)
    return Branches().eval()


@pytest.fixture(scope="module")
def coarse(model):
    """Four bits: every cause is large."""
    x = images(64)
    return icepoint.quantize(model, x[:1], [x], num_bits=4, weights="per_tensor_affine", recipe="fast")


def db(signal, noise):
    signal, noise = (float(x.detach().double().square().sum()) for x in (signal, noise))
    return 10 * np.log10(signal / noise)


def test_causes_of_a_layer_by_hand(model, coarse):
    """The chain of variants of docs/report.md for the first convolution, without the report's code."""
    x, layer = images(64)[:32], coarse.stages[1].layer
    with torch.no_grad():
        real = model.norm(model.first(x)).relu()
        given = layer.q_in.dequantize_tensor(layer.q_in.quantize_tensor(x))
        weight, bias = layer.float_weights()
        q = layer.q_weight

        def conv(weight, bias):
            return torch.conv2d(given, weight, bias.float(), padding=1).relu()

        rounded = q.dequantize_tensor(q.quantize_tensor(weight))
        bias_steps = layer.integers["bias"] * (layer.q_in.scale * q.scale)
        variants = [real, conv(weight, bias), conv(rounded, bias), conv(rounded, bias_steps.double())]
        integer = layer.q_out.dequantize_tensor(
            layer.quantize_inference(layer.q_in.quantize_tensor(x))
        )  # nothing is clipped: the ranges come from these images
        variants.append(integer)
        steps = [b - a for a, b in itertools.pairwise(variants)]
    row = coarse.measure(remedies=False).rows[1]
    names = ["inherited", "weight_rounding", "bias_rounding", "activation_rounding"]
    for name, step in zip(names, steps, strict=True):
        assert row.causes[name].sqnr_db == pytest.approx(db(real, step), abs=0.02), name
    assert sum(share.share for share in row.causes.values()) == pytest.approx(1.0)
    assert row.sqnr_db == pytest.approx(db(real, integer - real), abs=1e-3)


def test_each_layer_alone_and_its_part_of_the_outputs(model, coarse):
    """With one layer in integers and exact inputs; the outputs with that layer's error alone."""
    x, layer = images(64)[:8], coarse.stages[-1].layer
    report = coarse.measure(remedies=False)
    with torch.no_grad():
        y = model.norm(model.first(x)).relu()
        z = model.act(model.second(y)) + y
        pooled = torch.cat([y, z], 1).mean((2, 3))
        weight = layer.q_weight.dequantize_tensor(layer.q_weight.quantize_tensor(model.head.weight))
        bias = layer.integers["bias"] * (layer.q_in.scale * layer.q_weight.scale)
        alone = pooled @ weight.T + bias.float()  # of the last layer the accumulators count
    row = report.rows[-1]
    assert row.layer == "head" and row.output_db == pytest.approx(db(model(x), alone - model(x)), abs=0.1)
    parts = [row.output_share for row in report.rows if row.output_share is not None]
    assert sum(parts) == pytest.approx(1.0) and all(part >= 0 for part in parts)
    # What only moves or keeps codes makes no error of its own.
    moves = [row for row in report.rows[:-1] if row.codes_used is None]
    assert moves and all(row.output_db is None for row in moves) and row.codes_used is None


def test_a_layer_s_part_is_what_more_bits_gain():
    """The measured gain of 8 bits for the worst layer is about what its part of the error promises."""
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4)).eval()
    x = images(64)
    q = icepoint.quantize(net, x[:1], [x], weight_bits={"3": 3}, recipe="fast")
    report = q.measure(remedies=600)
    _, verdict = [v for v in report.verdicts if v.severity == "cost"]
    assert (verdict.layer, verdict.cause) == ("3", "weight_rounding") and not report.untried
    gain = next(gain for gain in verdict.gains if gain.change == "8 bits for the weights of 3")
    row = next(row for row in report.rows if row.layer == "3")
    assert row.output_share > 0.9 and gain.db > 10 and gain.after_db > 30
    assert f"-> {gain.after_db:.1f} dB" in str(verdict)
    again = q.again(weight_bits={"3": 8}).measure(remedies=False)
    assert again.outputs.sqnr_db == pytest.approx(gain.after_db, abs=1e-3)


def test_no_time_is_told_and_nothing_is_tried(coarse):
    report = coarse.measure(remedies=1e-9)
    assert report.untried and all(not v.gains for v in report.verdicts)
    assert any("no time to try" in sentence for sentence in report.summary())
    assert not coarse.measure(remedies=False).untried


def test_a_copy_from_a_pickle_reports_and_tries_nothing(coarse):
    copied = pickle.loads(pickle.dumps(coarse))
    report = copied.measure()
    assert report.rows == coarse.measure(remedies=False).rows
    assert all(not v.gains for v in report.verdicts)


def test_weights_that_are_clipped_are_told_from_those_that_are_rounded():
    torch.manual_seed(SEED)
    net, x = nn.Sequential(nn.Linear(6, 4)).eval(), torch.randn(32, 6)
    q = icepoint.quantize(net, x[:1], [x], recipe="fast")
    stage = q.stages[1]
    half = stage.layer.q_weight.scale / 2
    stage.layer.tuning = Tuning(weight_scale=half.float())
    q._plans.first.qparams(fix=True)
    row = q.measure(remedies=False).rows[1]
    with torch.no_grad():
        weight, reach = net[0].weight, 127.5 * half.unsqueeze(1)
        clipped = torch.maximum(torch.minimum(weight, reach), -reach)
        given = q.stages[0].layer.q_in.fake_quantize(x)
        error = given @ (clipped - weight).T
    assert row.causes["weight_clipping"].sqnr_db == pytest.approx(db(net(x).detach(), error), abs=0.01)
    assert row.main_cause == "weight_clipping"


def test_saturation_counts_what_lies_beyond_half_a_step():
    torch.manual_seed(SEED)
    net, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval(), torch.randn(64, 4)
    q = icepoint.quantize(net, x[:1], [x], recipe="fast")
    stage = q.stages[-1]
    assert q.measure(remedies=False).rows[-1].saturated == 0.0  # a ReLU's zeros are none
    stage.layer.q_out = QParam.of_range(0.0, 0.4 * stage.layer.q_out.max)
    q._plans.first.qparams(fix=True)
    with torch.no_grad():
        w, b = stage.layer.q_weight, stage.layer.integers["bias"]
        scale = stage.layer.q_in.scale * w.scale
        weight = w.dequantize_tensor(w.quantize_tensor(net[0].weight))
        y = (stage.layer.q_in.fake_quantize(x[:32]) @ weight.T + (b * scale).float()).relu()
    beyond = y > stage.layer.q_out.scale * 255.5
    assert q.measure(remedies=False).rows[-1].saturated == float(beyond.float().mean()) > 0.0


@pytest.mark.parametrize("batch", [3, 20])
def test_batches_do_not_show(model, batch):
    x = images(64)
    told = icepoint.quantize(model, x[:1], x.split(batch), recipe="fast").measure(remedies=False).to_dict()
    assert told == icepoint.quantize(model, x[:1], [x], recipe="fast").measure(remedies=False).to_dict()


def test_measuring_moves_nothing(coarse):
    x = images(4, seed=9)
    before = coarse(x)
    coarse.measure(images(16, seed=10))
    assert torch.equal(coarse(x), before)


def test_given_data_in_any_form(coarse):
    given = images(140, seed=2)
    report = coarse.measure(given, remedies=False)
    assert report.images == 128 and report.data == "given images"
    assert report.to_dict() == coarse.measure(given.split(16), remedies=False).to_dict()
    with pytest.raises(ValueError, match=r"^report\.data: batch 0"):
        coarse.measure([torch.zeros(2, 4, 10, 10)])
    with pytest.raises(ValueError, match=r"^report\.data: held no batch"):
        coarse.measure([])
    with pytest.raises(ValueError, match=r"^report\.data: quantize\.calibration_data\.txt: expected"):
        coarse.measure("quantize.calibration_data.txt")


def test_the_forms(coarse, tmp_path):
    report = coarse.measure(remedies=False)
    report.rows[1] = copy.copy(report.rows[1])
    object.__setattr__(report.rows[1], "layer", "<b>&")
    told = json.loads(report.to_json(tmp_path / "r.json").read_text())
    assert told == json.loads(json.dumps(report.to_dict()))
    assert set(told["layers"][1]["causes"]) <= set(CAUSES) and told["outputs"]["images"] == 32
    page = report.to_html(tmp_path / "r.html").read_text()
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page
    assert page.count("<svg") == 1 + len(report.sketches) and "data:image/png;base64," in page
    # Nothing is fetched: every address is of the page itself.
    assert set(re.findall(r'(?:src|href)="(.{5})', page)) == {"data:"} and "url(" not in page
    compact = report._repr_html_()
    assert compact in page and "<svg" not in compact and "<img" not in compact
    with pytest.raises(OSError):
        report.to_html(tmp_path / "missing" / "r.html")
    assert "mostly by" in str(report) and "What costs most" in str(report)


def test_inputs_that_are_no_pictures_have_no_thumbnails():
    net, x = nn.Sequential(nn.Linear(6, 4), nn.Tanh()).eval(), torch.randn(8, 6)
    report = icepoint.quantize(net, x[:1], [x], num_bits=4).measure(remedies=False)
    assert report.sketches and not report.thumbnails


def test_histograms_hold_every_value(coarse):
    for sketch in coarse.measure(remedies=False).sketches:
        row = next(r for r in coarse.measure(remedies=False).rows if r.layer == sketch.layer)
        assert sum(sketch.before) == sum(sketch.after) == 32 * int(np.prod(row.shape))
        assert sketch.values == sorted(sketch.values) and len(sketch.images) == 4
        lost = [value for _, value in sketch.images]
        assert lost == sorted(lost)
