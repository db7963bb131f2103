"""`icepoint run` and `eval`: the codes that Python gives, from every kind of file, batch and thread count."""

import gzip
import json

import numpy as np
import pytest
import torch
from PIL import Image

from icepoint import _C, Recipe
from icepoint.vision import pixels_to_input
from small_model import SEED, codes_of, digits, encode, idx_file, recipe, rng, run, run_json, sha256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("executable")


@pytest.fixture(scope="module")
def model(folder):
    """The path and the bytes of a grey 8 x 8 model with ten named classes."""
    path = folder / "grey.ice"
    path.write_bytes(encode(classes=digits(10)))
    return path, path.read_bytes()


@pytest.fixture(scope="module")
def pixels():
    return rng(SEED).integers(0, 256, (23, 8, 8)).astype(np.uint8)


def write_inputs(folder, pixels, one_recipe) -> dict[str, object]:
    """The same pictures as every kind of file; values name the samples in each."""
    x = pixels_to_input(pixels[..., None], Recipe.of_file(one_recipe))
    np.save(folder / "pixels.npy", pixels)
    np.save(folder / "pixels4.npy", pixels[..., None])
    np.save(folder / "float.npy", x.numpy())
    np.save(folder / "one.npy", pixels[0])
    np.save(folder / "one3.npy", pixels[0][..., None])
    np.save(folder / "one_float.npy", x[0].numpy())
    torch.save(x, folder / "float.pt")
    torch.save(x[0], folder / "one_float.pt")
    torch.save(torch.from_numpy(pixels)[:, None], folder / "pixels.pt")
    torch.save(x.transpose(2, 3).contiguous().transpose(2, 3), folder / "strided.pt")
    torch.save(torch.nn.Parameter(x), folder / "parameter.pt")
    (folder / "images-idx3-ubyte").write_bytes(idx_file(pixels))
    (folder / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_file(pixels)))
    Image.fromarray(pixels[0]).save(folder / "one.png")
    Image.fromarray(np.repeat(pixels[0][..., None], 3, -1)).save(folder / "rgb.png")
    everything = slice(None)
    many = ["pixels.npy", "pixels4.npy", "float.npy", "float.pt", "pixels.pt", "strided.pt", "parameter.pt"]
    many += ["images-idx3-ubyte", "images-idx3-ubyte.gz"]
    single = ["one.npy", "one3.npy", "one_float.npy", "one_float.pt", "one.png", "rgb.png"]
    return dict.fromkeys(many, everything) | dict.fromkeys(single, slice(1))


def test_every_kind_of_input_gives_pythons_codes(folder, model, pixels):
    expected = codes_of(model[1], pixels[..., None])
    assert len(np.unique(expected.argmax(1))) > 3, "the model answers too few classes to tell anything"
    files = write_inputs(folder, pixels, recipe(1, 8, 8))
    for name, part in files.items():
        out = run_json("run", model[0], folder / name, "--raw", folder / "raw.npy", "--batch", "5")
        raw = np.load(folder / "raw.npy")
        assert raw.dtype == np.uint8 and raw.shape == expected[part].shape, name
        assert (raw == expected[part]).all(), name
        assert out["output_sha256"] == sha256(expected[part]), name


def test_several_files_concatenate_in_order(folder, model, pixels):
    write_inputs(folder, pixels, recipe(1, 8, 8))
    expected = codes_of(model[1], pixels[..., None])
    out = run_json("run", model[0], folder / "one.png", folder / "float.npy", folder / "one.npy",
                   "--raw", folder / "raw.npy", "--output", folder / "out.npy")  # fmt: skip
    codes = np.concatenate([expected[:1], expected, expected[:1]])
    assert (np.load(folder / "raw.npy") == codes).all()
    names = [r["input"] for r in out["results"]]
    assert (
        names[0].endswith("one.png") and names[1].endswith("float.npy[0]") and names[-1].endswith("one.npy")
    )
    y = json.loads(_C.Model(model[1]).describe())["outputs"][0]
    real = (codes.astype(np.float32) - np.float32(y["zero_point"])) * np.float32(y["scale"])
    written = np.load(folder / "out.npy")
    assert written.dtype == np.float32 and (written == real).all()
    np.save(folder / "again.npy", written)
    assert (folder / "again.npy").read_bytes() == (folder / "out.npy").read_bytes()


def test_top_is_softmax_of_the_dequantized_codes(folder, model, pixels):
    np.save(folder / "pixels.npy", pixels)
    y = json.loads(_C.Model(model[1]).describe())["outputs"][0]
    codes = codes_of(model[1], pixels[..., None])
    logits = ((codes.astype(np.float32) - np.float32(y["zero_point"])) * np.float32(y["scale"])).astype(
        np.float64
    )
    probability = np.exp(logits - logits.max(1, keepdims=True))
    probability /= probability.sum(1, keepdims=True)
    out = run_json("run", model[0], folder / "pixels.npy", "--top", "99")
    for row, p, c in zip(out["results"], probability, codes, strict=True):
        indices = [answer["index"] for answer in row["top"]]
        assert indices == sorted(range(10), key=lambda i: (-int(c[i]), i))
        assert [answer["class"] for answer in row["top"]] == [str(i) for i in indices]
        np.testing.assert_allclose([answer["probability"] for answer in row["top"]], p[indices], rtol=1e-12)
        assert row["latency_us"] > 0
    table = run("run", model[0], folder / "pixels.npy", "--top", "2").splitlines()
    assert table[0].split() == ["input", "class", "probability", "latency"]
    assert len(table) == 1 + 2 * len(pixels)


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (2, 7), (5, 10000)])
def test_threads_batch_and_isa_change_no_byte(folder, model, pixels, threads, batch):
    np.save(folder / "pixels.npy", pixels)
    expected = sha256(codes_of(model[1], pixels[..., None]))
    for isa in _C.isas():
        out = run_json(
            "run", model[0], folder / "pixels.npy", "--threads", threads, "--batch", batch, "--isa", isa
        )
        assert (out["output_sha256"], out["threads"], out["isa"]) == (expected, threads, isa)


