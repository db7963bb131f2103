"""The integers as one .json or one .npz, both of which interpreter.load reads back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..atomic_file import atomic_file
from ..progress import progress_bar
from .array_text import decimals
from .document import Document


def save_json(document: Document, path: str | os.PathLike[str]) -> Path:
    """One JSON object: about the model, and `layers`, arrays as {"dtype", "shape", "data": flat numbers}."""
    layers = document.layers()
    with atomic_file(path) as file, progress_bar("writing JSON", len(layers)) as advance:
        file.write(_spelled(document.about)[:-1] + b',\n"layers":[')
        for k, (plain, arrays) in enumerate(layers):
            file.write((b",\n" if k else b"\n") + _spelled(plain)[:-1])
            for name, array in arrays.items():
                told = {"dtype": str(array.dtype), "shape": list(array.shape)}
                file.write(b",\n" + _spelled(name) + b":" + _spelled(told)[:-1] + b',"data":[\n')
                file.writelines(decimals(array))
                file.write(b"]}")
            file.write(b"}")
            advance(1, plain["name"])
        file.write(b"]}\n")
    return Path(path)


def save_npz(document: Document, path: str | os.PathLike[str]) -> Path:
    """`model`, JSON as uint8, whose layers name their `arrays`; these are "<number of the layer>.<name>"."""
    with atomic_file(path) as file:
        write_npz(document, file)
    return Path(path)


def write_npz(document: Document, file: BinaryIO | Path) -> None:
    """The .npz itself: the same model gives the same bytes."""
    layers = document.layers()
    told = {**document.about, "layers": [{**plain, "arrays": list(arrays)} for plain, arrays in layers]}
    members = {f"{k}.{name}": a for k, (_, arrays) in enumerate(layers) for name, a in arrays.items()}
    np.savez(file, model=np.frombuffer(_spelled(told), np.uint8), **members)


def _spelled(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
