"""Calibration data of every form: the same ranges, one pass, constant memory."""

import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import icepoint
from capture_nets import small_chain
from icepoint import Recipe
from icepoint.calibration_data import Batches

SEED = 31
RECIPE = Recipe(mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.25])


@pytest.fixture(scope="module")
def pixels():
    """uint8 (40, 8, 8, 3): more than one batch of 32."""
    return np.random.default_rng(SEED).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def x(pixels):
    return RECIPE(torch.from_numpy(pixels).permute(0, 3, 1, 2))


@pytest.fixture(scope="module")
def expected(x):
    return icepoint.quantize(small_chain(SEED), x[:1], [x], recipe=RECIPE).freeze().file_bytes


@pytest.fixture(scope="module")
def folder(pixels, tmp_path_factory):
    """Class folders, as they come; a hidden file and notes are no pictures."""
    path = tmp_path_factory.mktemp("photos")
    for i, image in enumerate(pixels):
        (path / f"class{i % 3}").mkdir(exist_ok=True)
        Image.fromarray(image).save(path / f"class{i % 3}" / f"{i}.PNG")
    (path / ".hidden.png").write_text("no picture")
    (path / "README.md").write_text("notes")
    return path


class Endless(IterableDataset):
    """Without a length, as a stream."""

    def __init__(self, x):
        self.x = x

    def __iter__(self):
        yield from self.x


