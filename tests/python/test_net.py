"""Net and NetBN along the notebook's road, and the state that deepcopy, pickle and state_dict carry."""

import copy
import io
import pickle

import pytest
import torch

import icepoint
from icepoint.models import Net, NetBN
from road_nets import calibrated, frozen, images, outputs, subjects

NAMES = tuple(subjects())


@pytest.mark.parametrize("make", [Net, NetBN])
def test_attributes_and_shapes_of_the_notebook(make):
    net = make()
    groups = 20 if make is Net else 1
    assert [tuple(p.shape) for p in (net.conv1.weight, net.conv2.weight, net.fc.weight)] == [
        (40, 1, 3, 3), (40, 40 // groups, 3, 3), (10, 1000),
    ]  # fmt: skip
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert make(num_channels=3)(torch.zeros(2, 3, 28, 28)).shape == (2, 10)
    net.quantize(num_bits=8)
    names = ["qconv1", "qmaxpool2d_1", "qconv2", "qmaxpool2d_2", "qfc"]
    names += ["qrelu1", "qrelu2"] if make is Net else []
    assert all(isinstance(getattr(net, name), icepoint.QModule) for name in names)
    assert net.qconv1.conv_module is net.conv1 and net.qfc.fc_module is net.fc


@pytest.mark.parametrize("make", [Net, NetBN])
def test_the_notebooks_loop(make):
    torch.manual_seed(0)
    net = make(num_channels=2).eval()
    x = images(32, 1, channels=2)
    real = net(x).detach()
    net.quantize(num_bits=8)
    for batch in x.split(8):
        net.quantize_forward(batch)
    model = net.freeze()
    y = net.quantize_inference(x)
    assert y.dtype == torch.float32 and not y.requires_grad
    assert float((y - real).abs().max()) < 0.05 * float(real.abs().max())
    assert torch.equal(model(x), y) and model.recipe is None
    assert net.qconv1.M.dtype == torch.float64 and net.qconv1.M.shape == (40,)
    assert net.qconv1.q_weight.scale.shape == (40,)
    net.quantize(num_bits=8, weights="per_tensor_affine")
    net.quantize_forward(x)
    net.freeze()
    assert net.qconv1.M.shape == () and isinstance(net.qconv1.q_weight.scale, float)
    assert 0 <= net.qconv1.q_weight.zero_point <= 255


def test_relu_of_the_hand_written_road_keeps_the_notebooks_meaning():
    """q_out of a QConv2d observes before the ReLU, of a QConvBNReLU behind it."""
    net = calibrated("Net")
    assert net.qconv1.q_out.min < 0 and net.qconv1.q_out.zero_point > 0
    assert calibrated("NetBN").qconv1.q_out.min == 0.0
    net.freeze()
    assert net.qrelu1.q_in is net.qconv1.q_out and net.qmaxpool2d_1.q_in is net.qconv1.q_out


def test_only_codes_between_input_and_output():
    net = calibrated("Net")
    net.freeze()
    seen = []
    for name, module in net.named_modules():
        if isinstance(module, icepoint.QModule):
            before = module.quantize_inference
            module.quantize_inference = lambda *x, f=before, n=name: (
                seen.append((n, *x, f(*x))) or seen[-1][-1]
            )
    net.quantize_inference(images(2, 3))
    assert [name for name, *_ in seen] == [
        "qconv1", "qrelu1", "qmaxpool2d_1", "qconv2", "qrelu2", "qmaxpool2d_2", "qfc",
    ]  # fmt: skip
    assert all(t.dtype == torch.int32 for _, *tensors in seen for t in tensors)


@pytest.mark.parametrize("name", NAMES)
def test_copies_answer_alike(name, tmp_path):
    x = images(5, 4, subjects()[name][1])
    half_way = calibrated(name)
    file = frozen(copy.deepcopy(half_way), name).file_bytes
    assert frozen(pickle.loads(pickle.dumps(half_way)), name).file_bytes == file
    fresh = subjects()[name][0]().eval()
    fresh.quantize()
    fresh.load_state_dict(round_trip(half_way.state_dict()))
    assert frozen(fresh, name).file_bytes == file

    done = calibrated(name)
    model = frozen(done, name)
    expected = outputs(done.quantize_inference(x))
    fresh = subjects()[name][0]().eval()
    fresh.quantize()
    fresh.load_state_dict(round_trip(done.state_dict()))
    for copied in (copy.deepcopy(done), pickle.loads(pickle.dumps(done)), fresh):
        for a, b in zip(outputs(copied.quantize_inference(x)), expected, strict=True):
            assert torch.equal(a, b)
        assert frozen(copied, name).file_bytes == model.file_bytes
    torch.save(done, tmp_path / "net.pt")
    loaded = torch.load(tmp_path / "net.pt", weights_only=False)
    assert frozen(loaded, name).file_bytes == model.file_bytes


def round_trip(state):
    """Through a file and the restricted unpickler, as people pass weights on."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_state_of_other_bits_is_refused():
    state = calibrated("Net", num_bits=4).state_dict()
    net = Net()
    net.quantize(num_bits=8)
    with pytest.raises(ValueError, match=r"qconv1 .*4 bits.*8.*quantize\(num_bits=4\)"):
        net.load_state_dict(state)
    net.quantize(num_bits=4, weights="per_tensor_affine")
    with pytest.raises(ValueError, match=r"qconv1 .*scheme per_tensor_affine, found per_channel"):
        net.load_state_dict(state)
    net.quantize(num_bits=4)
    net.load_state_dict(state)
    assert net.freeze().file_bytes == calibrated("Net", num_bits=4).freeze().file_bytes


@pytest.fixture(scope="module")
def model():
    return calibrated("Net").freeze()


class TestFrozenModel:
    def test_copies(self, model, tmp_path):
        x = images(3, 5)
        other = calibrated("NetBN").freeze()
        other.load_state_dict(round_trip(model.state_dict()))
        path = model.save(str(tmp_path / "m.ice"))
        for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), other, icepoint.load(path)):
            assert copied.digest == model.digest and torch.equal(copied(x), model(x))
            copied.verify()

    def test_codes_and_trace(self, model):
        x = images(3, 5)
        q = model.describe()["outputs"][0]
        codes = model.codes(x)
        assert codes.dtype == torch.uint8
        back = icepoint.dequantize_tensor(codes, q["scale"], q["zero_point"])
        assert torch.equal(back, model(x))
        traced = model.trace(x)
        assert list(traced) == ["x", *(layer["name"] for layer in model.layers())]
        assert torch.equal(torch.from_numpy(traced["qfc"]), codes)
        assert torch.equal(model.codes(torch.from_numpy(traced["x"])), codes)
        with pytest.raises(ValueError, match="1 inputs, found 2"):
            model.codes(x, x)

    def test_compile_and_export(self, model):
        x = images(4, 6)
        compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=True)
        for n in (4, 2):
            assert torch.equal(compiled(x[:n]), model(x[:n]))
        batch = torch.export.Dim("n", min=1)
        exported = torch.export.export(model, (x,), dynamic_shapes={"inputs": ((({0: batch}),))}).module()
        assert torch.equal(exported(x[:3]), model(x[:3]))

    def test_wrong_inputs_and_files(self, model, tmp_path):
        for bad in (torch.zeros(1, 1, 28, 28).double(), torch.zeros(1, 28, 28), torch.zeros(1, 3, 28, 28)):
            with pytest.raises(ValueError):
                model(bad)
        for data in (b"", b"\0" * 100, model.file_bytes[:-1], model.file_bytes[:-1] + b"!"):
            with pytest.raises(icepoint.ModelFileError):
                icepoint.FrozenModel(data)
            (tmp_path / "bad.ice").write_bytes(data)
            with pytest.raises(icepoint.ModelFileError):
                icepoint.load(tmp_path / "bad.ice")
        with pytest.raises(OSError):
            icepoint.load(tmp_path / "none.ice")
        with pytest.raises(OSError):
            model.save(tmp_path / "no folder" / "m.ice")
        with pytest.raises(icepoint.ModelFileError):
            damaged = model.state_dict()
            damaged["model"] = damaged["model"][:100]
            model.load_state_dict(damaged)
        model.verify()

    def test_saving_over_itself(self, model, tmp_path):
        path = tmp_path / "m.ice"
        for _ in range(2):
            model.save(path)
            assert icepoint.load(path).file_bytes == model.file_bytes
        assert [p.name for p in tmp_path.iterdir()] == ["m.ice"]
