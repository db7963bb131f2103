"""icepoint.quantize on chains: what becomes integer, what is refused with the whole list, and the report."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
import oracle_graph
from road_nets import SCHEMES, float_bytes, images, randomize_batchnorm

SEED = 14


def sequential() -> nn.Module:
    torch.manual_seed(SEED)
    return randomize_batchnorm(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(8, 8, 3, 2, groups=4, bias=False), nn.ReLU(inplace=True), nn.Dropout()),
            nn.AvgPool2d(2, 1, 1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d((3, 2)), nn.Flatten(),
            nn.Linear(48, 20), nn.Hardtanh(0, 6), nn.Dropout(), nn.Linear(20, 6), nn.Sigmoid(),
        ), SEED,
    )  # fmt: skip


class Functional(nn.Module):
    """A chain without submodules for most of it: parameters of its own, F and tensor methods."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 1, 5, 5) * 0.2)
        self.bn = nn.BatchNorm2d(6, affine=False)
        self.fc = nn.Linear(6 * 6 * 6, 4, bias=False)

    def forward(self, x):
        x = F.conv2d(x, self.kernel, stride=(2, 2))
        x = self.bn(x).relu()
        x = F.dropout(x, 0.3, self.training)
        x = F.max_pool2d(x, 3, 2, padding=1)
        return self.fc(x.view(x.size(0), -1))


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("make", [sequential, Functional, icepoint.models.Net, icepoint.models.NetBN])
def test_chains_become_integers(make, weights):
    torch.manual_seed(SEED)
    model = randomize_batchnorm(make(), SEED)
    x = images(40, SEED)
    before, real = float_bytes(model), model(x).detach()
    for bits in (8, 5, 2):
        q = icepoint.quantize(model, x[:1], x.split(16), num_bits=bits, weights=weights)
        frozen = q.freeze()
        frozen.verify()
        y = frozen(x)
        assert torch.equal(q(x), y), (bits, SEED)
        assert float_bytes(model) == before and torch.equal(model(x), real) and not model.training
        if bits == 8:
            assert float((y - real).abs().max()) < 0.06 * float(real.abs().max())
        traced = frozen.trace(x[:4])
        file = oracle_graph.open_frozen(frozen.file_bytes)
        values = oracle_graph.run(file.graph, file.tensors, [traced["x"]])
        assert all((a == b).all() for a, b in zip(traced.values(), values, strict=True))
        assert (
            icepoint.quantize(model, x[:1], x.split(5), bits, weights).freeze().file_bytes
            == frozen.file_bytes
        )


def test_fusions_observe_behind_the_activation():
    q = icepoint.quantize(sequential(), images(1, 0), [images(16, 1)])
    rows = {row.layer: row.computes for row in q.report().rows}
    assert (
        rows["0"] == "QConvBNReLU + relu6" and rows["4.0"] == "QConv2d + relu" and rows["6"] == "QBatchNorm2d"
    )
    assert rows["9"] == "QLinear + relu6"
    first = q.get_submodule("0")
    assert first.q_out.min == 0.0 and first.q_out.max <= 6.0


def test_the_model_road_and_the_simulation():
    q = icepoint.quantize(sequential(), images(1, 0), [(images(32, 1), torch.zeros(32))])
    x = images(8, 2).requires_grad_()
    assert not q.training and torch.equal(q(x), q.quantize_inference(x))
    q.train()
    y = q(x)
    assert float((y - q.quantize_inference(x)).detach().abs().max()) < 0.05
    y.sum().backward()
    assert bool(torch.isfinite(x.grad).all()) and bool(x.grad.abs().sum() > 0)
    q.eval()
    file = q.freeze().file_bytes
    for copied in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert torch.equal(copied(x), q(x)) and copied.freeze().file_bytes == file


def test_recipe_and_batches():
    model, recipe = sequential(), icepoint.Recipe(mean=[0.5], std=[0.25], divide=1)
    batch = images(4, 0)
    for example in (batch, batch[:1], (batch,), [batch]):
        assert icepoint.quantize(model, example, [[batch, 1]], recipe=recipe).freeze().recipe == recipe


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = F.instance_norm(self.a(x))
        x = torch.maximum(x, self.b(x))
        return torch.softmax(x.flatten(1), 1) * 2.0


def test_the_whole_list_of_what_is_missing():
    with pytest.raises(ValueError) as caught:
        icepoint.quantize(Branches().eval(), images(1, 0), [images(2, 0)])
    text = str(caught.value)
    lines = text.splitlines()
    assert "Branches has parts without an integer form" in lines[0]
    for operator, code, remedy in (
        ("instance_norm", "F.instance_norm(self.a(x))", "train with BatchNorm2d"),
        ("maximum", "torch.maximum(x, self.b(x))", "a + relu(b - a)"),
        ("softmax", "torch.softmax", "move it to the network's end, or apply it to the float result"),
    ):
        (line,) = [line for line in lines if f". {operator} in" in line]
        assert code in line and "test_quantize_chain.py:" in line
        assert remedy in line.split("; ")[-1]
    assert " conv2d in" not in text and len(lines) == 4


