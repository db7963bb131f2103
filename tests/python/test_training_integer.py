"""forward="integer": what training computes is what the deployed file does, bit for bit, layer by layer."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
from icepoint import data, training
from icepoint.cli import main
from icepoint.idx import write_idx
from small_model import ROOT, run_json
from training_nets import NETS, network

BITS = {"chain": 4, "residual": 3, "joined": 4, "transposed": 5, "sequence": 8}


def prepared(name, **options):
    net, x = network(name)
    return training.prepare(net, x[:1], [x], num_bits=BITS[name], **options), x


def trained(qat, x, steps=3, lr=0.02):
    """After so many steps towards a fixed answer; their losses."""
    optimizer = torch.optim.SGD(qat.parameters(), lr, momentum=0.9)
    target, losses = None, []
    for _ in range(steps):
        y = qat(x)
        target = torch.zeros_like(y) if target is None else target
        loss = F.mse_loss(y, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", NETS)
def test_eval_is_the_file_bit_for_bit(name, tmp_path):
    qat, x = prepared(name)
    trained(qat, x)
    path = qat.freeze().save(tmp_path / "model.ice")
    frozen, more = icepoint.load(path), torch.randn_like(x) * 3
    for mode in (qat.eval(), qat.quantized):
        with torch.no_grad():
            assert torch.equal(mode(x), frozen(x)) and torch.equal(mode(more), frozen(more))
    with_gradients = qat(x)
    assert with_gradients.requires_grad and torch.equal(with_gradients, frozen(x))
    qat.freeze_statistics()
    assert torch.equal(qat.train()(x), frozen(x))  # then the training step computes the deployed network


@pytest.mark.parametrize("name", NETS)
def test_codes_of_every_layer_are_those_of_the_file(name):
    qat, x = prepared(name)
    trained(qat, x)
    traced = qat.eval().freeze().trace(x)
    codes = {name.replace(".", "_"): found for name, (found, _) in layer_codes(qat, x).items()}
    for at in set(traced) & set(codes):
        assert np.array_equal(codes[at].numpy(), traced[at]), at
    assert len(set(traced) - set(codes)) <= 2  # a view and the input may have another name there


def layer_codes(qat, x):
    """The codes behind every stage of an eval forward, by the stage's name."""
    found = {}
    run = icepoint.stages.Stage.run

    def noted(stage, values):
        found[stage.name] = stage.run_codes(values)  # of the last layer run gives the accumulators' reals
        return run(stage, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icepoint.stages.Stage, "run", noted)
        qat(x)
    return found


@pytest.mark.parametrize("name", NETS)
def test_every_parameter_gets_a_gradient_and_the_loss_falls(name):
    for forward in training.FORWARDS:
        qat, x = prepared(name, forward=forward)
        losses = trained(qat, x, steps=12)
        assert all((p.grad is not None) == p.requires_grad for p in qat.parameters())
        still = [name for name, p in qat.named_parameters() if not p.requires_grad]
        ends = [s for s in qat.quantized.stages if s.gives_accumulators]
        assert len(still) == 2 * len(ends), still  # of codes that nothing reads
        assert losses[-1] < losses[0], (forward, losses)


@pytest.mark.parametrize("name", NETS)
def test_the_float_model_stays_as_it_is(name):
    net, x = network(name)
    net.train()  # prepare copies it in eval mode
    before = copy.deepcopy(net.state_dict())
    qat = training.prepare(net, x[:1], [x], num_bits=4)
    trained(qat, x)
    qat.freeze()
    assert net.training
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key]), key


@pytest.mark.parametrize("end", ["codes", "accumulators"])
def test_a_training_step_by_the_batchs_statistics(end):
    """Weight codes are the deployed ones of that moment; multipliers and biases follow the batch."""
    torch.manual_seed(1)
    conv, norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
    with torch.no_grad():
        norm.weight.uniform_(-1.5, 1.5)
        norm.bias.uniform_(-0.5, 0.5)
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.running_var.uniform_(0.2, 0.6)
    x = torch.randn(16, 3, 9, 9)
    moves = [nn.MaxPool2d(1)] if end == "codes" else []  # a pool of one value gives the codes before it
    qat = training.prepare(nn.Sequential(conv, norm, *moves), x[:1], [x], num_bits=6)
    layer = qat.quantized.stages[1].layer
    deployed = layer.integers["codes"].clone()
    y = qat(x)
    assert torch.equal(layer.integers["codes"], deployed)

    norm.requires_grad_(False)
    conv.requires_grad_(False)
    q_in, q_out, scales = layer.q_in, layer.q_out, layer.q_weight.scales.double()
    fake_x = (q_in.quantize_tensor(x).double() - q_in.zero_point) * q_in.scale
    fake_w = deployed.double() * scales.view(-1, 1, 1, 1)
    slope = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    u = F.conv2d(fake_x, fake_w / slope.view(-1, 1, 1, 1), conv.bias.double())
    mean, variance = u.mean((0, 2, 3)), u.var((0, 2, 3), unbiased=False)
    want = F.batch_norm(u, mean, variance, norm.weight.double(), norm.bias.double(), False, 0.0, norm.eps)
    if end == "codes":
        codes = torch.round(want / q_out.scale) + q_out.zero_point
        off = (codes.clamp(0, q_out.qmax) - layer_code(y, q_out)).abs()
        assert off.max() <= 1 and off.mean() < 2e-3  # ties, and a bias rounded to scale_in * scale_w
    else:
        gain = torch.sqrt((norm.running_var.double() + norm.eps) / (variance + norm.eps))
        unit = (q_in.scale * scales * gain).view(-1, 1, 1)
        assert ((want - y).abs() <= 0.501 * unit + 1e-6 * want.abs()).all()  # the rounded bias alone
    moved = norms_of(qat)[0]
    torch.testing.assert_close(
        moved.running_mean, norm.running_mean.lerp(mean.float(), 0.1), rtol=1e-4, atol=1e-5
    )
    unbiased = u.var((0, 2, 3)).float()
    torch.testing.assert_close(moved.running_var, norm.running_var.lerp(unbiased, 0.1), rtol=1e-4, atol=1e-5)


