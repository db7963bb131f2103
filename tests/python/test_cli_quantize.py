"""python -m icepoint quantize and evaluate: models by name, recipes, files, and the executable's numbers."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import icepoint
from icepoint.cli import main
from icepoint.commands.model_names import load_model
from icepoint.evaluate import evaluate_folder
from icepoint.models import zoo
from small_model import run_json

SEED = 41
CLASSES = ["cat", "dog", "owl"]
RECIPE = ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.3", "0.2", "--classes", *CLASSES]
SOURCE = '''
"""A user's own file."""
from torch import nn

from beside import WIDTH


def net():
    return nn.Sequential(nn.Conv2d(3, WIDTH, 3), nn.ReLU(), nn.Flatten(), nn.Linear(WIDTH * 36, 3))


class Holder:
    net = net


number = 3
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """net.py, its weights, photos/<class>/*.png and arrays of the same pixels."""
    path = tmp_path_factory.mktemp("user")
    (path / "own_net.py").write_text(SOURCE)
    (path / "beside.py").write_text("WIDTH = 4\n")
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    torch.save(net.state_dict(), path / "weights.pt")
    torch.save({"state_dict": net.state_dict(), "epoch": 3}, path / "checkpoint.pt")
    pixels = np.random.default_rng(SEED).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        folder = path / "photos" / CLASSES[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02}.png")
    np.save(path / "pixels.npy", pixels)
    return path


def quantized(place, out, *options):
    name = f"{place / 'own_net.py'}:net"
    return main(["quantize", name, "--weights", str(place / "weights.pt"), "--out", str(out), *options])


