"""From a JPEG to answers and maps: Python and the executable say the same, byte for byte."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import icepoint
from icepoint import Recipe
from small_model import SEED, digits, encode, refuse, rng, run, run_json

PHOTOS = Path(__file__).resolve().parents[3] / "shared/data/flowers/val"
RESIZES = {
    "letterbox": {"fit": "letterbox", "filter": "opencv_linear", "fill": 114},
    "crop": {"fit": "crop", "filter": "bicubic", "shorter_side": 20},
    "stretch": {"fit": "stretch", "filter": "bilinear"},
}


def draw(path: Path, number: int, size: tuple[int, int], grey: bool = False) -> Path:
    """A JPEG of rings and noise, another for every number."""
    random = np.random.default_rng(SEED + number)
    picture = Image.new("RGB", size, tuple(int(v) for v in random.integers(0, 256, 3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y, r = (int(v) for v in random.integers(0, max(size), 3))
        pen.ellipse((x - r, y - r, x + r, y + r), outline=tuple(int(v) for v in random.integers(0, 256, 3)))
    (picture.convert("L") if grey else picture).save(path, quality=90)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(64, 48), (48, 64), (17, 300), (16, 16), (1, 1), (301, 99)]
    return [draw(folder / f"picture {i}.jpg", i, size, grey=i == 5) for i, size in enumerate(sizes)]


def model_with(path: Path, resize: dict, **options) -> Path:
    path.write_bytes(encode(3, 16, 16, classes=[f"class {d}" for d in digits(10)], resize=resize, **options))
    return path


@pytest.mark.parametrize("fit", RESIZES)
def test_classify_prints_what_run_prints(fit, pictures, tmp_path):
    model = model_with(tmp_path / "model.ice", RESIZES[fit])
    frozen = icepoint.load(model)
    for top in (1, 3):
        printed = run("run", "--no-latency", "--top", str(top), model, *pictures)
        answers = frozen.classify(pictures, top=top)
        assert f"{answers}\n" == printed
        rows = run_json("run", "--no-latency", "--top", str(top), model, *pictures)["results"]
        assert all("latency_us" not in row for row in rows)
        want = [[(a["class"], a["index"], a["probability"]) for a in row["top"]] for row in rows]
        assert [[tuple(answer) for answer in one] for one in answers] == want
    assert str(answers) == repr(answers) and len(answers) == len(pictures)
    assert answers.names == [str(path) for path in pictures]


def test_the_float_road_agrees(pictures, tmp_path):
    """file -> recipe -> float32 -> model gives the codes that the table of integers gives."""
    frozen = icepoint.load(model_with(tmp_path / "model.ice", RESIZES["crop"]))
    for path in pictures:
        logits = frozen(frozen.recipe(path))[0]
        (best,) = frozen.classify(path)[0]
        assert best.index == int(logits.argmax())
        assert best.probability == pytest.approx(float(logits.double().softmax(0)[best.index]), rel=1e-12)
        assert frozen.classify(Image.open(path))[0] == [best]


@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "sigmoid", "argmax"])
def test_classify_behind_an_output_function(kind, pictures, tmp_path):
    function = {"function": kind, **({} if kind == "sigmoid" else {"axis": 0})}
    function |= {"keepdim": False} if kind == "argmax" else {}
    model = model_with(tmp_path / "model.ice", RESIZES["stretch"], function=function)
    answers = icepoint.load(model).classify(pictures, top=2)
    assert f"{answers}\n" == run("run", "--no-latency", "--top", "2", model, *pictures)
    assert all((a.probability is None) == (kind == "argmax") for one in answers for a in one)


def test_names_that_are_no_text(tmp_path):
    """A line feed, an escape and a byte that is no UTF-8 in a file's name: shown, and equal."""
    model = model_with(tmp_path / "model.ice", RESIZES["crop"])
    plain = draw(tmp_path / "plain.jpg", 0, (20, 30)).read_bytes()
    path = bytes(tmp_path) + b"/a\nb\x1b[31m\xff.jpg"
    with open(path, "wb") as file:
        file.write(plain)
    name = path.decode(errors="surrogateescape")
    answers = icepoint.load(model).classify([name])
    assert f"{answers}\n" == run("run", "--no-latency", model, name)
    assert "\\x0ab\\x1b[31m\\xff" in str(answers)


