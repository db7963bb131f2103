"""Pictures: Python and the executable read the same pixels from every kind of file, or both refuse it."""

import hashlib
import importlib.util
import io
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from icepoint import _C, FrozenModel, Recipe, vision
from png_writer import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, exif, noise, png
from small_model import SEED, codes_of, encode, rng, run_json

H, W = 12, 17  # no square, no multiple of a JPEG block


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(channels, height, width) -> path of a model that takes such pictures."""
    folder, made = tmp_path_factory.mktemp("models"), {}

    def get(channels, height, width):
        key = (channels, height, width)
        if key not in made:
            made[key] = folder / "-".join(map(str, key))
            made[key].write_bytes(encode(*key))
        return made[key]

    return get


def check(models, *paths, channels=(1, 3)) -> np.ndarray:
    """For pictures of one size: the executable's output codes are those of Python's pixels, for grey and RGB
    models. Returns the pixels (n, h, w, c)."""
    pixels = [vision.read_image(path) for path in paths]
    assert all(p.dtype == np.uint8 and p.ndim == 3 for p in pixels)
    for c in channels:
        model = models(c, *pixels[0].shape[:2])
        codes = np.concatenate([codes_of(model.read_bytes(), p) for p in pixels])
        found = run_json("run", model, *paths)["output_sha256"]
        assert found == hashlib.sha256(codes.tobytes()).hexdigest(), (paths, c)
    return np.stack(pixels)


COLOURS = {"grey": (GREY, 1), "rgb": (RGB, 3), "grey-alpha": (GREY_ALPHA, 2), "rgba": (RGBA, 4)}
DEPTHS = [("grey", d) for d in (1, 2, 4, 8, 16)] + [
    (n, d) for n in ("rgb", "grey-alpha", "rgba") for d in (8, 16)
]


@pytest.mark.parametrize(("name", "depth"), DEPTHS)
def test_png_of_every_colour_and_depth(models, tmp_path, name, depth):
    colour, c = COLOURS[name]
    samples = rng(SEED).integers(0, 2**depth, (H, W, c))
    plain, interlaced = tmp_path / "plain.png", tmp_path / "interlaced.png"
    plain.write_bytes(png(samples, depth, colour))
    interlaced.write_bytes(png(samples, depth, colour, interlaced=True))
    kept = samples[..., : 1 if c <= 2 else 3]  # alpha is dropped
    # Stretched to 0..255 below 8 bits, the high byte above.
    expected = kept >> 8 if depth == 16 else kept * (255 // (2**depth - 1))
    assert (check(models, plain, interlaced) == expected).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_png_with_a_palette(models, tmp_path, depth):
    colours = noise(2**depth, 3)
    indices = noise(H, W, 1, high=2**depth)
    transparency = chunk(b"tRNS", bytes(range(2**depth)))
    paths = []
    for extra in (b"", transparency):
        for interlaced in (False, True):
            paths.append(tmp_path / f"{len(paths)}.png")
            plte = chunk(b"PLTE", colours.tobytes())
            paths[-1].write_bytes(png(indices, depth, PALETTE, plte + extra, interlaced))
    assert (check(models, *paths) == colours[indices[..., 0]]).all()


def test_png_key_colours_gamma_and_profiles_are_ignored(models, tmp_path):
    for colour, c, key in ((GREY, 1, struct.pack(">H", 7)), (RGB, 3, struct.pack(">HHH", 1, 2, 3))):
        samples = noise(H, W, c)
        samples[0, :3] = [[7]] if c == 1 else [[1, 2, 3]]
        extra = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0") + chunk(b"tRNS", key)
        path = tmp_path / "x.png"
        path.write_bytes(png(samples, 8, colour, extra))
        assert (check(models, path) == samples).all()


@pytest.mark.parametrize("name", ["grey", "rgb", "rgba"])
def test_png_that_pillow_wrote_with_filters(models, tmp_path, name):
    smooth = (np.add.outer(np.arange(H) * 7, np.arange(W) * 3) % 256).astype(np.uint8)
    pixels = np.stack([smooth, smooth.T.reshape(H, W), 255 - smooth, smooth // 2], -1)[
        ..., : COLOURS[name][1]
    ]
    path = tmp_path / "x.png"
    Image.fromarray(pixels[..., 0] if name == "grey" else pixels).save(path, optimize=True)
    assert (check(models, path) == pixels[..., :3]).all()


# ---- orientation

UPRIGHT = {  # stored (row, column) of the upright pixel (i, j); H and W are the stored size
    1: lambda i, j: (i, j), 2: lambda i, j: (i, W - 1 - j), 3: lambda i, j: (H - 1 - i, W - 1 - j),
    4: lambda i, j: (H - 1 - i, j), 5: lambda i, j: (j, i), 6: lambda i, j: (H - 1 - j, i),
    7: lambda i, j: (H - 1 - j, W - 1 - i), 8: lambda i, j: (j, W - 1 - i),
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(models, tmp_path, orientation):
    stored = noise(H, W, 3)
    h, w = (H, W) if orientation < 5 else (W, H)
    pngs, jpegs = [], []
    plain = io.BytesIO()
    Image.fromarray(stored).save(plain, "JPEG", quality=95)
    decoded = np.asarray(Image.open(plain))
    for order in "<>":
        block = exif(orientation, order)
        for place in ("extra", "tail"):  # before and behind the pixels
            pngs.append(tmp_path / f"{len(pngs)}.png")
            pngs[-1].write_bytes(png(stored, 8, RGB, **{place: chunk(b"eXIf", block)}))
        jpegs.append(tmp_path / f"{len(jpegs)}.jpg")
        Image.fromarray(stored).save(jpegs[-1], "JPEG", quality=95, exif=b"Exif\0\0" + block)
    found = check(models, *pngs, *jpegs, channels=[3])
    for picture, pixels in zip([stored] * len(pngs) + [decoded] * len(jpegs), found, strict=True):
        expected = [[picture[UPRIGHT[orientation](i, j)] for j in range(w)] for i in range(h)]
        assert (pixels == np.array(expected)).all()


def test_pillow_agrees_about_orientation():
    from PIL import ImageOps

    stored = noise(H, W, 3)
    for orientation in range(1, 9):
        picture = Image.fromarray(stored)
        picture.getexif()[0x0112] = orientation
        assert (vision.orient(stored, orientation) == np.asarray(ImageOps.exif_transpose(picture))).all()


def test_a_bad_orientation_tag_is_upright(models, tmp_path):
    stored, pngs, jpegs = noise(H, W, 1), [], []
    blocks = [
        b"",
        b"MM",
        exif(0),
        exif(9),
        exif(6)[:19],
        b"XX" + exif(6)[2:],
        exif(6).replace(b"\0\3", b"\0\4", 1),
    ]
    for block in blocks:
        pngs.append(tmp_path / f"{len(pngs)}.png")
        pngs[-1].write_bytes(png(stored, 8, GREY, chunk(b"eXIf", block)))
        jpegs.append(tmp_path / f"{len(jpegs)}.jpg")
        Image.fromarray(stored[..., 0]).save(jpegs[-1], "JPEG", exif=b"Exif\0\0" + block)
    assert (check(models, *pngs, channels=[1]) == stored).all()
    assert check(models, *jpegs, channels=[1]).shape == (len(blocks), H, W, 1)


# ---- JPEG


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_of_every_mode(models, tmp_path, mode, progressive):
    smooth = Image.fromarray(noise(4, 5, 4), "RGBA").resize((W, H)).convert(mode)
    paths = [tmp_path / f"{subsampling}.jpg" for subsampling in range(3)]
    for subsampling, path in enumerate(paths):
        smooth.save(path, quality=83, progressive=progressive, subsampling=subsampling)
    assert check(models, *paths).shape == (3, H, W, 1 if mode == "L" else 3)


def test_cmyk_becomes_what_pillow_makes_of_it(tmp_path):
    ink = noise(H, W, 4)
    path = tmp_path / "x.jpg"
    Image.frombytes("CMYK", (W, H), ink.tobytes()).save(path, quality=95)
    with Image.open(path) as picture:
        assert (vision.read_image(path) == np.asarray(picture.convert("RGB"))).all()


def test_photographs(models, tmp_path):
    """Real photographs, cut to a few pixels of model: the decoders' versions differ, the bytes do not."""
    folder = os.path.join(
        os.path.dirname(__file__), "..", "..", "..", "shared", "data", "flowers", "train", "daisy"
    )
    if not os.path.isdir(folder):
        pytest.skip("no photographs in ../shared/data/flowers")
    for name in sorted(os.listdir(folder))[:4]:
        check(models, os.path.join(folder, name), channels=[3])


