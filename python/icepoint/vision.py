"""Pictures to pixels to model input, byte for byte as the `icepoint` executable does it.

Pillow decodes, this module converts: every step from the numbers in the file to 8-bit grey or RGB is one
of the integer formulas of csrc/image/pixels.h, so that no version of Pillow decides about a byte. Colour
profiles, gamma and chromaticities are ignored.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

from .recipe import Recipe

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


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """(..., c) pixels as (..., channels): grey copied to RGB, RGB to grey by ITU-R 601 in integers.

    (19595 r + 38470 g + 7471 b + 0x8000) >> 16; the factors sum to 65536, so grey stays what it was.
    ValueError for any other change of channels.
    """
    found = pixels.shape[-1]
    if found == channels:
        return pixels
    if (found, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=-1)
    if (found, channels) == (3, 1):
        grey = (pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 0x8000) >> 16
        return grey.astype(np.uint8)[..., None]
    raise ValueError(
        f"image: {found} channels do not become {channels}; only grey (1) and RGB (3) convert into each other"
    )


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


def pixels_to_input(pixels: np.ndarray, recipe: Recipe | Mapping[str, Any]) -> torch.Tensor:
    """uint8 pixels to a model's float32 input (n, c, h, w) by the recipe.

    pixels: (h, w), (h, w, c), (n, h, w, c); or (n, h, w) grey, where the last axis is neither 1, 3 nor the
    recipe's channels. Grey and RGB become what the recipe asks for. recipe: a Recipe, or the recipe of a
    file as a dict. x = (pixel / divide - mean) / std, every step one float32 operation in this order.
    ValueError for another dtype or shape.

    >>> pixels_to_input(np.zeros((28, 28), np.uint8), Recipe(mean=[0.1307], std=[0.3081])).shape
    torch.Size([1, 1, 28, 28])
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe(**{key: recipe[key] for key in ("mean", "std", "divide")})
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or not 2 <= pixels.ndim <= 4:
        raise ValueError(f"pixels_to_input: expected uint8 (n, h, w, c), found {pixels.dtype} {pixels.shape}")
    channels = len(recipe.mean)
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, channels)):
        pixels = pixels[..., None]
    if pixels.ndim == 3:
        pixels = pixels[None]
    pixels = to_channels(pixels, channels)
    mean, std = np.float32(recipe.mean), np.float32(recipe.std)
    x = (pixels.astype(np.float32) / np.float32(recipe.divide) - mean) / std
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def pixels_to_codes(
    pixels: np.ndarray, recipe: Recipe | Mapping[str, Any], scale: float, zero_point: int, bits: int = 8
) -> np.ndarray:
    """uint8 input codes (n, c, h, w): pixels_to_input quantized with the input's scale and zero_point."""
    x = pixels_to_input(pixels, recipe).numpy()
    codes = np.rint(x / np.float32(scale)).astype(np.float64) + zero_point
    return np.clip(codes, 0, (1 << bits) - 1).astype(np.uint8)


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
