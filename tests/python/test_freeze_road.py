"""The QModule road, the frozen model and the oracle give the same codes, for networks written by hand."""

import pytest
import torch

import icepoint
import oracle_graph
from road_nets import SCHEMES, calibrated, float_bytes, frozen, images, outputs, subjects

NAMES = tuple(subjects())


@pytest.fixture
def threads():
    before = icepoint.get_num_threads()
    yield icepoint.set_num_threads
    icepoint.set_num_threads(before)


def equal(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_road_equals_frozen_for_all_bits(name, weights):
    x = images(40, seed=5, channels=subjects()[name][1])
    for bits in range(2, 9):
        net = calibrated(name, bits, weights)
        model = frozen(net, name)
        model.verify()
        assert equal(outputs(net.quantize_inference(x)), outputs(model(x))), (bits, weights)


@pytest.mark.parametrize("name", NAMES)
def test_batches_and_threads_change_no_byte(name, threads):
    count = 1000 if name in ("Net", "NetBN") else 200
    x = images(count, seed=6, channels=subjects()[name][1])
    net = calibrated(name)
    model = frozen(net, name)
    expected = outputs(model(x))
    for n in (1, 2):
        threads(n)
        assert equal(outputs(net.quantize_inference(x)), expected), n
        for size in (1, 7, count):
            part = x[:70] if size == 1 else x
            pieces = zip(*(outputs(model(piece)) for piece in part.split(size)), strict=True)
            assert equal([torch.cat(p) for p in pieces], [y[: len(part)] for y in expected]), (n, size)
    assert equal(outputs(model(x[:0])), [y[:0] for y in expected])
    assert equal(outputs(model(x.flip(0))), [y.flip(0) for y in expected])


@pytest.mark.parametrize("weights", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_agrees_layer_by_layer(name, weights):
    """The oracle reads the file by itself and computes in int64; every value of the graph must be its own."""
    for bits in (3, 8):
        model = frozen(calibrated(name, bits, weights), name)
        x = images(6, seed=7, channels=subjects()[name][1])
        traced = model.trace(x)
        file = oracle_graph.open_frozen(model.file_bytes)
        first = traced[file.graph["inputs"][0]["name"]]
        values = oracle_graph.run(file.graph, file.tensors, [first])
        assert len(traced) == len(values)
        for (layer, codes), expected in zip(traced.items(), values, strict=True):
            assert (codes == expected).all(), (layer, bits)
        for value, codes in zip(file.graph["outputs"], outputs(model.codes(x)), strict=True):
            assert (codes.numpy() == values[value]).all()
        bounds = oracle_graph.bounds(file.graph, file.tensors, values)
        told = {layer["name"]: layer["overflow"] for layer in model.layers() if "overflow" in layer}
        for layer, (low, high) in bounds.items():
            assert (told[layer]["lo"], told[layer]["hi"]) == (low, high)


@pytest.mark.parametrize("name", NAMES)
def test_the_float_model_is_never_touched(name):
    net = calibrated(name)
    x = images(16, seed=8, channels=subjects()[name][1])
    weights, answers = float_bytes(net), outputs(net(x))
    for bits in (8, 3):
        net.quantize(num_bits=bits)
        icepoint.calibrate(net, [x])
        frozen(net, name)
        net.quantize_forward(x)
        net.quantize_inference(x)
        assert float_bytes(net) == weights and equal(outputs(net(x)), answers)


@pytest.mark.parametrize("name", NAMES)
def test_twice_gives_the_same_file(name):
    """Quantizing, calibrating (in any order of batches) and freezing again changes no byte."""
    channels = subjects()[name][1]
    net = calibrated(name)
    first = frozen(net, name).file_bytes
    assert frozen(net, name).file_bytes == first
    net.freeze()
    net.quantize_forward(images(8, seed=1, channels=channels) * 100)  # frozen observers are at rest
    net.freeze()
    assert frozen(net, name).file_bytes == first
    net.quantize()
    batches = list(images(64, 0, channels).split(16))
    icepoint.calibrate(net, reversed(batches))
    icepoint.calibrate(net, [(b, "a label") for b in batches])
    assert frozen(net, name).file_bytes == first
    icepoint.set_num_threads(1)
    assert frozen(calibrated(name), name).file_bytes == first


@pytest.mark.parametrize("name", NAMES)
def test_simulation_stays_within_a_few_codes_of_deployment(name):
    """After freezing quantize_forward simulates; float sums and M's rounding may move a code, not more."""
    net = calibrated(name)
    frozen(net, name)
    x = images(16, seed=9, channels=subjects()[name][1])
    last = net.qfc.q_out.scale
    simulated = outputs(net.quantize_forward(x))[0].detach()
    deployed = outputs(net.quantize_inference(x))[0]
    assert float((simulated - deployed).abs().max()) <= 6.01 * last
    codes = simulated / last
    assert torch.allclose(codes, codes.round(), atol=1e-3)  # outputs are fake-quantized too


def test_recipe_and_example_travel_in_the_file(tmp_path):
    net = calibrated("Net")
    recipe = {"mean": [0.1307], "std": [0.3081], "classes": [str(d) for d in range(10)]}
    model = net.freeze(recipe=recipe, example_input=images(2, 3))
    path = model.save(tmp_path / "net.ice")
    loaded = icepoint.load(path)
    assert loaded.recipe == icepoint.Recipe(**recipe) and loaded.file_bytes == model.file_bytes
    assert loaded.digest == model.digest and loaded.describe()["made_by"] == {
        "icepoint": icepoint.__version__
    }
    file = oracle_graph.open_frozen(model.file_bytes)
    q_in = net.qconv1.q_in
    assert (file.tensors["self_check.0"][0] == q_in.quantize_tensor(images(2, 3)[:1]).numpy()).all()
    assert len(file.tensors["self_check.0"]) == 2
    with pytest.raises(ValueError, match=r"mean"):
        net.freeze(recipe={"mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0]})
    with pytest.raises(ValueError, match=r"recipe.*colour"):
        net.freeze(recipe={"mean": [0.1], "std": [1.0], "colour": True})


@pytest.mark.parametrize("weights", SCHEMES)
def test_integers_are_the_layers_own(weights):
    for bits in (4, 8):
        net = calibrated("Net", bits, weights)
        layers = net.freeze().integers()
        for name, layer in (("qconv1", net.qconv1), ("qconv2", net.qconv2), ("qfc", net.qfc)):
            told = layers[name]
            module = layer.conv_module if name != "qfc" else layer.fc_module
            codes = layer.q_weight.quantize_tensor(module.weight)
            assert told["weight"].shape == tuple(module.weight.shape)
            assert (told["weight"] == codes.numpy()).all()
            assert (
                told["multiplier"] * 2.0 ** -told["shift"].astype(float) == layer.M.reshape(-1).numpy()
            ).all()
            assert (
                told["x_zero_point"] == [layer.q_in.zero_point]
                and told["zero_point"] == layer.q_out.zero_point
            )
            assert (told["bias"] == layer.integers["bias"].numpy()).all()
            assert (told["weight_zero_point"] == layer.integers["zero_point"].numpy()).all()