def test_no_samples_are_no_error(folder, model):
    np.save(folder / "none.npy", np.zeros((0, 1, 8, 8), np.float32))
    assert run_json("run", model[0], folder / "none.npy", "--raw", folder / "raw.npy")["results"] == []
    assert np.load(folder / "raw.npy").shape == (0, 10)


def test_colour_pixels_in_both_layouts(folder):
    path = folder / "colour.ice"
    path.write_bytes(encode(3, 6, 5))
    pixels = rng(SEED).integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
    expected = codes_of(path.read_bytes(), pixels)
    np.save(folder / "nhwc.npy", pixels)
    torch.save(torch.from_numpy(pixels).permute(0, 3, 1, 2), folder / "nchw.pt")
    torch.save(torch.from_numpy(pixels[0]).permute(2, 0, 1), folder / "chw.pt")
    (folder / "idx4").write_bytes(idx_file(pixels))
    for name, n in (("nhwc.npy", 4), ("nchw.pt", 4), ("chw.pt", 1), ("idx4", 4)):
        assert run_json("run", path, folder / name)["output_sha256"] == sha256(expected[:n]), name
    # Grey pictures become RGB by copying.
    grey = pixels[..., :1]
    np.save(folder / "grey.npy", grey)
    assert run_json("run", path, folder / "grey.npy")["output_sha256"] == sha256(
        codes_of(path.read_bytes(), np.repeat(grey, 3, -1))
    )


# ---- eval


def labelled(model, pixels):
    """Labels of which some are wrong, so that accuracy is neither 0 nor 1."""
    answers = codes_of(model[1], pixels[..., None]).argmax(1)
    labels = answers.astype(np.uint8)
    labels[::3] = (labels[::3] + 1) % 10
    return answers, labels


def check_eval(out, answers, labels, codes):
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (labels, answers), 1)
    assert out["confusion"] == matrix.tolist()
    assert (out["images"], out["correct"]) == (len(labels), int((answers == labels).sum()))
    assert out["accuracy"] == (answers == labels).mean()
    assert out["classes"] == digits(10) and out["images_per_second"] > 0
    assert out["output_sha256"] == sha256(codes)


@pytest.mark.parametrize("packed", [False, True])
def test_eval_of_an_idx_pair(folder, model, pixels, packed):
    answers, labels = labelled(model, pixels)
    for name, array in (("x", pixels), ("y", labels)):
        data = idx_file(array)
        (folder / name).write_bytes(gzip.compress(data) if packed else data)
    codes = codes_of(model[1], pixels[..., None])
    for batch in (1, 7, 10000):
        out = run_json("eval", model[0], "--idx", folder / "x", folder / "y", "--batch", batch)
        check_eval(out, answers, labels, codes)
    text = run("eval", model[0], "--idx", folder / "x", folder / "y")
    assert f"{(answers == labels).mean() * 100:.2f} %" in text and sha256(codes) in text


def test_eval_of_class_folders_by_name_and_by_order(folder, model, pixels, tmp_path):
    answers, labels = labelled(model, pixels)
    for i, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        (tmp_path / "data" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "data" / str(label) / f"{i:03}.PNG")
    (tmp_path / "data" / ".hidden").write_text("passed over")
    order = np.lexsort((np.arange(len(labels)), labels))  # folder by folder, name by name
    codes = codes_of(model[1], pixels[order][..., None])
    check_eval(run_json("eval", model[0], tmp_path / "data"), answers[order], labels[order], codes)

    unnamed = tmp_path / "unnamed.ice"
    unnamed.write_bytes(encode())
    out = run_json("eval", unnamed, tmp_path / "data")
    position = np.unique(labels, return_inverse=True)[1]
    assert out["correct"] == int((answers == position).sum())

    (tmp_path / "data" / "zebra").mkdir()
    assert "no class of this name" in run("eval", model[0], tmp_path / "data", ok=False)
    (tmp_path / "data" / "zebra").rmdir()
    (tmp_path / "data" / "0").mkdir(exist_ok=True)
    (tmp_path / "data" / "0" / "notes.txt").write_text("?")
    assert "notes.txt: not a .png" in run("eval", model[0], tmp_path / "data", ok=False)


def test_eval_refuses_in_words(folder, model, pixels, tmp_path):
    for name, array in (("x", pixels), ("y", np.full(23, 10, np.uint8)), ("short", np.zeros(22, np.uint8))):
        (tmp_path / name).write_bytes(idx_file(array))
    x = tmp_path / "x"
    assert "labels[0]: 10 is not in 0..9" in run("eval", model[0], "--idx", x, tmp_path / "y", ok=False)
    assert "23 images" in run("eval", model[0], "--idx", x, tmp_path / "short", ok=False)
    assert "expected (n)" in run("eval", model[0], "--idx", x, x, ok=False)
    (tmp_path / "empty").mkdir()
    assert "no images" in run("eval", model[0], tmp_path / "empty", ok=False)
    assert "nowhere" in run("eval", model[0], tmp_path / "nowhere", ok=False)