FORMS = {
    "list": lambda x: list(x.split(16)),
    "other order": lambda x: list(x.split(7))[::-1],
    "generator": lambda x: (part for part in x.split(16)),
    "DataLoader": lambda x: DataLoader(TensorDataset(x, torch.arange(40)), batch_size=16),
    "DataLoader without labels": lambda x: DataLoader(x, batch_size=16, shuffle=True),
    "DataLoader of a stream": lambda x: DataLoader(Endless(x), batch_size=16),
    "tuples": lambda x: [(part, "label") for part in x.split(16)],
    "dicts": lambda x: [OrderedDict(pixel_values=part, labels=None) for part in x.split(16)],
    "one tensor": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "one array": lambda x: x.numpy(),
    "arrays": lambda x: [part.numpy() for part in x.split(16)],
    "strided array": lambda x: [part.permute(0, 2, 3, 1).contiguous().numpy().transpose(0, 3, 1, 2)
                                for part in x.split(16)],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_file(form, x, expected):
    q = icepoint.quantize(small_chain(SEED), x[:1], FORMS[form](x), recipe=RECIPE)
    assert q.freeze().file_bytes == expected


def test_pixels_and_files(x, pixels, folder, tmp_path, expected):
    np.save(tmp_path / "x.npy", x.numpy())
    np.save(tmp_path / "pixels.npy", pixels)
    np.savez(tmp_path / "one.npz", pixels)
    np.savez(tmp_path / "named.npz", y=np.arange(40), x=x.numpy())
    forms = [pixels, torch.from_numpy(pixels).permute(0, 3, 1, 2), folder, str(folder)]
    for data in [*forms, *(tmp_path / name for name in ("x.npy", "pixels.npy", "one.npz", "named.npz"))]:
        found = icepoint.quantize(small_chain(SEED), x[:1], data, recipe=RECIPE).freeze().file_bytes
        assert found == expected, data


def test_lengths_are_known_where_they_can_be(x, folder):
    import operator

    def hint(data):
        return operator.length_hint(Batches(data, [x[:1]], RECIPE), 0)

    assert [hint(d) for d in (x, folder, [x], DataLoader(x, batch_size=16))] == [2, 2, 1, 3]
    assert hint(part for part in [x]) == 0 and hint(DataLoader(Endless(x), batch_size=16)) == 0


@pytest.mark.parametrize("data, text", [
    (lambda x: {"x": x}, "found dict"),
    (lambda x: 3, "found int"),
    (lambda x: [], "held no batch"),
    (lambda x: x[:0], "held no batch"),
    (lambda x: [x, "x"], "batch 1: expected a float32 tensor, .*found str"),
    (lambda x: [x.double()], "batch 0: expected float32, found torch.float64"),
    (lambda x: x.double(), "batch 0: expected float32, found torch.float64"),
    (lambda x: [x.double().numpy()], "batch 0: .*found a NumPy array of float64"),
    (lambda x: [x[:, :2]], r"batch 0: expected shape \(n, 3, 8, 8\), found \(40, 2, 8, 8\)"),
    (lambda x: x[0], r"found \(3, 8, 8\); this is one image without a batch"),
    (lambda x: TensorDataset(x), "one image without a batch: a DataLoader"),
    (lambda x: [x, x * float("nan")], "batch 1: .*NaN"),
    (lambda x: (x * 255).to(torch.uint8), "uint8 pixels become inputs by a recipe, found none"),
    (lambda x: "no/such/folder", "no/such/folder: expected a folder of pictures"),
])  # fmt: skip
def test_what_is_refused(data, text, x):
    with pytest.raises(ValueError, match=text):
        icepoint.quantize(small_chain(SEED), x[:1], data(x))


def test_folders_that_are_refused(x, folder, tmp_path):
    with pytest.raises(ValueError, match="pictures become inputs by a recipe, found none"):
        icepoint.quantize(small_chain(SEED), x[:1], folder)
    with pytest.raises(ValueError, match=r"holds no \.png or \.jpg file"):
        icepoint.quantize(small_chain(SEED), x[:1], tmp_path, recipe=RECIPE)
    Image.new("RGB", (9, 8)).save(tmp_path / "wide.png")
    with pytest.raises(ValueError, match=r"wide\.png: the picture has 9 x 8 pixels, the model takes 8 x 8"):
        icepoint.quantize(small_chain(SEED), x[:1], tmp_path, recipe=RECIPE)
    (tmp_path / "wide.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"wide\.png: expected a sound PNG or JPEG"):
        icepoint.quantize(small_chain(SEED), x[:1], tmp_path, recipe=RECIPE)
    np.savez(tmp_path / "two.npz", a=x.numpy(), b=x.numpy())
    with pytest.raises(ValueError, match=r"two\.npz: expected an array named x, or one alone, found a, b"):
        icepoint.quantize(small_chain(SEED), x[:1], tmp_path / "two.npz")


_PEAK = """
import sys, torch
from torch import nn
import icepoint

images, keep = int(sys.argv[1]), sys.argv[2] == "keep"
model = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 8, 3, 2), nn.Flatten(),
                      nn.Linear(8 * 15 * 15, 10)).eval()
kept = []

def batches():
    for i in range(images // 32):
        x = torch.randn(32, 3, 64, 64)  # 1.5 MiB
        if keep:
            kept.append(x)
        yield x

torch.set_num_threads(1)
icepoint.quantize(model, torch.randn(1, 3, 64, 64), batches())
with open("/proc/self/status") as status:  # ru_maxrss would count the process that started this one
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))  # KiB
"""


def _peak_kib(images, keep="stream"):
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(images), keep], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_memory_does_not_grow_with_the_number_of_images():
    """256 images are held, and not one more: 4,096 of 48 KiB are 192 MiB."""
    few, many, kept = (_peak_kib(*run) / 1024 for run in ((256,), (4096,), (2048, "keep")))
    print(f"peak resident MiB: 256 images {few:.0f}, 4,096 images {many:.0f}, 2,048 kept {kept:.0f}")
    assert many - few < 16
    assert kept - few > 48  # 96 MiB, less what import and capture took and gave back


class Once:
    """Batches that come once, of an object that is no iterator itself."""

    def __init__(self, batches):
        self.batches = iter(batches)

    def __iter__(self):
        return self.batches


@pytest.mark.parametrize("form", [iter, Once, list])
def test_more_images_than_are_held_may_come_once(x, form):
    """Methods observe ranges again: on what is held, where nothing comes any more."""
    many = [*x.repeat(6, 1, 1, 1).split(40), 2 * x]
    data = form(many)
    q = icepoint.quantize(small_chain(SEED), x[:1], data, recipe=["correct_bias"])
    assert torch.equal(q.freeze()(x), q(x))
    if form is list:
        data.clear()
    assert torch.equal(q.again()(x), q.again()(x))
    assert q.calibrate(form(many)) == 7
