"""Drawn flowers: four kinds that colour tells apart, the same pixels for the same seed."""

import numpy as np
import pytest
from PIL import Image

from icepoint.drawn_flowers import draw_flower, write_drawn_flowers

KINDS = ["daisy", "roses", "sunflowers", "tulips"]


def drawn(kind: str, number: int, size: int = 96) -> np.ndarray:
    return draw_flower(kind, np.random.default_rng(number), size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture(kind):
    pixels = drawn(kind, 0)
    assert pixels.shape == (96, 96, 3) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, drawn(kind, 0)) and not np.array_equal(pixels, drawn(kind, 1))
    assert drawn(kind, 0, size=40).shape == (40, 40, 3)


def middle(kind: str) -> np.ndarray:
    """The mean colour of the middle of ten pictures."""
    return np.mean([drawn(kind, i)[40:56, 40:56].mean((0, 1)) for i in range(10)], 0)


def test_kinds_have_the_colours_of_the_flowers():
    red, green, blue = middle("daisy")  # a yellow disc
    assert red > 150 and green > 110 and blue < 100
    red, green, blue = middle("sunflowers")  # a dark brown one
    assert red < 130 and red > green > blue
    red, green, blue = middle("roses")
    assert red > 1.5 * green and red > 1.3 * blue
    edges = np.mean([drawn("daisy", i)[[30, 66], 40:56] for i in range(10)])
    assert edges > 120  # white petals


def test_files(tmp_path):
    write_drawn_flowers(tmp_path, count=2, seed=3, size=48)
    files = sorted(tmp_path.glob("*/*.png"))
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        f"{k}/00{i}.png" for k in KINDS for i in (0, 1)
    ]
    pixels = [np.asarray(Image.open(path)) for path in files]
    assert len({p.tobytes() for p in pixels}) == len(files)
    assert np.array_equal(pixels[2], draw_flower("roses", np.random.default_rng((3, 1, 0)), 48))


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"draw_flower: expected one of .*'tulips'.*, found 'dandelion'"):
        drawn("dandelion", 0)
