"""The lab's flowers: where photographs of them lie, and how a picture becomes the network's input."""

from __future__ import annotations

from collections.abc import Sequence
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


def classes_of(folder: str | Path, count: int) -> tuple[str, ...]:
    """What the `count` answers of a network are called, for a data folder of class folders.

    Four are the lab's where the folder has all of these (flower_photos has a fifth kind, which the lab
    leaves out); else every folder is a class, in the order of the names. ValueError for another number of
    folders, OSError where the data folder cannot be read.
    """
    names = sorted(p.name for p in Path(folder).iterdir() if p.is_dir() and not p.name.startswith("."))
    ours = [name for name in CLASSES if name in names] if count == len(CLASSES) else []
    if ours == list(CLASSES):
        return CLASSES
    if ours or len(names) != count:  # three flowers and another folder: their order would mislabel them
        raise ValueError(
            f"{folder}: expected a folder of pictures for each of the network's {count} classes"
            f"{' (' + ', '.join(CLASSES) + ')' if count == len(CLASSES) else ''}, found {len(names)} folders"
            f"{': ' + ', '.join(names[:10]) if names else ''}"
        )
    return tuple(names)


def pictures_of(
    folder: str | Path, per_class: int | None = None, classes: Sequence[str] = CLASSES
) -> list[tuple[str, int]]:
    """(path, label) of the JPEG and PNG files in the class folders, by class and by name.

    A folder's label is its place in `classes`; other folders and other files are left out. `per_class`
    takes the first so many of each class. FileNotFoundError where a class is missing or has no picture.
    """
    found = []
    for label, name in enumerate(classes):
        files = sorted(Path(folder, name).glob("*"))
        paths = [str(path) for path in files if path.suffix.lower() in _PICTURES][:per_class]
        if not paths:
            raise FileNotFoundError(
                f"{Path(folder, name)}: expected JPEG or PNG files; a data folder has the folders "
                f"{', '.join(classes)}"
            )
        found += [(path, label) for path in paths]
    return found
