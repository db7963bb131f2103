"""The read-me that travels with the integers: the arithmetic, the layers with their costs, how to check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import interpreter
from .arithmetic import FORMULAS, in_words
from .c_names import in_comment
from .document import Document

_TEXT = """\
# The integers of a frozen model

SHA-256 of the model's file: `{digest}`. Between the quantization of the input and the dequantization of the
output there are only the integers below, and whoever follows this page gets the same codes, bit for bit.

| file | |
|---|---|
| `integers.npz` | every layer's arrays; `model` is JSON (bytes of UTF-8): shapes, qparams, what reads what |
| `integers.h` | the same as constant C arrays, with a function from sums to codes; C99 and C++ |
| `interpreter/` | the model in NumPy, {lines} lines, which needs nothing else |
| `vectors.npz` | {images} inputs and the codes that every layer gives for them |

    python -m interpreter integers.npz vectors.npz       # in this folder: computes all of it and compares

## Codes

A code q is an unsigned 8-bit integer and stands for the real `scale * (q - zero_point)`; with b bits it
lies in 0..2^b - 1. The model's input is quantized once, in float32:

    q = clamp(rne(x / scale) + zero_point, 0, 2^b - 1)

by a division; rne is to nearest, ties to even; NaN becomes zero_point. Weights are signed
(`weight_zero_point` 0) or unsigned with a zero point; the bias is int32, its scale that of x times that of
the weights. Nothing but the first quantization and the reals of the outputs reads a scale.

## From a sum to a code

Everything that computes makes an exact integer acc, and then

    y = clamp(zero_point + (acc * multiplier + 2^(shift-1) >> shift), lo, hi)

- The product needs 64 bits: acc fits int32 and multiplier is below 2^31, so it stays below 2^62.
- `>>` is the arithmetic shift, floor. With 2^(shift-1) added before, this rounds once, to nearest, ties
  upwards (towards plus infinity: 2.5 gives 3, -2.5 gives -2).
- 2 <= shift <= 54, and multiplier has 31 significant bits unless shift is 54. Adds and affines have factors
  of their own in acc: their multiplier here is 1, their shift 1..30.
- lo, hi are the output's code range with a fused ReLU or clamp in it; there is no other activation step.
- Sums are associative: any order, any number of lanes, partial sums that wrap in 32 bits give the same acc.
- acc never leaves the range in the table, for any input at all: a channel's greatest sum is that of its
  positive weights with the greatest codes and its negative ones with the least.{spare}

## The operators of this model

{operators}

## The layers

Values are numbered: the inputs come first. Shapes are without the batch. "acc bits" is the width of a
signed register that holds every accumulator, the bias included.

{layers}

In all {macs} multiply-accumulates and {params} parameters for one input.

## Inputs and outputs

{ends}{accumulators}

## Vectors

`vectors.npz` holds for value k the array `k`, uint8 codes ({images}, ...), and `acc.k` with the exact sums
of layers that compute; `output.i` has the float32 reals of output i, before any function. The inputs are
those of the model's own self-check.
"""

_ACCUMULATORS = """

Reals "of acc" are those of the layer's sums, c the channel:

    real = float32(acc * (x_scale * weight_scale[c]))

Both products are in double, where the inner one is exact: float32 times float32 has 48 bits. The largest
real is the answer, the first of equals; where all channels share one scale, it is that of the largest acc.
The output's codes are made of the same acc, by the formula above: they are up to half a step of `scale` away
from these reals, and they end at 0 and 2^b - 1, where these reals go on.
"""


_TITLES = ("value", "layer", "operator", "reads", "output", "bits", "weights", "acc", "acc bits", "MACs")
_END_TITLES = ("", "value", "name", "shape", "scale", "zero point", "bits", "reals", "then")


def readme(document: Document, images: int) -> str:
    """Markdown of about a hundred lines and one for each layer."""
    about, layers = document.about, document.integers
    ops = {layer["op"] for layer in layers.values()}
    spare = document.overflow_bits
    return _TEXT.format(
        digest=about["digest"],
        images=images,
        lines=_interpreter_lines(),
        spare="" if spare is None else f" The fullest one here leaves {spare} bits of an int32 free.",
        operators="\n".join(f"- **{op}**: {'; '.join(FORMULAS[op])}" for op in FORMULAS if op in ops),
        layers=_table(_TITLES,
                      [_row(k, layer) for k, layer in enumerate(layers.values(), len(about["inputs"]))]),
        macs=f"{document.totals['macs']:,}",
        params=f"{document.totals['params']:,}",
        ends=_table(_END_TITLES, _ends(about)),
        accumulators=_ACCUMULATORS.rstrip() if any("accumulators" in q for q in about["outputs"]) else "",
    )  # fmt: skip


def _row(k: int, layer: dict[str, Any]) -> list[str]:
    weights = f"{layer['weight_bits']} bits {_shape(layer['weight'].shape)}" if "weight" in layer else ""
    reads = ", ".join(map(str, layer["inputs"]))
    cells = [
        str(k),
        _name(layer["name"]),
        layer["op"],
        reads,
        _shape(layer["shape"]),
        str(layer["bits"]),
        weights,
    ]
    if "accumulator" not in layer:
        return [*cells, "", "", ""]
    lo, hi = layer["accumulator"]
    bits = max(int(hi).bit_length(), int(-lo - 1 if lo < 0 else lo).bit_length()) + 1
    return [*cells, f"{lo}..{hi}", str(bits), f"{layer['macs']:,}"]


def _ends(about: dict[str, Any]) -> list[list[str]]:
    sides = [("input", k, q) for k, q in enumerate(about["inputs"])]
    sides += [("output", q["value"], q) for q in about["outputs"]]
    return [
        [side, str(k), _name(q["name"]), _shape(q["shape"]), repr(q["scale"]), str(q["zero_point"]),
         str(q["bits"]), "of acc" if "accumulators" in q else "of codes",
         in_words(q["function"]) if "function" in q else ""]
        for side, k, q in sides
    ]  # fmt: skip


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _name(name: str) -> str:
    """A layer's name that no Markdown acts on."""
    return f"`{in_comment(name)}`"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _interpreter_lines() -> int:
    return sum(len(p.read_text().splitlines()) for p in Path(interpreter.__file__).parent.glob("*.py"))
