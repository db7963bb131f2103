"""Draws four kinds of flowers, so that the lab runs where no photograph is at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Pixels = np.ndarray
_Random = np.random.Generator
_EDGE = 2.0  # pixels over which a shape fades into what lies behind it


def write_drawn_flowers(folder: str | Path, count: int, seed: int = 0, size: int = 224) -> None:
    """Writes `count` PNG pictures of each kind to folder/<kind>/<number>.png, always the same for a seed.

    >>> write_drawn_flowers("drawn", count=1, size=64); sorted(p.name for p in Path("drawn").iterdir())
    ['daisy', 'roses', 'sunflowers', 'tulips']
    """
    for kind, name in enumerate(sorted(_KINDS)):
        where = Path(folder) / name
        where.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = draw_flower(name, np.random.default_rng((seed, kind, i)), size)
            Image.fromarray(pixels).save(where / f"{i:03}.png")


def draw_flower(kind: str, random: np.random.Generator, size: int = 224) -> np.ndarray:
    """uint8 (size, size, 3): one flower (several tulips) of a kind before blurred leaves.

    Kinds: daisy, roses, sunflowers, tulips; ValueError for another. Colour, place, size and turn are
    random within what the kind allows.
    """
    if kind not in _KINDS:
        raise ValueError(f"draw_flower: expected one of {sorted(_KINDS)}, found {kind!r}")
    canvas = _leaves(random, size)
    _KINDS[kind](canvas, random)
    canvas += random.normal(0, 5, (size, size, 1))  # grain
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _leaves(random: _Random, size: int) -> Pixels:
    """A green background whose spectrum falls as that of blurred leaves: float64 (size, size, 3)."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    noise = np.fft.rfft2(random.normal(size=(size, size))) / (f + 1 / size) ** 1.6
    light = np.fft.irfft2(noise, s=(size, size))
    light = (light - light.mean()) / light.std()
    green = np.array([62, 92, 38]) * random.uniform(0.6, 1.3) + random.normal(0, 8, 3)
    return green + light[..., None] * np.array([26, 32, 20])


def _grid(canvas: Pixels) -> tuple[Pixels, Pixels]:
    y, x = np.mgrid[: len(canvas), : canvas.shape[1]]
    return x.astype(np.float64), y.astype(np.float64)


def _polar(canvas: Pixels, x0: float, y0: float) -> tuple[Pixels, Pixels]:
    x, y = _grid(canvas)
    return np.hypot(x - x0, y - y0), np.arctan2(y - y0, x - x0)


def _paint(canvas: Pixels, inside: Pixels, colour: Pixels) -> None:
    """Lays `colour` where `inside`, a distance in pixels to the shape's edge, is positive."""
    share = np.clip(inside / _EDGE + 0.5, 0, 1)[..., None]
    canvas += share * (colour - canvas)


def _petals(canvas: Pixels, random: _Random, at: tuple[float, float, float], count: int, slim: float,
            colour: Pixels, turn: float) -> None:  # fmt: skip
    """A ring of `count` petals of radius at[2] round at[:2]; `slim` is a petal's share of its sector."""
    r, angle = _polar(canvas, *at[:2])
    sector = 2 * np.pi / count
    which = np.floor((angle + turn) / sector).astype(int) % count
    across = ((angle + turn) % sector) / sector - 0.5  # -0.5..0.5 within a petal's sector
    reach = at[2] * random.uniform(0.85, 1.05, count)[which]
    t = np.clip(r / reach, 0, 1)
    half = 0.5 * slim * np.sqrt(np.clip(1 - t**4, 0, 1))
    inside = np.where(r < reach, (half - np.abs(across)) * sector * r, reach - r - 4 * _EDGE)
    shade = 0.72 + 0.28 * np.cos(across * np.pi * 1.6) + random.normal(0, 0.05, count)[which]
    _paint(canvas, inside, colour * (shade * (0.8 + 0.2 * t))[..., None])


def _disc(
    canvas: Pixels, random: _Random, at: tuple[float, float, float], inner: Pixels, outer: Pixels
) -> None:
    """The middle of a daisy or sunflower: grains on a disc of radius at[2]."""
    r, _ = _polar(canvas, *at[:2])
    t = np.clip(r / at[2], 0, 1)[..., None]
    grains = random.normal(1, 0.16, r.shape)[..., None]
    _paint(canvas, at[2] - r, (inner + (outer - inner) * t) * grains)


def _place(canvas: Pixels, random: _Random, radius: tuple[float, float]) -> tuple[float, float, float]:
    size = len(canvas)
    x, y = random.uniform(0.42, 0.58, 2) * size
    return x, y, random.uniform(*radius) * size


