"""A folder for those who build hardware: integers, C header, interpreter, test vectors, read-me."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic_file import atomic_folder
from ..progress import progress_bar
from . import interpreter
from .c_header import write_c_header
from .c_names import identifier
from .document import Document, self_check_inputs
from .integer_files import write_npz
from .interpreter import SUMS, Integers
from .readme import readme

if TYPE_CHECKING:
    from ..frozen import FrozenModel

_FILES = frozenset({"README.md", "integers.npz", "integers.h", "vectors.npz", "interpreter"})


def save_folder(frozen: FrozenModel, path: str | os.PathLike[str]) -> Path:
    """FrozenModel.export_folder."""
    document = Document(frozen)
    inputs = self_check_inputs(frozen)
    with atomic_folder(path, _FILES) as folder:
        write_npz(document, folder / "integers.npz")
        with open(folder / "integers.h", "wb") as file:
            write_c_header(document, file, identifier(Path(os.path.realpath(path)).name) or "model")
        source = Path(interpreter.__file__).parent
        shutil.copytree(source, folder / "interpreter", ignore=shutil.ignore_patterns("__pycache__"))
        np.savez_compressed(folder / "vectors.npz", **_vectors(frozen, document.integers, inputs))
        (folder / "README.md").write_text(readme(document, len(inputs[0])), encoding="utf-8")
    return Path(path)


def _vectors(frozen: FrozenModel, integers: Integers, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The engine's codes of value k as "k", its reals of output i before any function as "output.i"; where a
    layer computes, the interpreter's exact sums as "acc.k"."""
    values = list(frozen._native().trace(list(inputs)))
    found = {str(k): codes for k, (_, codes) in enumerate(values)}
    found |= {f"output.{i}": reals for i, reals in enumerate(frozen._native().both(list(inputs))[1])}
    with progress_bar("computing vectors", len(integers)) as advance:
        for k, layer in enumerate(integers.values(), len(inputs)):
            if layer["op"] in SUMS:
                acc, _, _ = SUMS[layer["op"]](layer, *(values[i][1] for i in layer["inputs"]))
                found[f"acc.{k}"] = acc.astype(np.int64 if layer["op"] == "qadd" else np.int32)
            advance(1, layer["name"])
    return found
