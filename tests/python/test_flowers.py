"""The committed flower network: checkpoint, accuracy on 240 photographs by every road, training."""

import hashlib
import re

import numpy as np
import pytest
import torch

import icepoint
from icepoint import flowers, lab
from icepoint.drawn_flowers import write_drawn_flowers
from icepoint.models import Vgg
from icepoint.training import accuracy
from icepoint.training import flowers as training
from icepoint.vision import pixels_to_input
from small_model import ROOT, run, run_json

PER_CLASS = 25  # photographs to calibrate on
needs_photographs = pytest.mark.skipif(
    flowers.photographs("val") is None, reason="the flower photographs of ../shared/data/flowers are absent"
)


def load() -> Vgg:
    return Vgg.of(torch.load(lab.CHECKPOINT, weights_only=True))


def test_the_checkpoint_is_small_and_the_documented_one():
    data = lab.CHECKPOINT.read_bytes()
    assert len(data) < 6_000_000
    assert f"{hashlib.sha256(data).hexdigest()}  flowers_vgg.pt" in (ROOT / "ckpt" / "README.md").read_text()
    stored = torch.load(lab.CHECKPOINT, weights_only=True)
    assert all(tensor.dtype == torch.float16 for tensor in stored.values())
    net = load()
    assert net.image_size == 96 and all(p.dtype == torch.float32 for p in net.parameters())


@needs_photographs
def test_240_photographs_by_every_road(tmp_path):
    """As ckpt/README.md says, integers at most two worse; frozen and in the executable the same answers."""
    net = load()
    photographs = flowers.photographs("val")
    pixels, labels = training.load_pictures(photographs, net.image_size)
    assert len(labels) == 240
    x = pixels_to_input(pixels, flowers.RECIPE)
    pairs = flowers.pictures_of(flowers.photographs("train"), PER_CLASS)
    calibration = torch.cat([lab.process_image(path, net.image_size) for path, _ in pairs]).split(25)
    net.quantize(num_bits=8)
    with torch.no_grad():
        for batch in calibration:
            net.quantize_forward(batch)
    frozen = net.freeze(recipe=flowers.RECIPE)
    automatic = icepoint.quantize(load(), x[:1], calibration, recipe=flowers.RECIPE)

    def right(forward) -> int:
        return round(240 * accuracy(forward, x, labels, batch_size=60))

    in_float, by_hand = right(net), right(net.quantize_inference)
    documented = re.search(
        r"`flowers_vgg.pt`.*\| (\d+) of 240 .*\| (\d+) of 240 ", (ROOT / "ckpt" / "README.md").read_text()
    )
    # One photograph of leeway: float rounds otherwise on another CPU, in calibration too.
    for found, written in zip((in_float, by_hand), documented.groups(), strict=True):
        assert abs(found - int(written)) <= 1
    assert in_float >= 180 and by_hand >= in_float - 2
    for road, model in {"by_hand": frozen, "automatic": automatic.freeze()}.items():
        assert right(model) >= in_float - 2
        path = model.save(tmp_path / f"{road}.ice")
        found = run_json("eval", path, photographs)
        assert round(240 * found["accuracy"]) == right(model)
    assert right(frozen) == by_hand


@needs_photographs
def test_jpeg_files_give_equal_bytes_in_python_and_in_the_executable(tmp_path):
    pairs = flowers.pictures_of(flowers.photographs("val"), 5)
    net = load()
    _, _, frozen = lab.run(net, pairs)
    frozen.save(tmp_path / "flowers.ice")
    x = torch.cat([lab.process_image(path, net.image_size) for path, _ in pairs])
    paths = [path for path, _ in pairs]
    printed = run("run", tmp_path / "flowers.ice", *paths, "--no-latency", "--output", tmp_path / "y.npy")
    assert np.load(tmp_path / "y.npy").tobytes() == frozen(x).numpy().tobytes()
    assert printed == f"{frozen.classify(paths)}\n"


# ---- Training, on pictures of noise: where the photographs are and how good the result is matters elsewhere.


