"""Resizes in integers against their judges, pixel by pixel: OpenCV, Pillow, torchvision's transforms."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from icepoint import Recipe
from icepoint.vision import import_torchvision, prepare_pixels

SEED = 20261122
ROUNDS = 250
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def sizes(random: np.random.Generator) -> list[int]:
    """Height and width before and after: sides of one pixel, small and large, and what is special."""
    most = random.choice([4, 40, 300, 900], p=[0.25, 0.3, 0.35, 0.1])
    h, w, height, width = (int(random.integers(1, most)) for _ in range(4))
    special = random.integers(0, 12)
    if special == 0:  # OpenCV's mean of four
        h, w = 2 * height, 2 * width
    elif special == 1:
        h = 2 * height
    elif special == 2:
        h, w = 4 * height, 4 * width
    elif special == 3:
        height = h
    elif special == 4:
        h *= 9  # Pillow goes down first
    return [h, w, height, width]


def noise(random: np.random.Generator, h: int, w: int, c: int) -> np.ndarray:
    """Uniform noise, and one time in four black and white, where a cubic overshoots most."""
    pixels = random.integers(0, 256, (h, w, c)).astype(np.uint8)
    return (pixels > 127).astype(np.uint8) * 255 if random.integers(0, 4) == 0 else pixels


def resized(pixels: np.ndarray, height: int, width: int, **resize) -> np.ndarray:
    c = pixels.shape[-1]
    return prepare_pixels(pixels, Recipe([0.0] * c, [1.0] * c, resize=resize), height, width)[0]


def pillow(pixels: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return np.asarray(picture.resize((width, height), FILTERS[name])).reshape(height, width, -1)


@pytest.fixture(scope="module")
def cv2():
    module = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    module.setNumThreads(1)
    return module


def test_opencv_linear_is_opencvs(cv2):
    random = np.random.default_rng(SEED)
    for _ in range(ROUNDS):
        h, w, height, width = sizes(random)
        pixels = noise(random, h, w, int(random.choice([1, 3])))
        expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        found = resized(pixels, height, width, fit="stretch", filter="opencv_linear")
        assert (found == expected.reshape(found.shape)).all(), (SEED, pixels.shape, height, width)


@pytest.mark.parametrize("name", FILTERS)
def test_antialiased_is_pillows(name):
    random = np.random.default_rng(SEED)
    for _ in range(ROUNDS):
        h, w, height, width = sizes(random)
        pixels = noise(random, h, w, int(random.choice([1, 3])))
        found = resized(pixels, height, width, fit="stretch", filter=name)
        assert (found == pillow(pixels, height, width, name)).all(), (SEED, pixels.shape, height, width)


def test_letterbox_is_the_labs(cv2):
    def resize_image(image, target_size):
        h, w = image.shape[:2]
        th, tw = target_size
        scale = min(th / h, tw / w)
        oh, ow = max(round(h * scale), 1), max(round(w * scale), 1)
        found = np.full((th, tw, 3), 114, np.uint8)
        found[:oh, :ow] = cv2.resize(image, (ow, oh), interpolation=cv2.INTER_LINEAR)
        return found

    random = np.random.default_rng(SEED)
    for _ in range(ROUNDS):
        h, w, height, width = sizes(random)
        pixels = noise(random, h, w, 3)
        found = resized(pixels, height, width, fit="letterbox", filter="opencv_linear", fill=114)
        assert (found == resize_image(pixels, (height, width))).all(), (SEED, pixels.shape, height, width)


@pytest.fixture(scope="module")
def transforms():
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    import_torchvision()
    from torchvision import transforms

    return transforms


@pytest.mark.parametrize("name", FILTERS)
def test_crop_is_torchvisions(transforms, name):
    functional, random = transforms.functional, np.random.default_rng(SEED)
    for _ in range(ROUNDS // 2):
        h, w, height, width = sizes(random)
        side = max(height, width) + int(random.integers(0, 40))
        if max(h, w) * side / min(h, w) > 20000:  # torchvision makes all of it and throws it away
            continue
        pixels = noise(random, h, w, 3)
        mode = transforms.InterpolationMode(name)
        expected = functional.resize(Image.fromarray(pixels), [side], mode)
        expected = np.asarray(functional.center_crop(expected, [height, width]))
        found = resized(pixels, height, width, fit="crop", filter=name, shorter_side=side)
        assert (found == expected).all(), (SEED, pixels.shape, side, height, width)


@pytest.mark.parametrize(
    ("preset", "kind"),
    [
        ({"crop_size": 224}, "ImageClassification"),
        ({"crop_size": 60, "resize_size": 64, "interpolation": "bicubic"}, "ImageClassification"),
        ({"crop_size": 40, "resize_size": 40, "mean": (0.5, 0.4, 0.3)}, "ImageClassification"),
        ({"resize_size": 52}, "SemanticSegmentation"),
    ],
)
def test_a_preset_of_torchvision_as_a_recipe(transforms, preset, kind):
    import torch
    from torchvision.transforms import _presets

    if "interpolation" in preset:
        preset = preset | {"interpolation": transforms.InterpolationMode(preset["interpolation"])}
    made = getattr(_presets, kind)(**preset)
    recipe = Recipe.of_transforms(made, ["a", "b"])
    assert recipe.classes == ("a", "b")
    random = np.random.default_rng(SEED)
    for h, w in ((300, 280), (90, 130), (64, 64)):
        picture = Image.fromarray(noise(random, h, w, 3))
        expected = made(picture)
        if kind == "SemanticSegmentation":  # the picture whole; the model takes the centre
            recipe = Recipe.of_transforms(made, ["a", "b"])
            expected = transforms.functional.center_crop(expected, [52, 52])
            object.__setattr__(recipe, "size", (52, 52))
        found = recipe(picture)
        # torchvision's normalize is in place, ours in the file's order of operations: the same floats.
        assert torch.equal(found[0], expected), (h, w)
        assert torch.equal(recipe(np.asarray(picture)), found)


def test_what_a_recipe_cannot_express(transforms):
    from torchvision.transforms import _presets

    make = _presets.ImageClassification
    with pytest.raises(ValueError, match="expected bilinear or bicubic, found nearest"):
        Recipe.of_transforms(make(crop_size=8, interpolation=transforms.InterpolationMode.NEAREST))
    with pytest.raises(ValueError, match=r"covers the crop, found resize_size=\[8\], crop_size=\[9, 9\]"):
        Recipe.of_transforms(make(crop_size=9, resize_size=8))
    with pytest.raises(ValueError, match="found Compose"):
        Recipe.of_transforms(transforms.Compose([]))


def test_a_preset_without_class_names(transforms):
    from torchvision.transforms import _presets

    # VGG16_Weights.IMAGENET1K_FEATURES: its meta["categories"] is None.
    assert Recipe.of_transforms(_presets.ImageClassification(crop_size=224), None).classes == ()


def test_recipes_that_resize():
    stretch = {"fit": "stretch", "filter": "bilinear"}
    recipe = Recipe([0.5], [0.5], resize=stretch)
    assert recipe == Recipe([0.5], [0.5], resize=dict(stretch), size=(4, 5)) != Recipe([0.5], [0.5])
    assert hash(recipe) == hash(Recipe([0.5], [0.5], resize=stretch))
    with pytest.raises(ValueError, match="expected a size to resize to"):
        recipe(np.zeros((9, 9), np.uint8))
    sized = Recipe([0.5], [0.5], resize=stretch, size=(4, 5))
    assert sized(np.zeros((9, 9, 3), np.uint8)).shape == (1, 1, 4, 5)
    with pytest.raises(ValueError, match=r"takes its size \(4, 5\) \(height, width\), found \(5, 4\)"):
        sized.for_input([(1, 5, 4)])
    for size in ((4,), (0, 4), "ab"):
        with pytest.raises((ValueError, TypeError)):
            Recipe([0.5], [0.5], size=size)


def test_a_tensor_is_resized_as_its_picture():
    import torch

    resize = {"fit": "letterbox", "filter": "opencv_linear", "fill": 7}
    recipe = Recipe([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], resize=resize, size=(10, 12))
    pixels = noise(np.random.default_rng(SEED), 31, 17, 3)
    expected = recipe(pixels)
    chw = torch.from_numpy(pixels).permute(2, 0, 1)
    assert torch.equal(recipe(chw), expected[0]) and torch.equal(recipe(chw[None]), expected)
    assert torch.equal(recipe(Image.fromarray(pixels)), expected)


@pytest.mark.parametrize(
    "resize",
    [
        {"fit": "none", "filter": "bilinear"},
        {"fit": "stretch"},
        {"fit": "stretch", "filter": "nearest"},
        {"fit": "stretch", "filter": "bilinear", "fill": 0},
        {"fit": "letterbox", "filter": "bilinear"},
        {"fit": "letterbox", "filter": "bilinear", "fill": 256},
        {"fit": "crop", "filter": "bilinear", "shorter_side": 0},
        {"fit": "crop", "filter": "bilinear", "shorter_side": 256.0},
        {"fit": "letterbox", "filter": "bilinear", "fill": True},
        "stretch",
    ],
)
def test_a_resize_that_is_none(resize):
    with pytest.raises(ValueError, match=r"Recipe\.resize: expected"):
        Recipe([0.5], [0.5], resize=resize)


@pytest.mark.parametrize("fit", ["letterbox", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (65535, 1), (1, 65535), (65535, 64)])
def test_extreme_sides_take_no_memory(fit, shape):
    own = {"letterbox": {"fill": 0}, "crop": {"shorter_side": 300}, "stretch": {}}[fit]
    for name in ("opencv_linear", *FILTERS):
        found = resized(np.full((*shape, 1), 9, np.uint8), 200, 100, fit=fit, filter=name, **own)
        assert found.shape == (200, 100, 1) and found[0, 0, 0] == 9


def test_pictures_beyond_the_caps_are_refused():
    for shape in ((65536, 1, 1), (65535, 1025, 1)):
        with pytest.raises(ValueError, match=r"is not in 1\.\.65535|more than 67108864"):
            resized(np.zeros(shape, np.uint8), 8, 8, fit="stretch", filter="bilinear")
