"""Pictures to pixels to model input, byte for byte as the `icepoint` executable does it.

Pillow decodes, this module converts: every step from the numbers in the file to 8-bit grey or RGB is one
of the integer formulas of csrc/image/pixels.h, so that no version of Pillow decides about a byte. Colour
profiles, gamma and chromaticities are ignored.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from . import _C

if TYPE_CHECKING:
    from .recipe import Recipe

Picture: TypeAlias = str | os.PathLike[str] | Image.Image | np.ndarray

MAX_SIDE, MAX_PIXELS = 65535, 1 << 26  # as csrc/image/pixels.h
_ORIENTATION, _SHORT = 0x0112, 3  # a TIFF tag and its type
_GREY_ALPHA = 4  # PNG's colour type


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """The upright picture of a PNG or JPEG file: uint8 (h, w, 1) for grey, (h, w, 3) for RGB.

    16 bits become 8 by their high byte; 1, 2 and 4 bits of grey are stretched to 0..255; a palette is
    expanded; CMYK becomes RGB as `cmyk_to_rgb` says; EXIF orientation is applied. Alpha and other
    transparency is dropped, not composited: training pipelines read pictures that way (Pillow's
    convert("RGB")). ValueError for what is no PNG or JPEG, is damaged or has more than 2^26 pixels;
    OSError where the file cannot be opened.

    >>> read_image("digit.png").shape
    (28, 28, 1)
    """
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about EXIF blocks that it reads for the resolution
        header = file.read(26)
        try:
            file.seek(0)
            with Image.open(file, formats=["PNG", "JPEG"]) as picture:
                if max(picture.size) > MAX_SIDE or picture.width * picture.height > MAX_PIXELS:
                    raise ValueError(f"{picture.width} x {picture.height} pixels are more than {MAX_PIXELS}")
                picture.verify()  # a PNG's checksums, which load() does not look at
            file.seek(0)
            with Image.open(file, formats=["PNG", "JPEG"]) as picture:
                picture.load()
                pixels = _pixels(picture, header)
                tiff = _exif(picture)
        except UnidentifiedImageError as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a sound PNG or JPEG file, found neither"
            ) from error
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{os.fspath(path)}: expected a sound PNG or JPEG file; {error}") from error
    return orient(pixels, exif_orientation(tiff))


def _pixels(picture: Image.Image, header: bytes) -> np.ndarray:
    raw = np.asarray(picture)
    match picture.mode:
        case "1" | "L":
            return (raw.astype(np.uint8) * (255 if picture.mode == "1" else 1))[..., None]
        case "RGB":
            return raw
        case "I;16":
            return (raw >> 8).astype(np.uint8)[..., None]
        case "LA":
            return raw[..., :1]
        case "RGBA":  # Pillow's mode of 16-bit grey with alpha, too
            grey = picture.format == "PNG" and header[25] == _GREY_ALPHA
            return raw[..., :1] if grey else raw[..., :3]
        case "P":
            return expand_palette(raw, np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3))
        case "CMYK":
            return cmyk_to_rgb(raw)
    raise ValueError(f"pixels of mode {picture.mode!r} are not read")


def expand_palette(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(h, w) indices and a palette (n, 3) to (h, w, 3); ValueError for an index beyond the palette."""
    if indices.size and indices.max() >= len(palette):
        raise ValueError(f"palette: index {indices.max()}, but there are {len(palette)} colours")
    return palette[indices]


def cmyk_to_rgb(cmyk: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 4) ink to (h, w, 3) light: white - rne(ink white / 255) with white = 255 - k.

    With t = a b + 128, (t + (t >> 8)) >> 8 is rne(a b / 255) for a, b in 0..255.
    """
    white = 255 - cmyk[..., 3:].astype(np.uint32)
    t = cmyk[..., :3] * white + 128
    return (white - ((t + (t >> 8)) >> 8)).astype(np.uint8)


def _exif(picture: Image.Image) -> bytes:
    """The TIFF block: of the first APP1 segment of a JPEG that is EXIF, or of a PNG's eXIf chunk."""
    if picture.format == "PNG":
        return picture.info.get("exif", b"")[6:]  # behind the "Exif\0\0" that Pillow puts there
    segments = (data for name, data in getattr(picture, "applist", ()) if name == "APP1")
    return next((data[6:] for data in segments if data.startswith(b"Exif\0\0")), b"")


def exif_orientation(tiff: bytes) -> int:
    """The orientation 1..8 in a TIFF block: tag 0x0112 of its first directory, one SHORT.

    1 (upright) where there is none, where it is not in 1..8 and where the block is malformed.
    """
    orders = {b"II": "little", b"MM": "big"}
    order: Any = orders.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1

    def at(offset: int, size: int) -> int:
        found = tiff[offset : offset + size]
        return int.from_bytes(found, order) if len(found) == size else 0

    if at(2, 2) != 42:
        return 1
    directory = at(4, 4)
    for entry in range(directory + 2, min(directory + 2 + 12 * at(directory, 2), len(tiff)), 12):
        if at(entry, 2) == _ORIENTATION:
            legal = at(entry + 2, 2) == _SHORT and at(entry + 4, 4) == 1 and 1 <= at(entry + 8, 2) <= 8
            return at(entry + 8, 2) if legal else 1
    return 1