def _daisy(canvas: Pixels, random: _Random) -> None:
    x, y, r = _place(canvas, random, (0.30, 0.44))
    white = np.array([246, 246, 250.0]) - random.uniform(0, 14, 3)
    turn = random.uniform(0, 2 * np.pi)
    count = int(random.integers(17, 25))
    _petals(canvas, random, (x, y, r), count, 0.80, white * 0.88, turn + np.pi / count)
    _petals(canvas, random, (x, y, r), count, 0.74, white, turn)
    _disc(
        canvas,
        random,
        (x, y, r * random.uniform(0.24, 0.32)),
        np.array([244, 196, 30]),
        np.array([214, 140, 8]),
    )


def _sunflower(canvas: Pixels, random: _Random) -> None:
    x, y, r = _place(canvas, random, (0.36, 0.50))
    yellow = np.array([252, 200, 14.0]) + random.uniform(-12, 6, 3)
    turn = random.uniform(0, 2 * np.pi)
    count = int(random.integers(18, 26))
    _petals(canvas, random, (x, y, r), count, 1.0, yellow * 0.86, turn + np.pi / count)
    _petals(canvas, random, (x, y, r * 0.93), count, 0.92, yellow, turn)
    _disc(
        canvas,
        random,
        (x, y, r * random.uniform(0.42, 0.52)),
        np.array([52, 34, 18]),
        np.array([104, 62, 20]),
    )


def _rose(canvas: Pixels, random: _Random) -> None:
    x, y, r = _place(canvas, random, (0.30, 0.42))
    colours = np.array([[196, 18, 38], [226, 84, 120], [238, 160, 170], [168, 10, 40]], float)
    colour = colours[random.integers(len(colours))]
    rings = 6
    for ring in range(rings):  # the outer petals first, each ring turned against the one outside
        reach = r * (1 - ring / rings) ** 0.9
        count = 5 if ring < 3 else 3
        turn = random.uniform(0, 2 * np.pi)
        at, angle = _polar(canvas, x + random.normal(0, 0.02) * r, y + random.normal(0, 0.02) * r)
        across = ((angle + turn) * count / (2 * np.pi)) % 1
        edge = reach * (0.90 + 0.10 * np.sin(np.pi * across))
        depth = np.clip(at / edge, 0, 1)
        light = (0.50 + 0.55 * depth**3) * (0.75 + 0.3 * across) * (1.0 - 0.05 * ring)
        _paint(canvas, edge - at, colour * light[..., None] + 14 * depth[..., None] ** 8)


def _tulip(canvas: Pixels, random: _Random) -> None:
    size = len(canvas)
    colours = np.array([[214, 30, 44], [232, 96, 150], [150, 40, 140], [240, 130, 40], [250, 208, 50]], float)
    colour = colours[random.integers(len(colours))]
    count = int(random.integers(2, 5))
    for i in random.permutation(count):  # whichever comes last stands in front
        x0 = size * ((i + 0.5) / count + random.uniform(-0.06, 0.06))
        half = size * random.uniform(0.13, 0.18)
        top = size * random.uniform(0.06, 0.40)
        _stem(canvas, x0, top + 2.25 * half, random)
        _cup(canvas, x0, top, half, colour * random.uniform(0.9, 1.05))


def _stem(canvas: Pixels, x0: float, top: float, random: _Random) -> None:
    x, y = _grid(canvas)
    size = len(canvas)
    green = np.array([86, 140, 60.0])
    below = y - top
    for lean in (-1, 1):  # a long leaf on each side
        t = np.clip((size * 1.05 - y) / (size * 1.05 - top), 0, 1)
        middle = x0 + lean * size * 0.16 * t**1.5
        width = size * 0.045 * np.sqrt(np.clip(1 - t, 0, 1)) * random.uniform(0.8, 1.2)
        _paint(canvas, np.where(t < 1, width - np.abs(x - middle), -_EDGE), green * 0.8)
    _paint(canvas, np.minimum(size * 0.016 - np.abs(x - x0), below), green)


def _cup(canvas: Pixels, x0: float, top: float, half: float, colour: Pixels) -> None:
    x, y = _grid(canvas)
    height = 2.3 * half
    t = np.clip((y - top) / height, 0, 1)  # 0 at the tips, 1 at the stem
    # Two petals behind, two at the sides, then the front one: pointed above, round below.
    petals = (
        (-0.30, 0.60, 0.66),
        (0.30, 0.60, 0.66),
        (-0.52, 0.56, 0.84),
        (0.52, 0.56, 0.84),
        (0.0, 0.62, 1.0),
    )
    for shift, narrow, light in petals:
        width = half * narrow * np.sin(np.pi * t**1.5) ** 0.7
        off = np.abs(x - x0 - shift * half * (1 - t**4))
        inside = np.where((t > 0) & (t < 1), width - off, -_EDGE)
        shade = light * (0.72 + 0.28 * np.cos(np.clip(off / np.maximum(width, 1), 0, 1) * np.pi / 2))
        _paint(canvas, inside, colour * (shade * (0.85 + 0.2 * t))[..., None])


_KINDS: dict[str, Callable[[Pixels, _Random], None]] = {
    "daisy": _daisy,
    "roses": _rose,
    "sunflowers": _sunflower,
    "tulips": _tulip,
}
