"""The lab's flowers: where photographs of them lie, and how a picture becomes the network's input."""

from __future__ import annotations

from pathlib import Path

from .recipe import Recipe

CLASSES = ("daisy", "roses", "sunflowers", "tulips")

# The lab's: scaled to fit, laid top left on grey, normalized by the mean and deviation of 0..255 pixels.
RECIPE = Recipe(
    mean=[125.307, 122.961, 113.8575],
    std=[51.5865, 50.847, 51.255],
    classes=CLASSES,
    divide=1,
    resize={"fit": "letterbox", "filter": "opencv_linear", "fill": 114},
)

_REPOSITORY = Path(__file__).resolve().parents[2]
_PICTURES = {".jpg", ".jpeg", ".png"}


def photographs(split: str) -> Path | None:
    """The folder of class folders `../shared/data/flowers/<split>` beside the repository, or None."""
    folder = _REPOSITORY.parent / "shared/data/flowers" / split
    return folder if folder.is_dir() else None


def pictures_of(folder: str | Path, per_class: int | None = None) -> list[tuple[str, int]]:
    """(path, label) of the JPEG and PNG files in the four class folders, by class and by name.

    A folder named daisy, roses, sunflowers or tulips has that label; other folders (flower_photos has a
    fifth kind) and other files are left out. `per_class` takes the first so many of each class.
    FileNotFoundError where a class is missing or has no picture.
    """
    found = []
    for label, name in enumerate(CLASSES):
        files = sorted(Path(folder, name).glob("*"))
        paths = [str(path) for path in files if path.suffix.lower() in _PICTURES][:per_class]
        if not paths:
            raise FileNotFoundError(
                f"{Path(folder, name)}: expected JPEG or PNG files; a data folder has the folders "
                f"{', '.join(CLASSES)}"
            )
        found += [(path, label) for path in paths]
    return found