def norms_of(qat):
    return [m for m in qat.layers.modules() if isinstance(m, nn.BatchNorm2d)]


def layer_code(y, q):
    """The codes that real values stand for; every one of them does, exactly."""
    codes = torch.round(y.detach() / q.scale) + q.zero_point
    assert torch.equal(q.dequantize_tensor(codes.int()), y.detach())
    return codes


def test_statistics_freeze_after_so_many_steps_and_with_the_state():
    qat, x = prepared("residual", batch_statistics=2)
    norm = norms_of(qat)[0]
    seen = []
    for _ in range(4):
        qat(x)
        seen.append(norm.running_mean.clone())
    assert (
        not torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2]) and torch.equal(seen[2], seen[3])
    )
    other, _ = prepared("residual")
    other.load_state_dict(qat.state_dict())
    assert torch.equal(other.train()(x), qat.train()(x)) and int(other.steps_by_batch) == 0


def test_eval_moves_nothing():
    qat, x = prepared("joined")
    before = copy.deepcopy(qat.state_dict())
    qat.eval()(x)
    with torch.no_grad():
        qat(x)
    qat.freeze()
    assert all(torch.equal(t, before[k]) for k, t in qat.state_dict().items())


def test_states_copies_and_pickles(tmp_path):
    qat, x = prepared("joined")
    trained(qat, x)
    want = qat.freeze().file_bytes
    fresh, _ = prepared("joined")
    assert fresh.freeze().file_bytes != want
    torch.save(qat.state_dict(), tmp_path / "state.pt")
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    copied = copy.deepcopy(qat)
    torch.save(qat, tmp_path / "whole.pt")
    loaded = torch.load(tmp_path / "whole.pt", weights_only=False)
    for other in (fresh, copied, loaded):
        assert other.freeze().file_bytes == want
        trained(other, x, steps=1)
        assert other.freeze().file_bytes != want == qat.freeze().file_bytes


def test_another_size_is_the_same_network():
    qat, x = prepared("residual")
    trained(qat, x)
    wide = torch.randn(2, 3, 20, 16)
    qat.eval()(wide)
    trained(qat.train(), x, steps=1)  # what was made for the other size follows
    frozen = qat.eval().freeze(height=20, width=16)
    assert torch.equal(qat(wide), frozen(wide)) and torch.equal(qat(x), qat.freeze()(x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"forward": "int"}, "forward: expected one of integer, fake, found 'int'"),
        ({"batch_statistics": -1}, "batch_statistics: expected a number of steps, found -1"),
        ({"num_bits": 9}, "num_bits"),
    ],
)
def test_refused_in_words(options, words):
    net, x = network("chain")
    with pytest.raises(ValueError, match=words):
        training.prepare(net, x[:1], [x], **options)


def test_a_network_that_torch_cannot_copy_is_refused():
    x = torch.randn(4, 3, 6, 6)
    net = nn.Sequential(torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()).eval()
    net(x)  # keeps the weight that this call made
    with pytest.raises(ValueError, match="call remove_weight_norm first"):
        training.prepare(net, x[:1], [x])
    torch.nn.utils.remove_weight_norm(net[0])
    assert training.prepare(net, x[:1], [x])(x).shape == (4, 4, 4, 4)


def test_a_diverged_range_is_told():
    qat, x = prepared("chain")
    with torch.no_grad():
        next(iter(qat.ranges.values())).growth.fill_(float("nan"))
    with pytest.raises(ValueError, match="not a number: training has diverged"):
        qat(x)


def test_one_value_a_channel_has_no_statistics():
    net, x = network("sequence")
    qat = training.prepare(net, x[:1], [x])
    with pytest.raises(ValueError, match="more than one value a channel"):
        qat(x[:1])
    qat.eval()(x[:1])


def test_the_executable_answers_as_training_did_to_the_image(tmp_path, capsys):
    """python -m icepoint train --bits, on a few digits; the float weights stay."""
    weights, out = ROOT / "ckpt/mnist_cnn.pt", tmp_path / "net.ice"
    before = weights.read_bytes()
    arguments = ["--embedded", "--model", "Net", "--bits", "2", "--weights", str(weights), "--epochs", "1"]
    assert main(["train", *arguments, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert weights.read_bytes() == before
    digits = data.load("mnist", embedded=True)
    for name, array in (("images", digits.test_images), ("labels", digits.test_labels)):
        write_idx(tmp_path / name, array)
    answers = run_json("eval", out, "--idx", tmp_path / "images", tmp_path / "labels")
    assert found["integers"] == "weights, activations and pixels of 2 bits"
    assert found["count"] == 1000 and round(1000 * answers["accuracy"]) == found["trained"]
    assert found["executable"] in (found["trained"], None)
    assert found["trained"] > found["untrained"] + 300  # 895 and 148, by one epoch of 4,000 digits