# ---- formulas


def test_grey_is_pillows_and_survives_rgb():
    colours = noise(64, 64, 3)
    grey_recipe, rgb_recipe = Recipe([0.5], [0.5]), Recipe([0.5] * 3, [0.5] * 3)
    grey = vision.prepare_pixels(colours, grey_recipe)
    assert (grey[0, ..., 0] == np.asarray(Image.fromarray(colours).convert("L"))).all()
    assert (vision.prepare_pixels(vision.prepare_pixels(grey, rgb_recipe), grey_recipe) == grey).all()
    with pytest.raises(ValueError, match="4 channels, expected 1 or 3"):
        vision.prepare_pixels(noise(9, 9, 4)[None], rgb_recipe)


def test_codes_are_the_recipe_then_quantize():
    data = encode(3, 16, 16)
    frozen = FrozenModel(data)
    recipe, x = frozen.recipe, frozen.describe()["inputs"][0]
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    reals = vision.pixels_to_input(pixels, recipe)
    assert reals.dtype == torch.float32 and reals.shape == (1, 3, 16, 16)
    assert torch.equal(reals[0], recipe(torch.from_numpy(pixels).permute(2, 0, 1)))
    scale, zero_point = torch.tensor([x["scale"]]), torch.tensor([x["zero_point"]], dtype=torch.int32)
    q = torch.ops.icepoint.quantize(reals, scale, zero_point, 0, (1 << x["bits"]) - 1)
    assert (_C.Model(data).picture_codes(pixels[None]) == q.numpy()).all()
    for shape in ((16, 16), (2, 16, 16), (2, 16, 16, 1)):
        n = 1 if len(shape) == 2 else 2
        assert vision.pixels_to_input(np.zeros(shape, np.uint8), recipe).shape == (n, 3, 16, 16)
    for wrong in (pixels.astype(np.float32), pixels[0, 0]):
        with pytest.raises(ValueError, match="expected a path, a PIL image or uint8"):
            vision.pixels_to_input(wrong, recipe)


def test_torchvision_imports_where_its_own_ops_do_not_load():
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    code = """
import torch
def no(path): raise OSError("built for another torch")
torch.ops.load_library = no
from icepoint.vision import import_torchvision
for _ in range(2):
    torchvision = import_torchvision()
print(torchvision.models.resnet18(num_classes=7).fc.out_features, torchvision.datasets.MNIST.__name__)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["7", "MNIST"], done.stderr


def test_what_is_no_picture_is_refused_with_its_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8not a jpeg")
    with pytest.raises(ValueError, match=r"a\.jpg: expected a sound PNG or JPEG file, found neither$"):
        vision.read_image(tmp_path / "a.jpg")
