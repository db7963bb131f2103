"""The integers as a C header: constant arrays, shapes and arithmetic in comments, functions of a sum."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..atomic_file import atomic_file
from ..progress import progress_bar
from .arithmetic import FORMULAS, in_words
from .array_text import decimals
from .c_names import Identifiers, identifier, in_comment
from .document import Document

_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t", "float32": "float"}
_LEFT_OUT = ("name", "op", "inputs", "function", "mode", "macs", "accumulator", "x_shape")  # told in comments

_TOP = """\
/* {name}: the integers of a frozen model, by icepoint. SHA-256 of its file: {digest}

   Codes are uint8, real = scale * (code - zero_point). Arrays are flat, in row-major order of the shapes that
   stand beside them; shapes are without the batch, (channels, height, width), (t, features) or (features).
   Values are numbered: the inputs, then the output of each layer. What computes ends in
       y = clamp(zero_point + (acc * multiplier + 2^(shift - 1) >> shift), lo, hi)
   in 64 bits, where >> rounds to minus infinity; {prefix}_code below is this. acc fits 32 bits for every
   input: its least and greatest value stand with each layer. lo, hi hold a fused ReLU or the like. */
#ifndef {guard}
#define {guard}

#include <stdint.h>

static inline uint8_t {prefix}_code(int64_t acc, int64_t multiplier, int shift, int zero_point, int lo,
                                    int hi) {{
  const int64_t sum = acc * multiplier + ((int64_t)1 << (shift - 1));
  const int64_t floor = sum >= 0 ? sum >> shift : ~(~sum >> shift); /* with any compiler */
  const int64_t y = zero_point + floor;
  return (uint8_t)(y < lo ? lo : y > hi ? hi : y);
}}
"""

_REAL = """
/* Of a sum of an output's last layer, no code between them: an argmax compares these, the first of equals. */
static inline float {prefix}_real(int32_t acc, float x_scale, float weight_scale) {{
  return (float)(acc * ((double)x_scale * weight_scale));
}}
"""


def save_c_header(document: Document, path: str | os.PathLike[str], prefix: str | None = None) -> Path:
    """Writes the header for C99 and C++; every name begins with `prefix`, by default the file's own name."""
    prefix = identifier(prefix or Path(path).stem)
    with atomic_file(path) as file:
        write_c_header(document, file, prefix)
    return Path(path)


def write_c_header(document: Document, file: BinaryIO, prefix: str) -> None:
    """The header itself. The text of the weights takes five bytes each and is never in memory as a whole."""
    names, about, layers = Identifiers(prefix), document.about, document.layers()
    guard = f"ICEPOINT_{prefix.upper()}_H"
    top = _TOP.format(name=prefix, digest=about["digest"], prefix=prefix, guard=guard)
    file.write(top.encode())
    if any("accumulators" in output for output in about["outputs"]):
        file.write(_REAL.format(prefix=prefix).encode())
    stems = []
    for number, q in enumerate(about["inputs"]):
        told = f"value {number}: input {in_comment(q['name'])} {_shape(q['shape'])}"
        stems.append(_write(file, names, q, {}, told))
    with progress_bar("writing C", len(layers)) as advance:
        for number, (plain, arrays) in enumerate(layers, len(about["inputs"])):
            stems.append(_write(file, names, plain, arrays, _told(number, plain, arrays)))
            advance(1, plain["name"])
    for output in about["outputs"]:
        k = output["value"]
        told = _output_told(output, prefix, stems[k], layers[k - len(about["inputs"])][1])
        file.write(f"\n/* {told} */\n".encode())
    file.write(f"\n#endif /* {guard} */\n".encode())


def _output_told(output: dict[str, Any], prefix: str, stem: str, arrays: dict[str, np.ndarray]) -> str:
    """The comment of an output, `stem` and `arrays` those of its layer."""
    told = f"output: value {output['value']}, {in_comment(output['name'])}"
    if "accumulators" in output:
        channel = "c" if arrays["weight_scale"].size > 1 else "0"
        scales = f"{stem}_x_scale[0], {stem}_weight_scale[{channel}]"
        told += f", whose reals are\n   {prefix}_real(acc[c], {scales})"
    return told + (f", then {in_words(output['function'])} of reals" if "function" in output else "")


def _told(number: int, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """The comment above a layer: what it is, and how acc is made."""
    of = ", ".join(f"value {v} {_shape(s)}" for v, s in zip(plain["inputs"], plain["x_shape"], strict=True))
    name, op = in_comment(plain["name"]), plain["op"]
    lines = [f"value {number}: {name}, {op} of {of} gives {_shape(plain['shape'])}"]
    lines += [f"{key} {in_comment(plain[key])}" for key in ("mode", "function") if key in plain]
    lines += FORMULAS[op]
    if "accumulator" in plain:
        lo, hi = plain["accumulator"]
        lines.append(f"acc lies in {lo}..{hi}; {plain['macs']} multiply-accumulates an input")
    lines += [f"{name} {_shape(a.shape)}" for name, a in arrays.items() if a.ndim > 1]
    return "\n   ".join(lines)


def _write(
    file: BinaryIO, names: Identifiers, plain: dict[str, Any], arrays: dict[str, Any], told: str
) -> str:
    """One value: its comment, whole numbers as an enum, reals, lists, arrays as constants; the stem."""
    fields = {key: value for key, value in plain.items() if key not in _LEFT_OUT}
    stem = names.stem(plain["name"], [*fields, *arrays])
    whole = [f"{stem}_{key} = {int(value)}" for key, value in fields.items() if isinstance(value, int)]
    file.write(f"\n/* {told} */\nenum {{ {', '.join(whole)} }};\n".encode())
    for key, value in fields.items():
        if isinstance(value, (float, list)):
            kind = np.float32 if np.asarray(value).dtype.kind == "f" else np.int32
            scalar = isinstance(value, float)
            _array(file, f"{stem}_{key}", np.atleast_1d(np.asarray(value, kind)), scalar)
    for key, array in arrays.items():
        _array(file, f"{stem}_{key}", array)
    return stem


def _array(file: BinaryIO, name: str, array: np.ndarray, scalar: bool = False) -> None:
    size = "" if scalar else f"[{array.size}]"
    file.write(f"static const {_TYPES[str(array.dtype)]} {name}{size} = {'' if scalar else '{'}".encode())
    file.write(b"\n" if array.size > 8 else b"")
    file.writelines(decimals(array, "f" if array.dtype == np.float32 else ""))
    file.write(b";\n" if scalar else b"};\n")


def _shape(shape: Any) -> str:
    return f"({', '.join(map(str, shape))})"