def test_what_classify_takes(pictures, tmp_path):
    frozen = icepoint.load(model_with(tmp_path / "model.ice", RESIZES["crop"]))
    pixels = np.asarray(Image.open(pictures[0]))
    one = frozen.classify(pictures[0])[0]
    mixed = frozen.classify([pixels, Image.open(pictures[0]), str(pictures[0]), np.stack([pixels] * 2)])
    assert list(mixed) == [one] * 5
    assert mixed.names == ["[0]", "[1]", str(pictures[0]), "[3][0]", "[3][1]"]
    assert len(frozen.classify([])) == 0
    with pytest.raises(ValueError, match="top is 0, expected at least 1"):
        frozen.classify(pictures, top=0)
    with pytest.raises(ValueError, match=r"top is 1\.5, expected at least 1"):
        frozen.classify(pictures, top=1.5)
    tensor = torch.tensor(pixels).permute(2, 0, 1)  # three rows of grey pictures, for NumPy
    for given in (tensor, [tensor]):
        with pytest.raises(ValueError, match=r"found a tensor \(3, \d+, \d+\); give x\.permute"):
            frozen.classify(given)
    with pytest.raises(ValueError, match="expected a path"):
        frozen.classify(None)
    with pytest.raises(ValueError, match="expected a path, a PIL image or uint8"):
        frozen.classify([pixels.astype(np.float32)])
    with pytest.raises(FileNotFoundError):
        frozen.classify("nothing.jpg")
    without = icepoint.FrozenModel(encode(3, 16, 16, pictures=False))
    with pytest.raises(ValueError, match="no input recipe and takes no pictures"):
        without.classify(pictures)


def test_photographs_of_any_size(tmp_path):
    if not PHOTOS.is_dir():
        pytest.skip("no photographs in ../shared/data/flowers")
    model = tmp_path / "model.ice"
    names = sorted(folder.name for folder in PHOTOS.iterdir())
    for fit, resize in RESIZES.items():
        model.write_bytes(encode(3, 16, 16, classes=names, outputs=len(names), resize=resize))
        paths = [path for name in names for path in sorted((PHOTOS / name).iterdir())[:3]]
        frozen = icepoint.load(model)
        assert f"{frozen.classify(paths)}\n" == run("run", "--no-latency", model, *paths), fit


def test_eval_takes_photographs_of_any_size(pictures, tmp_path):
    model = model_with(tmp_path / "model.ice", RESIZES["letterbox"])
    answers = [one[0] for one in icepoint.load(model).classify(pictures)]
    for i, path in enumerate(pictures):
        folder = tmp_path / "data" / (answers[i].name if i % 3 else "class 0")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    right = sum(i % 3 > 0 or answer.name == "class 0" for i, answer in enumerate(answers))
    found = run_json("eval", model, tmp_path / "data")
    assert (found["images"], found["correct"]) == (len(pictures), right)


def test_arrays_of_pixels_are_resized_too(tmp_path):
    model = model_with(tmp_path / "model.ice", RESIZES["crop"])
    frozen = icepoint.load(model)
    pixels = rng(SEED).integers(0, 256, (3, 40, 30, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    torch.save(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), tmp_path / "x.pt")
    want = [one[0].probability for one in frozen.classify(pixels)]
    for name in ("x.npy", "x.pt"):
        rows = run_json("run", model, tmp_path / name)["results"]
        assert [row["top"][0]["probability"] for row in rows] == want, name
    np.save(tmp_path / "tiny.npy", np.zeros((1 << 23, 1, 2), np.uint8))
    refuse(model, tmp_path / "tiny.npy", "the input codes of 8388608 pictures are more than 4294967296 bytes")


# ---- maps


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """The path of a model (3, 12, 20) -> (5, 12, 20) of a convolution, that crops its pictures."""
    torch.manual_seed(SEED)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, padding=1)).eval()
    x = torch.randn(8, 3, 12, 20)
    resize = {"fit": "crop", "filter": "bilinear", "shorter_side": 24}
    recipe = Recipe([0.5] * 3, [0.25] * 3, resize=resize)
    path = tmp_path_factory.mktemp("maps") / "maps.ice"
    icepoint.quantize(network, x[:1], [x], recipe=recipe).freeze().save(path)
    return path