def noise(count: int) -> tuple[np.ndarray, torch.Tensor]:
    """Pictures of four colours under noise, and which of the four it is."""
    random = np.random.default_rng(53)
    labels = np.arange(count) % 4
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [200, 200, 60]])[labels]
    pixels = colours[:, None, None] + random.integers(-40, 40, (count, 40, 40, 3))
    return pixels.astype(np.uint8), torch.from_numpy(labels).long()


def trained(seed: int, precision: torch.dtype, epochs: int) -> tuple[Vgg, list[float]]:
    net = Vgg(4, width=1 / 16, image_size=32, hidden=16)
    training.initialize(net, seed)
    return net, training.train(net, *noise(64), epochs=epochs, seed=seed, size=32, precision=precision)


def test_training_learns():
    net, losses = trained(1, torch.bfloat16, epochs=12)
    assert not net.training and len(losses) == 12 and losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_training_repeats_itself(precision):
    net, again, other = (trained(seed, precision, epochs=1)[0] for seed in (1, 1, 2))
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), again.parameters(), strict=True))
    assert not torch.equal(net.layer1_conv1.weight, other.layer1_conv1.weight)


def test_augmented_pictures():
    pixels = torch.from_numpy(noise(8)[0]).permute(0, 3, 1, 2)
    x = training.augment(pixels, 24, torch.Generator().manual_seed(0))
    assert x.shape == (8, 3, 24, 24) and x.dtype == torch.float32
    assert x.min() >= 0 and x.max() <= 255
    assert torch.equal(x, training.augment(pixels, 24, torch.Generator().manual_seed(0)))
    assert not torch.equal(x, training.augment(pixels, 24, torch.Generator().manual_seed(1)))


def test_mixed_pictures_keep_at_least_half_of_their_own():
    x = torch.eye(5).view(5, 5, 1, 1)
    y = training.mixed(x, torch.Generator().manual_seed(0)).flatten(1)
    own, other = y.diagonal(), y.roll(1, 1).diagonal()
    assert torch.allclose(own + other, torch.ones(5)) and (y != 0).sum() == 10
    assert own.min() >= 0.5 and own.max() < 1


def test_training_for_few_bits_follows_the_float_network():
    net, _ = trained(1, torch.float32, epochs=12)
    pixels, labels = noise(64)
    x = pixels_to_input(pixels[:, 4:36, 4:36], flowers.RECIPE)
    qat = training.prepare(net, x[:1], x, 3, input_recipe=flowers.RECIPE)

    def distance() -> float:
        with torch.no_grad():
            return (qat.eval()(x) - net(x)).square().mean().item()

    before = distance()
    losses = training.train(
        qat, pixels, labels, 12, seed=1, size=32, learning_rate=1e-3, weight_decay=0.0, teacher=net
    )
    assert losses[-1] < losses[0] and distance() < 0.7 * before
    assert torch.equal(qat(x), qat.freeze()(x))


def test_the_command_trains_for_few_bits_and_keeps_the_pixels(tmp_path, capsys):
    """On drawn flowers: weights and activations of 4 bits, the input of 8; the program counts the same."""
    net = Vgg(4, width=1 / 16, image_size=32, hidden=16)
    training.initialize(net, 1)
    weights, out = tmp_path / "vgg.pt", tmp_path / "vgg.ice"
    training.save_checkpoint(net.half(), weights)
    for split, count in (("train", 10), ("val", 4)):
        write_drawn_flowers(tmp_path / split, count, seed=count, size=64)
    arguments = ["--bits", "4", "--epochs", "1", "--weights", weights, "--data", tmp_path, "--out", out]
    assert training.main([str(a) for a in arguments]) == 0
    printed = capsys.readouterr().out
    assert "weights and activations of 4 bits, pixels of 8\n" in printed
    python, program = re.search(r", trained +(\d+) of 16 .*\nthe executable +(\d+|is)", printed).groups()
    assert program in (python, "is")
    described = icepoint.load(out).describe()
    assert [found["bits"] for found in described["inputs"]] == [8]
    assert {op["bits"] for op in described["ops"]} == {4}
    assert {op["fields"]["weight_bits"] for op in described["ops"] if "weight_bits" in op["fields"]} == {4}
