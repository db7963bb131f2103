"""The export methods of FrozenModel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .c_header import save_c_header
from .document import Document
from .folder import save_folder
from .integer_files import save_json, save_npz

if TYPE_CHECKING:
    from .onnx.check import OnnxCheck

PathLike = str | os.PathLike[str]


class Exports:
    """What a frozen model can be written as beside its own file; each is written whole or not at all."""

    def export_json(self, path: PathLike) -> Path:
        """integers() and the model around them as one JSON file; icepoint.export.interpreter.load reads it.

        Arrays are {"dtype", "shape", "data"} with flat numbers; a weight takes five bytes. OSError.

        >>> import numpy as np
        >>> from icepoint import load
        >>> from icepoint.export import interpreter
        >>> path = load("net.ice").export_json("net.json")
        >>> interpreter.load(path)(np.zeros((1, 1, 28, 28), np.float32)).shape
        (1, 10)
        """
        return save_json(Document(self), path)

    def export_npz(self, path: PathLike) -> Path:
        """The same as one .npz: `model` is JSON as bytes, arrays are "<layer's number>.<field>". OSError."""
        return save_npz(Document(self), path)

    def export_c_header(self, path: PathLike, prefix: str | None = None) -> Path:
        """integers() as constant arrays for C99 and C++, with shapes and arithmetic in comments.

        Of an output whose reals are those of accumulators a comment says what they are, for an argmax.
        Every name begins with `prefix`, by default the file's own: net.h has net_conv1_weight[360]. Names
        that C would not tell apart get a number. A weight takes five bytes. OSError.
        """
        return save_c_header(Document(self), path, prefix)

    def export_folder(self, path: PathLike) -> Path:
        """A folder for those who build hardware: integers.npz, .h, vectors.npz, interpreter/, README.md.

        README.md holds the arithmetic, the layers with accumulator ranges and MACs, and how to check; the
        vectors are the inputs of the file's self-check with every layer's codes and sums and the reals of the
        outputs. A folder that holds anything but an earlier export is refused with OSError.
        """
        return save_folder(self, path)

    def export_onnx(self, path: PathLike, integers: bool = False) -> Path:
        """The model as ONNX (opset 17), float32 in and out, with a free batch; through the onnx package.

        By default QDQ, as runtimes for quantized ONNX expect it: they compute the factor of a layer in
        float, and some codes differ by one (check_onnx counts them). `integers=True` writes the same
        arithmetic as here, in ConvInteger, MatMulInteger and int64: equal codes, and slower. An output whose
        reals are those of accumulators leaves the last convolution or product as it is, rounded to no code.
        ValueError without the onnx package, or for a model beyond the 2 GiB of an ONNX file; OSError.

        >>> from icepoint import load
        >>> load("net.ice").export_onnx("net.onnx").stat().st_size > 10_000
        True
        """
        from .onnx.file import save_onnx

        return save_onnx(self, path, integers)

    def check_onnx(self, path: PathLike, *inputs: Any) -> OnnxCheck:
        """Runs an export_onnx file in ONNX Runtime and compares the codes of every layer with the engine's.

        inputs: float32 tensors (n, ...). The result counts the codes that differ and by how much, with the
        runtime's graph optimizations and without, and how many of those are ties of float requantization,
        from the exact accumulators. Outputs that leave as the reals of accumulators are compared as such, and
        by the codes that they round to. It prints as a table, has to_dict() for JSON, and goes into the page
        of a report: report.onnx = check.
        ValueError without onnxruntime and for a file that is not of this model.

        >>> import torch
        >>> from icepoint import load
        >>> frozen = load("net.ice")
        >>> check = frozen.check_onnx(frozen.export_onnx("net.onnx"), torch.randn(2, 1, 28, 28))
        >>> check.unexplained
        0
        """
        from .onnx.check import check_onnx

        return check_onnx(self, path, inputs)
