"""What icepoint.quantize is called with by mistake: refused before anything runs, in words with a remedy."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import icepoint

SEED = 53
EXAMPLE = torch.zeros(1, 3, 8, 8)


def small():
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def unread():
    """Calibration data that nobody may read."""
    raise AssertionError("the data was read before the model was refused")
    yield


def quantized():
    return icepoint.quantize(small(), EXAMPLE, [torch.randn(4, 3, 8, 8)])


MODELS = {
    "function": (
        lambda: torch.relu,
        "quantize.model: expected an nn.Module, found builtin_function_or_method",
    ),
    "none": (lambda: None, "quantize.model: expected an nn.Module, found NoneType"),
    "TorchScript": (
        lambda: torch.jit.trace(nn.ReLU(), torch.zeros(1, 3)),
        "quantize.model: expected an nn.Module in Python, found TorchScript",
    ),
    "class": (lambda: nn.ReLU, "quantize.model: expected an nn.Module, found the class ReLU"),
    "half": (lambda: small().half(), "0.weight is torch.float16, expected float32: call model.float()"),
    "double": (lambda: small().double(), "0.weight is torch.float64, expected float32: call model.float()"),
    "bfloat16": (lambda: nn.Linear(8, 2).bfloat16(), "weight is torch.bfloat16, expected float32"),
    "meta": (lambda: small().to("meta"), "0.weight lies on meta; icepoint computes on the CPU"),
    "lazy": (lambda: nn.LazyConv2d(3, 3), "weight has no shape yet: run the model once"),
    "train": (lambda: small().train(), "1 (BatchNorm2d) is in train() mode: call model.eval() first"),
    "quantized": (quantized, "input (QInput) is quantized already: give the float model"),
}


@pytest.mark.parametrize("case", MODELS.values(), ids=MODELS)
def test_models_that_are_none_are_refused_at_once(case):
    make, expected = case
    with pytest.raises(ValueError, match=re.escape(expected)):
        icepoint.quantize(make(), EXAMPLE, unread())
    with pytest.raises(ValueError, match=re.escape(expected.replace("quantize.", "coverage."))):
        icepoint.coverage(make(), EXAMPLE)


def test_examples_without_data_are_refused():
    for example in (EXAMPLE.to("meta"), EXAMPLE.to_sparse()):
        with pytest.raises(ValueError, match=r"example_inputs: expected a dense tensor on the CPU, found"):
            icepoint.quantize(small(), example, unread())


def test_an_error_inside_torch_s_modules_names_the_module():
    with pytest.raises(ValueError, match=r"3 channels.*\(in Conv2d\(3, 4, kernel_size=\(3, 3\)") as caught:
        icepoint.quantize(small(), torch.zeros(1, 2, 8, 8), unread())
    assert "<string>" not in str(caught.value)


def test_a_network_that_would_be_float_alone_says_why():
    with pytest.raises(ValueError, match=r"(?s)no layer that computes in integers:.*1\. layer_norm in"):
        icepoint.quantize(nn.LayerNorm(8).eval(), EXAMPLE, unread(), strict=False)


class Mixes(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.conv, self.run = nn.Conv2d(3, 4, 3), forward

    def forward(self, x):
        return self.run(self.conv(x))


REMEDIES = {
    "view(-1)": (
        lambda y: y.view(-1, 4),
        r"view in .*; keep one image behind the other",
    ),
    "random": (
        lambda y: y + torch.randn_like(y),
        "draws random numbers; take it out of the model",
    ),
    "(n,)": (lambda y: y.flatten(1)[:, 0], r"makes the shape \(n,\);.*; keep a dimension behind n"),
}


@pytest.mark.parametrize("case", REMEDIES.values(), ids=REMEDIES)
def test_remedies_follow_the_reason(case):
    forward, expected = case
    with pytest.raises(ValueError, match=expected):
        icepoint.quantize(Mixes(forward).eval(), EXAMPLE, unread())


def test_a_module_of_an_exported_program_is_a_model():
    program = torch.export.export(
        small(), (EXAMPLE.expand(2, -1, -1, -1),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))
    q = icepoint.quantize(program.module(), EXAMPLE, [x])
    assert torch.equal(q(x), icepoint.quantize(small(), EXAMPLE, [x])(x))


def test_a_frozen_model_is_given_tensors():
    frozen = quantized().freeze()
    for wrong in (np.zeros((1, 3, 8, 8), np.float32), None, [EXAMPLE]):
        for call in (frozen, frozen.codes):
            with pytest.raises(ValueError, match=r"FrozenModel: expected .*tensors, found"):
                call(wrong)