def indices(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert picture.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        assert len(picture.getpalette()) == 3 * 5
        return np.asarray(picture)


def test_a_map_is_argmax_of_the_logits(maps, pictures, tmp_path):
    frozen = icepoint.load(maps)
    for path in pictures:
        run("run", maps, path, "--map", tmp_path / "out.png")
        found = indices(tmp_path / "out.png")
        logits = frozen(frozen.recipe(path))[0]
        assert found.shape == (12, 20) and (found == frozen.class_map(path)).all()
        assert (found == logits.argmax(0).numpy()).all()
    pixels = np.stack([np.asarray(Image.open(pictures[0]))] * 2)
    assert (frozen.class_map(pixels) == frozen.class_map(pixels[0])).all()


def test_several_maps_go_into_a_folder(maps, pictures, tmp_path):
    frozen, out = icepoint.load(maps), tmp_path / "out"
    printed = run("run", "--no-latency", maps, *pictures, "--map", out)
    for path in pictures:
        assert (indices(out / f"{path.stem}.png") == frozen.class_map(path)).all()
        assert str(out / f"{path.stem}.png") in printed
    np.save(tmp_path / "x.npy", np.asarray(Image.open(pictures[0]))[None].repeat(2, 0))
    rows = run_json("run", maps, tmp_path / "x.npy", "--map", out)["results"]
    assert [row["map"] for row in rows] == [str(out / f"x-{i}.png") for i in range(2)]
    assert (indices(out / "x-1.png") == frozen.class_map(pictures[0])).all()


def test_maps_that_cannot_be(maps, pictures, tmp_path):
    out = tmp_path / "out.png"
    other = tmp_path / pictures[0].name
    other.write_bytes(pictures[0].read_bytes())
    words = run("run", maps, pictures[0], other, "--map", tmp_path / "folder", ok=False)
    assert "--map: two inputs would be written to" in words and not (tmp_path / "folder").exists()
    out.write_bytes(b"")
    words = run("run", maps, *pictures[:2], "--map", out, ok=False)
    assert "is a file; the maps of several pictures need a folder" in words and out.read_bytes() == b""
    classifier = model_with(tmp_path / "model.ice", RESIZES["crop"])
    words = run("run", classifier, pictures[0], "--map", out, ok=False)
    assert "--map: the model's output is (10), expected codes (classes, height, width)" in words
    with pytest.raises(ValueError, match=r"class_map: the model's output is \(10\)"):
        icepoint.load(classifier).class_map(pictures[0])
    with pytest.raises(ValueError, match=r"classify: the model's output is \(5, 12, 20\)"):
        icepoint.load(maps).classify(pictures[0])


def test_pil_images_in_memory_are_their_files(tmp_path):
    """Alpha dropped, 16 bits halved, palettes expanded: as read_image does from the file."""
    random = rng(SEED)
    recipe = Recipe([0.5] * 3, [0.5] * 3)
    grey = Image.fromarray(random.integers(0, 256, (9, 7)).astype(np.uint8))
    for picture in (grey, grey.convert("RGBA"), grey.convert("P"), grey.convert("1"), grey.convert("LA")):
        saved = io.BytesIO()
        picture.save(saved, "PNG")
        (tmp_path / "x.png").write_bytes(saved.getvalue())
        assert torch.equal(recipe(picture), recipe(tmp_path / "x.png")), picture.mode
