"""torchvision's classifiers through icepoint.quantize, unmodified: all integer, the same bytes everywhere."""

import pytest
import torch
from benchmarks.zoo.replay import differing_bytes
from torch import nn

import icepoint
from icepoint.models.zoo import natural_images, seeded
from icepoint.vision import import_torchvision
from road_nets import float_bytes
from small_model import binary

SIZE = 64
FAMILIES = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "mobilenet_v3_small": {},
    "shufflenet_v2_x0_5": {},
    "efficientnet_b0": {},
}


def narrow_vgg() -> nn.Module:
    """VGG16 as torchvision builds it, with channels and linear layers of a sixteenth, for SIZE x SIZE."""
    vgg = import_torchvision().models.vgg
    plan = [channels if channels == "M" else channels // 16 for channels in vgg.cfgs["D"]]
    torch.manual_seed(0)
    model = vgg.VGG(vgg.make_layers(plan), num_classes=10)
    model.avgpool = nn.AdaptiveAvgPool2d(SIZE // 32)  # what is there already, as 7 is at 224
    for i, (before, after) in {0: (32 * 4, 256), 3: (256, 256), 6: (256, 10)}.items():
        model.classifier[i] = nn.Linear(before, after)
    return model.eval()


SUBJECTS = {
    "resnet18": (lambda: seeded("resnet18", images=natural_images(4, SIZE)), {}, 8),
    "mobilenet_v2": (lambda: seeded("mobilenet_v2", images=natural_images(4, SIZE)), {}, 10),
    "narrow_vgg": (narrow_vgg, {"weight_bits": {"classifier.*": 4}}, 0),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_classifiers_are_integer_from_end_to_end(name):
    make, options, additions = SUBJECTS[name]
    model, x = make(), natural_images(8, SIZE, 1)
    before = float_bytes(model)
    q = icepoint.quantize(model, x[:1], x.split(4), **options)
    assert float_bytes(model) == before
    frozen = q.freeze()
    frozen.verify()
    assert torch.equal(frozen(x), q(x))
    one, three = icepoint.get_num_threads(), 3
    icepoint.set_num_threads(three)
    try:
        assert torch.equal(torch.cat([frozen(part) for part in x.split(3)]), q(x))
    finally:
        icepoint.set_num_threads(one)
    inputs = [frozen.trace(x[:2])["x"]]
    for isa in icepoint.isas():
        (codes,) = icepoint._C.Model(frozen.file_bytes, isa).run_codes(inputs)
        assert (codes == frozen.codes(x[:2]).numpy()).all(), isa
    report = q.report()
    assert report.integer_macs_percent == 100.0 and not report.missing
    ops = [layer["op"] for layer in frozen.layers()]
    assert ops.count("qadd") == additions and not {"clamp", "qaffine"} & set(ops)
    bits = {row.layer: row.weight_bits for row in report.rows if row.weight_bits}
    assert all(
        b == (4 if name == "narrow_vgg" and n.startswith("classifier") else 8) for n, b in bits.items()
    )
    assert len(bits) == sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules())


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_integer_and_every_replay_has_the_same_bytes(name, tmp_path):
    x = natural_images(12, SIZE)
    model = seeded(name, images=x[:8], **FAMILIES[name])
    q = icepoint.quantize(model, x[:1], x[:8].split(4))
    frozen = q.freeze()
    path = frozen.save(tmp_path / "family.ice")
    found = differing_bytes(q, frozen, path, x[8:], binary())
    runs = [f"{where} {isa}" for isa in icepoint.isas() for where in ("python", "executable")]
    assert found == {"compared": ["quantized", *runs], "differing": [], "differing_bytes": 0}


def test_differing_bytes_are_found(tmp_path):
    x = natural_images(6, SIZE)
    model = seeded("squeezenet1_1", images=x[:4])
    q = icepoint.quantize(model, x[:1], [x[:4]])
    frozen = q.freeze()
    other = icepoint.quantize(model, x[:1], [2.0 * x[:4]]).freeze().save(tmp_path / "other.ice")
    found = differing_bytes(q, frozen, other, x[4:], binary())
    assert found["differing"] == [f"executable {isa}" for isa in icepoint.isas()]
    assert found["differing_bytes"] > 0


def test_seeded_is_the_same_again_and_its_activations_are_of_one_size():
    x = natural_images(16, SIZE)
    state = torch.get_rng_state()
    first = seeded("resnet18", images=x)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m.training for m in first.modules())
    assert float_bytes(first) == float_bytes(seeded("resnet18", images=x))
    assert float_bytes(first) != float_bytes(seeded("resnet18", 1, images=x))
    norms = [m for m in first.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.momentum == 0.1 and int(m.num_batches_tracked) == 1 for m in norms)
    seen = {}
    for m in norms:
        m.register_forward_hook(lambda m, _, y: seen.update({m: (float(y.mean()), float(y.std()))}))
    with torch.no_grad():
        first(x)
    for m in norms:  # weight 1, bias 1
        assert seen[m] == (pytest.approx(1.0, abs=0.02), pytest.approx(1.0, abs=0.1))
    assert seeded("resnet18", images=x, num_classes=7)(x).shape == (16, 7)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mobilenet_v3_small", "densenet121"])
def test_seeded_answers_differ_between_pictures(name):
    model = seeded(name, images=natural_images(16, SIZE))
    with torch.no_grad():
        answers = model(natural_images(32, SIZE, 1))
    assert len(answers.argmax(1).unique()) > 16  # of 32
    # What all pictures have in common is the lesser part.
    assert float(answers.mean(0).square().mean()) < 0.5 * float(answers.square().mean())


def test_seeded_layers_without_batchnorm_have_one_size():
    x, seen = natural_images(8, SIZE), {}
    model = seeded("squeezenet1_1", images=x)
    for m in model.modules():
        if isinstance(m, nn.Conv2d):  # a copy: the ReLU behind it writes in place
            m.register_forward_hook(lambda m, _, y: seen.update({m: y.clone()}))
    with torch.no_grad():
        model(x)
    assert len(seen) == 26
    for y in seen.values():  # an activation follows each of them
        torch.testing.assert_close(y.mean((0, 2, 3)), torch.ones(y.shape[1]), atol=1e-3, rtol=0)
        torch.testing.assert_close(y.std((0, 2, 3)), torch.ones(y.shape[1]), atol=0.1, rtol=0)
    answers = seeded("resnet18", images=x)(x)  # nothing follows the linear layer
    # BatchNorm divides by the unbiased variance now, and by the biased one of 32 pixels when this was set.
    torch.testing.assert_close(answers.mean(0), torch.zeros(1000), atol=0.3, rtol=0)
    torch.testing.assert_close(answers.std(0, unbiased=False), torch.ones(1000), atol=0.1, rtol=0)


def test_natural_images():
    x = natural_images(3, 96, 5)
    assert x.shape == (3, 3, 96, 96) and x.dtype == torch.float32
    assert torch.equal(x, natural_images(3, 96, 5)) and not torch.equal(x, natural_images(3, 96, 6))
    torch.testing.assert_close(x.mean((2, 3)), torch.zeros(3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((2, 3)), torch.ones(3, 3), atol=1e-5, rtol=0)
    power = torch.fft.rfft2(x).abs().square().mean((0, 1))
    # Amplitude as 1 / f: from 4 to 16 periods a picture the power falls by 16.
    assert 8 < float(power[3:6, 0].mean() / power[14:19, 0].mean()) < 32
    red, green = x[:, 0].flatten(), x[:, 1].flatten()
    assert float(torch.corrcoef(torch.stack([red, green]))[0, 1]) > 0.8


def test_names_that_torchvision_does_not_have():
    with pytest.raises(ValueError, match=r"'resnet17' is none of alexnet, .*vgg16"):
        seeded("resnet17")
