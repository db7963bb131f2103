"""Weight-only quantization: exact codes, sizes, an untouched float model, and the file's round trip."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import icepoint
from icepoint import choose_weight_qparams, dequantize_tensor, load_weights, quantize_tensor, quantize_weights
from icepoint.data import load, normalize
from icepoint.models import Net
from icepoint.packed_codes import pack, unpack
from icepoint.weights import SCHEMES, weight_range


def small_net():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, 2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16 * 16, 5),
    ).eval()  # fmt: skip


X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@given(st.integers(2, 7), st.booleans(), st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_packed_rows_come_back(bits, signed, rows, row, seed):
    low, high = weight_range(bits, "per_channel" if signed else "per_tensor_affine")
    codes = torch.randint(low, high + 1, (rows, row), generator=torch.Generator().manual_seed(seed))
    packed = pack(codes, bits)
    assert packed.shape == (rows, (bits * row + 7) // 8)
    assert torch.equal(unpack(packed, row, bits, signed).long(), codes)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", range(2, 9))
def test_a_weight_is_what_its_codes_stand_for(bits, scheme):
    model = small_net()
    packed = quantize_weights(model, bits, weights=scheme).model
    for name, axis in (("0", 0), ("3", 1), ("6", 0)):
        rows = model.get_submodule(name).weight.detach().transpose(0, axis)
        scale, zero_point = choose_weight_qparams(rows.contiguous(), bits, scheme)
        along = None if scheme == "per_tensor_affine" else 0
        signed = scheme == "per_channel"
        codes = quantize_tensor(rows, scale, zero_point, bits, signed=signed, axis=along)
        expected = dequantize_tensor(codes, scale, zero_point, axis=along).transpose(0, axis)
        assert torch.equal(packed.get_submodule(name).weight, expected), name


def test_it_computes_with_those_weights_and_leaves_the_float_model_alone():
    model = small_net()
    before = copy.deepcopy(model.state_dict())
    q = quantize_weights(model, 4)
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())
    by_hand = copy.deepcopy(model)
    for name in ("0", "3", "6"):
        by_hand.get_submodule(name).weight.data = q.model.get_submodule(name).weight.data
    assert torch.equal(q(X), by_hand(X))
    assert torch.equal(copy.deepcopy(q)(X), q(X))
    assert torch.equal(torch.export.export(q, (X,)).module()(X), q(X))


@pytest.mark.parametrize(("bits", "least"), [(8, 3.9), (4, 7.7), (2, 14.8)])
def test_it_is_as_small_as_its_codes(bits, least):
    q = quantize_weights(nn.Linear(4096, 64, bias=False), bits)
    report = q.report()
    assert report.size_bytes == q.size_bytes == 4096 * 64 * bits // 8 + 4 * 64 + 4
    assert report.float_bytes / q.size_bytes > least
    assert report.to_dict()["layers"][0]["bits"] == bits and f"{q.size_bytes:,}" in str(report)


def test_patterns_choose_bits_and_keep_layers_float():
    model = small_net()
    q = quantize_weights(model, 8, weight_bits={"6": 4}, keep=["0"])
    assert {row.layer: row.bits for row in q.report().rows} == {"3": 8, "6": 4}
    assert torch.equal(q.model[0].weight, model[0].weight)
    # Six decibels a bit; the exact figure is the weights'.
    rows = {bits: quantize_weights(model, bits).report().rows[2].sqnr_db for bits in (8, 6, 4)}
    assert rows[8] - rows[6] > 9 and rows[6] - rows[4] > 9


@pytest.mark.parametrize("bits", [8, 5])
def test_a_file_gives_the_same_model_back(tmp_path, bits):
    q = quantize_weights(small_net(), bits, weights="per_channel_affine")
    path = q.save(tmp_path / "small.safetensors")
    assert path.stat().st_size < q.size_bytes + 4096
    other = small_net()
    for p in other.parameters():
        p.data.add_(1.0)  # the file's values count, not the given network's
    loaded = load_weights(path, other)
    assert torch.equal(loaded(X), q(X))
    assert loaded.size_bytes == q.size_bytes
    assert loaded.save(tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_file_of_another_network_is_refused_in_words(tmp_path):
    path = quantize_weights(small_net()).save(tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match=r"another network: Sequential has no layer '0'.*\[8, 3, 3, 3\]"):
        load_weights(path, nn.Sequential(nn.Linear(3, 4)))
    (tmp_path / "broken").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="expected a safetensors file"):
        load_weights(tmp_path / "broken", small_net())
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "none", small_net())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.embed(x))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x)[..., :8])


def made(kind):
    torch.manual_seed(5)
    return kind().eval()


def normed():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 4))


@pytest.mark.parametrize(("kind", "count", "rows"), [(Tied, 800, 50), (Shared, 64, 8)])
def test_weights_that_layers_share_are_stored_once(tmp_path, kind, count, rows):
    x = torch.randint(0, 50, (3, 4)) if kind is Tied else torch.randn(3, 8)
    q = quantize_weights(made(kind), 8)
    biases = 0 if kind is Tied else 32
    assert q.size_bytes == count + 4 * rows + 4 + biases
    path = q.save(tmp_path / "shared.safetensors")
    assert count < path.stat().st_size < count + 1100
    loaded = load_weights(path, kind().eval())
    assert torch.equal(loaded(x), q(x)) and loaded.size_bytes == q.size_bytes


def test_a_weight_that_one_layer_keeps_is_no_view_of_the_float_models():
    model = made(Tied)
    q = quantize_weights(model, 8, keep=["head"])
    assert q.model.head.weight.data_ptr() != model.embed.weight.data_ptr()
    assert q.model.head.weight.requires_grad
    mixed = quantize_weights(model, 8, weight_bits={"head": 4})  # two sets of codes: no longer tied
    assert not torch.equal(mixed.model.head.weight, mixed.model.embed.weight)


def test_the_file_of_a_tied_network_is_for_tied_networks(tmp_path):
    untied = made(Tied)
    untied.head = nn.Linear(16, 50, bias=False)
    path = quantize_weights(made(Tied)).save(tmp_path / "tied.safetensors")
    with pytest.raises(ValueError, match="another network"):
        load_weights(path, untied)
    path = quantize_weights(untied).save(tmp_path / "untied.safetensors")
    with pytest.raises(ValueError, match=r"another network: only one of both has head\."):
        load_weights(path, made(Tied))


@pytest.mark.parametrize("kind", [normed, lambda: nn.Linear(8, 4)])
def test_files_of_other_parametrizations_and_of_a_single_layer(tmp_path, kind):
    q, x = quantize_weights(made(kind)), torch.randn(2, 8)
    loaded = load_weights(q.save(tmp_path / "a.safetensors"), kind().eval())
    assert torch.equal(loaded(x), q(x))


def test_subclasses_of_layers_are_packed_and_computed_with():
    layer = made(lambda: nn.MultiheadAttention(8, 2, batch_first=True))
    q, x = quantize_weights(layer), torch.randn(2, 3, 8)
    assert [row.layer for row in q.report().rows] == ["out_proj"]
    with torch.no_grad():
        assert (q(x, x, x)[0] - layer(x, x, x)[0]).abs().max() < 0.02


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_it_follows_its_user_to_another_float_type(dtype):
    q = quantize_weights(small_net())
    real, found = q(X), copy.deepcopy(q).to(dtype)(X.to(dtype))
    assert found.dtype == dtype and (found - real).abs().max() < 0.05 * real.abs().max()


def test_what_cannot_be_packed_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match=r"in float32, found parameters of torch\.float64"):
        quantize_weights(small_net().double())
    with pytest.raises(ValueError, match=r"expected an nn\.Module, found OrderedDict"):
        quantize_weights(small_net().state_dict())
    broken = small_net()
    broken[6].weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="layer '6': weight: expected finite"):
        quantize_weights(broken)
    with pytest.raises(IsADirectoryError, match="found a folder"):
        load_weights(tmp_path, small_net())


@pytest.mark.parametrize(("arguments", "words"), [
    ({"num_bits": 9}, "num_bits: expected an integer in 2..8, found 9"),
    ({"weights": "per_row"}, "expected one of per_channel"),
    ({"weight_bits": {"nothing.*": 4}}, "'nothing.\\*' matches no layer"),
    ({"keep": ["*"]}, r"\['\*'\] leaves no layer"),
    ({"keep": "6"}, "expected a list of patterns, found '6'"),
    ({"keep": ["head"]}, "'head' matches no layer with weights; expected a pattern of 0, 3, 6"),
    ({"num_bits": 8.0}, "expected an integer in 2..8, found 8.0"),
])  # fmt: skip
def test_wrong_arguments_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        quantize_weights(small_net(), **arguments)


def test_digits_stay_right_in_eight_bits_and_nearly_in_four():
    digits = load("mnist", embedded=True)
    x, labels = normalize(digits.test_images), torch.from_numpy(digits.test_labels)
    net = Net().eval()
    net.load_state_dict(torch.load("ckpt/mnist_cnn.pt"))
    with torch.no_grad():
        right = int((net(x).argmax(1) == labels).sum())
        found = {bits: int((quantize_weights(net, bits)(x).argmax(1) == labels).sum()) for bits in (8, 4, 2)}
    print(f"right of {len(labels)}: float {right}, weights of 8, 4, 2 bits {found}")
    assert abs(found[8] - right) <= 2
    assert right - found[4] <= len(labels) // 50
    assert found[2] < found[4]  # 2 bits need training
    assert isinstance(quantize_weights(net).report(), icepoint.weight_only.WeightReport)