class Several(nn.Module):
    """Operators with several results, and one that is no operator of torch's."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 4, batch_first=True)

    def forward(self, x):
        a, b = x.unbind(1)[0].topk(14, 1)
        with torch.no_grad():
            c = a.relu() + b
        values, _ = self.lstm(c)
        return F.normalize(values)


def test_operators_with_several_results_are_listed():
    with pytest.raises(ValueError) as caught:
        icepoint.quantize(Several().eval(), images(1, 0), [images(2, 0)])
    text = str(caught.value)
    assert all(f" {name} in" in text for name in ("unbind", "topk", "lstm", "linalg_vector_norm")), text
    assert "getitem" not in text


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 3, 28, 28), (28,)])
def test_batches_are_as_the_example(shape):
    data = [images(2, 0), torch.zeros(shape)]
    with pytest.raises(
        ValueError, match=r"calibration_data: batch 1: expected shape \(n, 1, 28, 28\), found"
    ):
        icepoint.quantize(sequential(), images(1, 0), data)
    with pytest.raises(ValueError, match=r"batch 0: .*found \(1, 28, 28\)"):
        icepoint.quantize(sequential(), images(1, 0), list(images(4, 0)))  # no batches


def test_not_strict_keeps_float_and_says_so(tmp_path):
    torch.manual_seed(SEED)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.Flatten(), nn.Linear(2704, 5), nn.Softmax(1)
    ).eval()
    x = images(16, 3)
    with pytest.raises(ValueError, match=r"(?s)1\. instance_norm in 1 "):
        icepoint.quantize(model, x[:1], [x])
    q = icepoint.quantize(model, x[:1], [x], strict=False)
    assert float((q(x) - model(x)).detach().abs().max()) < 0.02
    report = q.report()
    assert [row.layer for row in report.rows if not row.integer] == ["1"]
    assert [item["operator"] for item in report.to_dict()["not_integer"]] == ["instance_norm"]
    assert (
        "stays float: instance_norm" in str(report)
        and "These stay float" in report.to_html(tmp_path / "r.html").read_text()
    )
    with pytest.raises(ValueError, match=r"(?s)would stay float.*instance_norm"):
        q.freeze()


def test_report(capsys, tmp_path):
    model, x = sequential(), images(40, 4)
    q = icepoint.quantize(model, x[:1], [x])
    report = q.report()
    printed = capsys.readouterr().out
    assert "QConvBNReLU + relu6" in printed and "100.0 %" in printed
    told = json.loads(json.dumps(report.to_dict()))
    assert told["integer_macs_percent"] == 100.0 and told["not_integer"] == [] and told["images"] == 32
    macs = {row["layer"]: row["macs"] for row in told["layers"]}
    assert macs["0"] == 8 * 28 * 28 * 9 and macs["9"] == 48 * 20
    assert sum(macs.values()) == q.freeze().describe()["totals"]["macs"]
    with torch.no_grad():
        real, integer = (f(x[:32]).double().logit() for f in (model, q))  # before the sigmoid
    sqnr = 10 * np.log10(float((real**2).sum() / ((real - integer) ** 2).sum()))
    assert told["layers"][-1]["sqnr_db"] == pytest.approx(sqnr, abs=1e-3)
    page = report.to_html(tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "QBatchNorm2d" in page and report._repr_html_() in page


@pytest.mark.parametrize("make, example, text", [
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), images(1, 0), r"1 \(BatchNorm2d\).*eval"),
    (lambda: nn.Sequential(nn.Flatten()), images(1, 0), "no layer that computes"),
    (lambda: nn.Linear(3, 2), torch.zeros(1, 3).double(), "float32"),
    (lambda: nn.Linear(3, 2), [torch.zeros(1, 3), torch.zeros(1, 3)], r"takes 2 positional arguments but 3"),
    (lambda: nn.Linear(3, 2), {"x": torch.zeros(1, 3)}, r"unexpected keyword argument 'x'"),
    (lambda: nn.Linear(3, 2), [torch.zeros(1, 3), torch.zeros(2, 3)], r"as many images in each input"),
    (lambda: nn.Linear(3, 2), None, "NoneType"),
    (lambda: nn.Linear(3, 2), torch.zeros(0, 3), "n >= 1"),
    (lambda: nn.Linear(3, 2), torch.zeros(1, 4), "cannot capture Linear"),
])  # fmt: skip
def test_models_and_examples_that_are_refused(make, example, text):
    with pytest.raises(ValueError, match=text):
        icepoint.quantize(make(), example, [torch.zeros(1, 3)])


def test_options_that_are_refused():
    model, x = nn.Linear(3, 2).eval(), torch.ones(2, 3)
    for options in (
        {"num_bits": 9},
        {"num_bits": True},
        {"weights": "none"},
        {"recipe": {"mean": [1], "std": [0]}},
    ):
        with pytest.raises(ValueError):
            icepoint.quantize(model, x, [x], **options)
    for data in ([], [torch.zeros(0, 3)], [{"x": 3}], [x * float("nan")], [x.half()], [torch.ones(2, 4)]):
        with pytest.raises(ValueError, match="calibrat"):
            icepoint.quantize(model, x, data)