def test_quantize_prints_the_report_and_saves(place, tmp_path, capsys):
    out = tmp_path / "net.ice"
    assert quantized(place, out, "--data", str(place / "photos"), *RECIPE) == 0
    text, model = capsys.readouterr().out, icepoint.load(out)
    assert "100.0 % of the multiply-accumulates are integer" in text and "QConv2d + relu" in text
    assert model.digest in text and str(out) in text
    assert "4 of 4 operators become integer; captured by torch.export" in text
    assert text.index("operators become integer") < text.index("multiply-accumulates")  # told before it runs
    assert list(model.recipe.classes) == CLASSES
    model.verify()

    again = tmp_path / "again.ice"
    name = f"{place / 'own_net.py'}:Holder.net"
    arguments = ["--weights", str(place / "checkpoint.pt"), "--data", str(place / "pixels.npy"), *RECIPE]
    assert main(["quantize", name, *arguments, "--out", str(again), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["digest"] == icepoint.load(again).digest and found["bytes"] == again.stat().st_size
    assert found["integer_macs_percent"] == 100.0 and found["not_integer"] == []
    layers = [(row["layer"], row["bits"]) for row in found["layers"]]
    assert layers[1:] == [("0", 8), ("2", None), ("3", 8)]


def test_bits_and_schemes(place, tmp_path, capsys):
    out = tmp_path / "net.ice"
    options = ["--bits", "6", "--weight-bits", "3=4", "--scheme", "per_tensor_affine", "--json"]
    assert quantized(place, out, "--data", str(place / "photos"), *RECIPE, *options) == 0
    rows = {row["layer"]: row for row in json.loads(capsys.readouterr().out)["layers"]}
    assert (rows["0"]["weight_bits"], rows["3"]["weight_bits"], rows["3"]["bits"]) == (6, 4, 6)
    assert rows["0"]["weights"] == "per_tensor_affine"
    assert (
        quantized(place, out, "--data", str(place / "photos"), *RECIPE, "--weight-bits", "4", "--json") == 0
    )
    assert json.loads(capsys.readouterr().out)["layers"][1]["weight_bits"] == 4


@pytest.fixture(scope="module")
def big_photos(tmp_path_factory):
    """Pictures of three sizes, none of them the model's."""
    path, dice = tmp_path_factory.mktemp("big"), np.random.default_rng(SEED)
    for i, (height, width) in enumerate([(17, 23), (40, 12), (9, 9), (20, 31)]):
        Image.fromarray(dice.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path / f"{i}.png")
    return path


@pytest.mark.parametrize("options, resize", [
    (["letterbox"], {"fit": "letterbox", "filter": "opencv_linear", "fill": 114}),
    (["letterbox", "--filter", "bicubic", "--fill", "0"],
     {"fit": "letterbox", "filter": "bicubic", "fill": 0}),
    (["crop:9"], {"fit": "crop", "filter": "bilinear", "shorter_side": 9}),
    (["stretch", "--filter", "opencv_linear"], {"fit": "stretch", "filter": "opencv_linear"}),
])  # fmt: skip
def test_pictures_of_any_size(options, resize, place, big_photos, tmp_path, capsys):
    out = tmp_path / "net.ice"
    asked = ["--data", str(big_photos), *RECIPE, "--input", "3,8,8", "--resize", *options, "--json"]
    assert quantized(place, out, *asked) == 0
    recipe = icepoint.load(out).recipe
    assert recipe.resize == resize and recipe.size == (8, 8)
    # The same file as by hand, from pictures that the recipe prepares.
    net = load_model(f"{place / 'own_net.py'}:net", place / "weights.pt")
    x = torch.cat([recipe(path) for path in sorted(big_photos.iterdir())])
    by_hand = icepoint.quantize(net, x[:1], [x], recipe=recipe).freeze()
    assert json.loads(capsys.readouterr().out)["digest"] == by_hand.digest


def test_what_has_no_integer_form_is_listed_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "normed.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4))\n"
    )
    np.save("x.npy", np.zeros((4, 5), np.float32))
    assert main(["quantize", "normed.py:net", "--data", "x.npy"]) == 1
    told, error = capsys.readouterr()
    assert "1 of 2 operators become integer" in told and "not integer: 1. layer_norm in 1 (" in told
    assert error == "icepoint quantize: normed.py:net has parts without an integer form, listed above\n"
    assert main(["quantize", "normed.py:net", "--data", "x.npy", "--json"]) == 1
    told, error = capsys.readouterr()
    assert told == "" and "1. layer_norm in 1 (" in error


def test_float_inputs_need_no_recipe_and_no_weights(place, tmp_path, capsys, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(SEED).normal(size=(8, 5)).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain_net.py").write_text("from torch import nn\ndef small():\n    return nn.Linear(5, 2)\n")
    assert main(["quantize", "plain_net.py:small", "--data", "x.npz"]) == 0
    assert icepoint.load("small.ice").recipe is None and "small.ice" in capsys.readouterr().out


def test_a_torchvision_model(tmp_path, capsys):
    model = zoo.seeded("squeezenet1_1")
    torch.save(model.state_dict(), tmp_path / "w.pt")
    np.save(tmp_path / "x.npy", zoo.natural_images(4, 64).numpy())
    name, out = f"torchvision:squeezenet1_1:{tmp_path / 'w.pt'}", str(tmp_path / "s.ice")
    assert main(["quantize", name, "--data", str(tmp_path / "x.npy"), "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["integer_macs_percent"] == 100.0
    x = zoo.natural_images(4, 64)
    assert torch.equal(icepoint.load(out)(x), icepoint.quantize(model, x[:1], [x])(x))


@pytest.mark.parametrize("name, text", [
    ("resnet18", "expected torchvision:NAME"),
    ("torchvision:resnet19", "torchvision:resnet19: torchvision.models has no such"),
    ("no_such_file.py:net", "there is no such file"),
    ("no.such.package:net", "cannot be imported"),
    ("torch.nn:NoSuch", "torch.nn has no function NoSuch"),
    ("collections:OrderedDict", "expected an nn.Module, found OrderedDict"),
])  # fmt: skip
def test_models_that_are_refused(name, text):
    with pytest.raises(ValueError, match=text):
        load_model(name)


@pytest.mark.parametrize("options, text", [
    (["--data", "photos"], "by a recipe, found none"),
    (["--data", "photos", "--mean", "0.5"], "both --mean and --std"),
    (["--data", "photos", "--classes", "a"], "--mean and --std too"),
    (["--data", "photos", "--input", "3,8,8", "--resize", "stretch"], "--resize: it belongs to a recipe"),
    (["--data", "photos", "--resize", "stretch", *RECIPE], "the size that pictures get, --input C,H,W"),
    (["--data", "photos", "--filter", "bicubic", *RECIPE], "--resize letterbox or crop or stretch"),
    (["--data", "photos", "--fill", "3", "--resize", "crop:9", *RECIPE], "--fill: it belongs to --resize l"),
    (["--data", "photos", "--fill", "256", "--resize", "letterbox", "--input", "3,8,8", *RECIPE], "0..255"),
    (["--data", "photos", "--resize", "crop:7", "--input", "3,8,8", *RECIPE], "shorter_side"),
    (["--data", "nothing", *RECIPE], "nothing: expected a folder of pictures"),
    (["--data", "photos", "--weight-bits", "3=4", "--weight-bits", "4", *RECIPE], "one number, or patterns"),
    (["--data", "photos", "--weight-bits", "9", *RECIPE], "weight_bits"),
    (["--data", "photos", "--input", "3,9,9", *RECIPE], "cannot capture Sequential"),
])  # fmt: skip
def test_arguments_end_in_one_line(options, text, place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert quantized(place, tmp_path / "net.ice", *options) == 1
    error = capsys.readouterr().err
    assert error.startswith("icepoint quantize: ") and error.count("\n") == 1 and text in error
    assert not (tmp_path / "net.ice").exists()


@pytest.mark.parametrize("weight_bits", ["x", "conv=", "=", "a=b"])
def test_weight_bits_that_are_no_bits(weight_bits, capsys):
    with pytest.raises(SystemExit):
        main(["quantize", "torch.nn:Identity", "--data", "x.npy", "--weight-bits", weight_bits])
    assert "neither BITS nor PATTERN=BITS" in capsys.readouterr().err


@pytest.mark.parametrize("fit", ["crop", "crop:", "crop:x", "fit", "letterbox:3", ""])
def test_fits_that_are_none(fit, capsys):
    with pytest.raises(SystemExit):
        main(["quantize", "torch.nn:Identity", "--data", "x.npy", "--resize", fit])
    assert "neither letterbox nor stretch nor crop:SIDE" in capsys.readouterr().err


@pytest.fixture(scope="module")
def frozen_file(place, tmp_path_factory):
    out = tmp_path_factory.mktemp("frozen") / "net.ice"
    assert quantized(place, out, "--data", str(place / "photos"), *RECIPE, "--json") == 0
    return out


def test_evaluate_has_the_numbers_and_the_digest_of_the_executable(place, frozen_file, capsys):
    photos = place / "photos"
    for batch in ("7", "64"):
        assert main(["evaluate", str(frozen_file), str(photos), "--batch", batch, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        wanted = run_json("eval", frozen_file, photos)
        assert list(found) == list(wanted)
        for key in ("digest", "images", "correct", "accuracy", "output_sha256", "classes", "confusion"):
            assert found[key] == wanted[key], key
    assert found["images"] == 30 and np.sum(found["confusion"]) == 30


def test_evaluate_in_words(place, frozen_file, capsys):
    assert main(["evaluate", str(frozen_file), str(place / "photos")]) == 0
    text = capsys.readouterr().out
    run = evaluate_folder(icepoint.load(frozen_file), place / "photos")
    assert f"({run.correct} of 30)" in text and run.output_sha256 in text
    assert all(name in text for name in CLASSES)
    wrong = sum(count for _, _, count in run.mistakes())
    assert wrong == 30 - run.correct and run.mistakes() == sorted(run.mistakes(), key=lambda m: -m[2])


def test_evaluate_over_idx_files(tmp_path, capsys):
    from small_model import digits, encode

    rng = np.random.default_rng(SEED)
    (tmp_path / "grey.ice").write_bytes(encode(classes=digits(10)))
    pixels, labels = rng.integers(0, 256, (70, 8, 8), dtype=np.uint8), rng.integers(0, 10, 70, dtype=np.uint8)
    for name, array in (("images", pixels), ("labels", labels)):
        sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
        (tmp_path / name).write_bytes(bytes([0, 0, 8, array.ndim]) + sides + array.tobytes())
    idx = ["--idx", str(tmp_path / "images"), str(tmp_path / "labels")]
    assert main(["evaluate", str(tmp_path / "grey.ice"), *idx, "--json"]) == 0
    found, wanted = json.loads(capsys.readouterr().out), run_json("eval", tmp_path / "grey.ice", *idx)
    assert (found["output_sha256"], found["confusion"]) == (wanted["output_sha256"], wanted["confusion"])


@pytest.mark.parametrize("change, text", [
    (lambda p: (p / "cat" / "notes.txt").write_text("x"), "not a .png, .jpg or .jpeg"),
    (lambda p: (p / "loose.png").write_bytes(b"x"), "not a folder"),
    (lambda p: (p / "unknown").mkdir(), "no class of this name"),
    (lambda p: (p / "cat" / "bad.png").write_bytes(b"x"), "bad.png: expected a sound"),
    (lambda p: Image.new("RGB", (9, 9)).save(p / "cat" / "big.png"), "9 x 9 pixels, the model takes 8 x 8"),
])  # fmt: skip
def test_folders_that_are_refused_as_by_the_executable(change, text, frozen_file, tmp_path, capsys):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    change(tmp_path / "photos")
    assert main(["evaluate", str(frozen_file), str(tmp_path / "photos")]) == 1
    assert text in capsys.readouterr().err


def test_evaluate_needs_one_source(frozen_file, tmp_path, capsys):
    assert main(["evaluate", str(frozen_file)]) == 1
    assert "either a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", str(frozen_file), str(tmp_path / "empty")]) == 1
    assert "there are no images" in capsys.readouterr().err
