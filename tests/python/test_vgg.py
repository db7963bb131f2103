"""The lab's VGG16 at small width: names, road, and equal bytes by hand, frozen and in the executable."""

import numpy as np
import pytest
import torch

import icepoint
from icepoint.models import Vgg
from oracle_numbers import rng
from small_model import run, run_json

SEED = 51
CONVOLUTIONS = [
    f"layer{block}_conv{i}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)
]
LINEAR = ["fullyconnect1", "fullyconnect2", "fullyconnect3"]
RECIPE = icepoint.Recipe(mean=[125.0, 123.0, 114.0], std=[52.0, 51.0, 51.0], divide=1, classes=list("abcd"))


def small(**options) -> Vgg:
    torch.manual_seed(SEED)
    net = Vgg(**{"width": 1 / 16, "image_size": 64, "hidden": 24} | options).eval()
    for parameter in net.parameters():
        if parameter.dim() > 1:  # torch's own initialization lets the signal fade over 16 layers
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    return net


def pictures(count: int, size: int = 64) -> np.ndarray:
    return rng(SEED).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def inputs(pixels: np.ndarray) -> torch.Tensor:
    return RECIPE(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))


@pytest.fixture(scope="module")
def road():
    """A network along the whole road, the pictures that it saw and its frozen model."""
    net, pixels = small(), pictures(6)
    net.quantize(num_bits=8)
    with torch.no_grad():
        net.quantize_forward(inputs(pixels))
    return net, pixels, net.freeze(recipe=RECIPE)


def test_the_labs_plan():
    with torch.device("meta"):
        net = Vgg(num_classes=4)
    convolutions = [getattr(net, name) for name in CONVOLUTIONS]
    channels = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert [layer.out_channels for layer in convolutions] == channels
    assert all(layer.kernel_size == (3, 3) and layer.padding == (1, 1) for layer in convolutions)
    shapes = [(4096, 512 * 7 * 7), (4096, 4096), (4, 4096)]
    assert [tuple(getattr(net, name).weight.shape) for name in LINEAR] == shapes
    names = [
        name
        for name, module in net.named_children()
        if isinstance(module, (torch.nn.ReLU, torch.nn.MaxPool2d))
    ]
    relus = [name.replace("conv", "relu") for name in CONVOLUTIONS]
    assert {*relus, *(f"layer{i}_maxpool" for i in range(1, 6)), "relu_1", "relu_2"} == set(names)
    assert (
        sum(p.numel() for p in net.parameters()) == 134_276_932
    )  # torchvision's vgg16(num_classes=4) has them


def test_every_quantized_layer_has_the_labs_name(road):
    net = road[0]
    for name in CONVOLUTIONS:
        assert isinstance(getattr(net, f"q{name}"), icepoint.QConv2d)
        assert getattr(net, f"q{name}").conv_module is getattr(net, name)
        assert isinstance(getattr(net, "q" + name.replace("conv", "relu")), icepoint.QReLU)
    for i in range(1, 6):
        assert isinstance(getattr(net, f"qlayer{i}_maxpool2d"), icepoint.QMaxPooling2d)
    assert [getattr(net, f"qfc{i}").fc_module for i in (1, 2, 3)] == [getattr(net, name) for name in LINEAR]
    assert isinstance(net.qfc1_relu, icepoint.QReLU) and isinstance(net.qfc2_relu, icepoint.QReLU)
    observers = [name for name, m in net.named_modules() if isinstance(m, icepoint.QModule) and m.has_qin]
    assert observers == ["qlayer1_conv1"]
    assert net.qlayer2_conv1.qi is net.qlayer1_conv2.qo and net.qfc1.qi is net.qlayer5_conv3.qo


def test_by_hand_frozen_and_in_the_executable_the_same_bytes(road, tmp_path):
    net, pixels, frozen = road
    x = inputs(pixels)
    with torch.no_grad():
        by_hand = net.quantize_inference(x)
    assert torch.equal(frozen(x), by_hand)
    frozen.save(tmp_path / "vgg.ice")
    np.save(tmp_path / "pixels.npy", pixels)
    run("verify", tmp_path / "vgg.ice")
    run_json("run", tmp_path / "vgg.ice", tmp_path / "pixels.npy",
             "--raw", tmp_path / "codes.npy", "--output", tmp_path / "y.npy")  # fmt: skip
    assert np.array_equal(np.load(tmp_path / "codes.npy"), frozen.codes(x).numpy())
    assert np.load(tmp_path / "y.npy").tobytes() == by_hand.numpy().tobytes()
    assert len(np.unique(np.load(tmp_path / "codes.npy"))) > 8  # a network that says something


def test_the_float_network_stays_as_it_is(road):
    net, pixels, _ = road
    x = inputs(pixels)
    with torch.no_grad():
        assert torch.equal(net(x), small()(x))
        real, simulated = net(x), net.quantize_forward(x)
    assert float((simulated - real).abs().max()) < 0.1 * float(real.abs().max())
    assert net.freeze(recipe=RECIPE).file_bytes == road[2].file_bytes


def test_quantize_finds_the_same_layers_by_itself(road):
    _, pixels, frozen = road
    x = inputs(pixels)
    net = small()
    quantized = icepoint.quantize(net, x[:1], [x])
    with torch.no_grad():
        real = net(x)
    for model in (frozen, quantized):
        assert float((model(x) - real).abs().max()) < 0.1 * float(real.abs().max())
    weighted = [
        sum(op["op"] in ("qconv2d", "qlinear") for op in m.layers()) for m in (frozen, quantized.freeze())
    ]
    assert weighted == [16, 16]


def test_of_finds_the_size_in_the_weights():
    net = small(num_classes=7)
    state = {name: tensor.half() for name, tensor in net.state_dict().items()}
    found = Vgg.of(state)
    assert not found.training and found.image_size == 64 and found.fullyconnect3.out_features == 7
    for name, tensor in found.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, state[name].float())


@pytest.mark.parametrize("broken", [{}, {"layer1_conv1.weight": torch.zeros(64, 3, 3, 3)}, "extra", "shape"])
def test_of_refuses_other_weights(broken):
    if isinstance(broken, str):
        state = small().state_dict()
        state["extra" if broken == "extra" else "fullyconnect3.weight"] = torch.zeros(2)
        broken = state
    with pytest.raises(ValueError, match="expected the state_dict of a Vgg"):
        Vgg.of(broken)


@pytest.mark.parametrize(
    ("option", "value"), [("image_size", 100), ("image_size", 0), ("width", 0.01), ("width", 0.0)]
)
def test_refused_sizes(option, value):
    with pytest.raises(ValueError, match=rf"Vgg\.{option}: expected .*, found {value}"):
        Vgg(**{option: value})


def test_weights_of_any_width_tell_the_network():
    for width in (1 / 64, 0.05, 0.07, 0.1, 0.11):
        net = small(width=width, image_size=32)
        assert torch.equal(Vgg.of(net.state_dict())(torch.ones(1, 3, 32, 32)), net(torch.ones(1, 3, 32, 32)))


@pytest.mark.parametrize("call", ["quantize_forward", "freeze", "quantize_inference"])
def test_what_needs_quantize_first_says_so(call):
    with pytest.raises(ValueError, match=r"quantize first: net\.quantize"):
        getattr(small(), call)(*([] if call == "freeze" else [torch.zeros(1, 3, 64, 64)]))