def orient(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Turns stored pixels (h, w, ...) upright; 5..8 swap height and width (TIFF 6.0, "Orientation")."""
    if orientation not in range(1, 9):
        raise ValueError(f"orientation: {orientation} is not in 1..8")
    if orientation in (3, 4, 6, 7):
        stored = stored[::-1]
    if orientation in (2, 3, 7, 8):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored.swapaxes(0, 1) if orientation >= 5 else stored)


def pixels_of(pictures: Picture) -> np.ndarray:
    """uint8 (n, h, w, c) of a file's path, a PIL image or uint8 pixels; c is 1 or 3, or an array's own.

    Arrays are (h, w), (h, w, c), (n, h, w, c); or (n, h, w) grey, where the last axis is neither 1 nor 3.
    A path is read by read_image. A PIL image is taken as that would take its file: alpha dropped, and the
    orientation applied where the image still is the file's own. ValueError for anything else.

    >>> pixels_of("digit.png").shape, pixels_of(np.zeros((5, 28, 28), np.uint8)).shape
    ((1, 28, 28, 1), (5, 28, 28, 1))
    """
    if isinstance(pictures, (str, os.PathLike)):
        return read_image(pictures)[None]
    if isinstance(pictures, Image.Image):
        return orient(_pixels(pictures, bytes(26)), exif_orientation(_exif(pictures)))[None]
    if isinstance(pictures, torch.Tensor):  # (3, h, w) would pass for three grey pictures (n, h, w)
        raise ValueError(
            f"pixels: expected a path, a PIL image or a NumPy array, found a tensor {tuple(pictures.shape)}; "
            "give x.permute(1, 2, 0).numpy() of (c, h, w)"
        )
    pixels = np.asarray(pictures)
    if pixels.dtype != np.uint8 or not 2 <= pixels.ndim <= 4:
        raise ValueError(
            f"pixels: expected a path, a PIL image or uint8 (n, h, w, c), found {pixels.dtype} {pixels.shape}"
        )
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] not in (1, 3)):
        pixels = pixels[..., None]
    return pixels[None] if pixels.ndim == 3 else pixels


def prepare_pixels(
    pictures: Picture, recipe: Recipe, height: int | None = None, width: int | None = None
) -> np.ndarray:
    """uint8 (n, height, width, channels): pictures, as pixels_of takes them, by the recipe's resize.

    Without height and width the pictures keep their size, and only grey and RGB become what the recipe asks
    for. The C++ behind it is the executable's. ValueError for a picture that the recipe does not take.

    >>> from icepoint import Recipe
    >>> recipe = Recipe([0.5], [0.5], resize={"fit": "stretch", "filter": "bilinear"})
    >>> prepare_pixels(np.zeros((20, 30, 3), np.uint8), recipe, 8, 8).shape
    (1, 8, 8, 1)
    """
    pixels, channels = pixels_of(pictures), len(recipe.mean)
    resize = recipe.resize
    if height is None or width is None:
        (height, width), resize = pixels.shape[1:3], None
    if resize is None and pixels.shape[1:] == (height, width, channels):
        return pixels
    wanted = replace(recipe, resize=resize, size=None, classes=()).for_input([(channels, height, width)])
    return _C.prepare_pictures(json.dumps(wanted), pixels)


def pixels_to_input(pixels: np.ndarray, recipe: Recipe) -> torch.Tensor:
    """uint8 pixels of the model's size to its float32 input (n, c, h, w) by the recipe, without a resize.

    pixels: arrays as pixels_of takes them; grey and RGB become what the recipe asks for.
    x = (pixel / divide - mean) / std, every step one float32 operation in this order.
    ValueError for another dtype or shape.

    >>> from icepoint import Recipe
    >>> pixels_to_input(np.zeros((28, 28), np.uint8), Recipe(mean=[0.1307], std=[0.3081])).shape
    torch.Size([1, 1, 28, 28])
    """
    mean, std = np.float32(recipe.mean), np.float32(recipe.std)
    x = (prepare_pixels(pixels, recipe).astype(np.float32) / np.float32(recipe.divide) - mean) / std
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def import_torchvision() -> ModuleType:
    """torchvision, also where its wheel was built for another torch and its own C++ ops do not load.

    A CUDA build beside CPU torch fails in `import torchvision` with "operator torchvision::nms does not
    exist", although models, transforms and datasets need no such op. Defining the two missing schemas
    first is enough. ImportError where torchvision is not installed.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    else:
        return torchvision
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # the half that was imported
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)  # a Library takes its definitions along when it is collected
    import torchvision

    return torchvision


_KEPT: list[torch.library.Library] = []
