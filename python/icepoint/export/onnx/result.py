"""What a comparison with ONNX Runtime found: counts by layer, histograms of outputs, table and words."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .page import onnx_section
from .reals import JudgedReals
from .ties import Causes


@dataclass
class LayerCheck:
    """One value, with or without the runtime's graph optimizations.

    `differ`: codes that are not the engine's. `own`: codes that are not what the exact arithmetic makes of
    the very codes that the runtime gave this layer; what else differs is inherited. `ties`, `sums` and
    `unexplained` split `own` by cause (ties.py); `farthest` is the greatest distance from a half among them.

    An output that leaves as the float32 reals of its sums has these codes: those that its reals round to by
    the layer's factor. `reals` of them were compared, `reals_differ` are not the engine's to the bit, and
    `reals_error`, in codes, is how far those that float32 sums explain lie from what exact sums of the
    runtime's own codes give; reals farther off are unexplained, whatever they round to.
    """

    layer: str
    op: str
    optimized: bool
    codes: int = 0
    differ: int = 0
    own: int = 0
    ties: int = 0
    sums: int = 0
    unexplained: int = 0
    farthest: float = 0.0
    reals: int = 0
    reals_differ: int = 0
    reals_error: float = 0.0

    def add(self, difference: np.ndarray, own: np.ndarray, cause: Causes | None) -> None:
        self.codes += difference.size
        self.differ += int(np.count_nonzero(difference))
        self.own += int(np.count_nonzero(own))
        if cause is not None:
            self.ties, self.sums = self.ties + cause.ties, self.sums + cause.sums
            self.unexplained += cause.unexplained
            self.farthest = max(self.farthest, cause.farthest)

    def add_reals(self, differ: np.ndarray, found: JudgedReals, wrong_code: np.ndarray) -> None:
        """differ: reals that are not the engine's; wrong_code: where add() counts a code already."""
        self.reals += differ.size
        self.reals_differ += int(np.count_nonzero(differ))
        self.reals_error = max(self.reals_error, found.error)
        hidden = int(np.count_nonzero(found.beyond & ~wrong_code))
        self.own, self.unexplained = self.own + hidden, self.unexplained + hidden


class OnnxCheck:
    """What check_onnx found; str() is a table, Jupyter shows HTML, and so does a report whose `onnx` it is.

    `layers`: a LayerCheck for each value and mode. `histograms`: {optimized: {difference: output codes}}, all
    outputs together. `runtime` names ONNX Runtime and its version, `images` counts the inputs compared.
    """

    def __init__(
        self, runtime: str, images: int, layers: list[LayerCheck], histograms: dict[bool, dict[int, int]]
    ):
        self.runtime, self.images, self.layers, self.histograms = runtime, images, layers, histograms

    @property
    def unexplained(self) -> int:
        """Codes and reals whose difference float32 rounding cannot be the cause of, in any layer and mode."""
        return sum(layer.unexplained for layer in self.layers)

    def of(self, optimized: bool) -> list[LayerCheck]:
        return [layer for layer in self.layers if layer.optimized == optimized]

    def to_dict(self) -> dict[str, Any]:
        """runtime, images, unexplained, layers, output_differences of "off" and "on": values for JSON."""
        histograms = {mode(o): {str(d): n for d, n in h.items()} for o, h in self.histograms.items()}
        return {
            "runtime": self.runtime,
            "images": self.images,
            "unexplained": self.unexplained,
            "output_differences": histograms,
            "layers": [asdict(layer) for layer in self.layers],
        }

    def __str__(self) -> str:
        table = Table(box=SIMPLE_HEAD, title=f"{self.runtime}, {self.images} inputs", title_justify="left")
        titles = (
            "layer",
            "operator",
            "optimized",
            "codes",
            "differ",
            "own",
            "ties",
            "float sums",
            "unexplained",
        )
        for i, title in enumerate(titles):
            table.add_column(title, justify="left" if i < 3 else "right", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        out = Console(file=io.StringIO(), width=132)
        out.print(table)
        return f"{out.file.getvalue().rstrip()}\n{self.summary()}"

    def rows(self) -> list[list[str]]:
        """Cells of every layer that made a difference of its own, then sums over all layers."""
        found = []
        for optimized in self.histograms:
            layers = self.of(optimized)
            total = LayerCheck("all layers", "", optimized)
            for layer in layers:
                for key in ("codes", "differ", "own", "ties", "sums", "unexplained"):
                    setattr(total, key, getattr(total, key) + getattr(layer, key))
            for one in [*(layer for layer in layers if layer.own), total]:
                numbers = (one.codes, one.differ, one.own, one.ties, one.sums, one.unexplained)
                found.append([one.layer, one.op, mode(optimized), *(f"{n:,}" for n in numbers)])
        return found

    def summary(self) -> str:
        """How many output codes differ and by how much, and how many of them float32 rounding explains."""
        lines = []
        for optimized, histogram in self.histograms.items():
            total, same = sum(histogram.values()), histogram.get(0, 0)
            by = ", ".join(f"{n:,} by {d:+d}" for d, n in sorted(histogram.items()) if d)
            told = f"{total - same:,} of {total:,} output codes differ" + (f": {by}" if by else "")
            lines.append(f"optimizations {mode(optimized)}: {told}")
            lines += [_reals_in_words(layer) for layer in self.of(optimized) if layer.reals]
        own = sum(layer.own for layer in self.layers)
        if not own:
            return "\n".join([*lines, "no layer gives another code than the exact arithmetic does"])
        farthest = max(layer.farthest for layer in self.layers)
        said = (
            f"{own - self.unexplained:,} of {own:,} differences that arise in a layer are of values within "
            f"float32's error of a half, at most {farthest:.1e} of a code away from it"
        )
        if self.unexplained:
            said += (
                "; the others are not rounding: the file was changed, or this is an x86 CPU without VNNI, "
                "where the runtime's products of uint8 by int8 saturate in 16 bits"
            )
        return "\n".join([*lines, said])

    def _repr_html_(self) -> str:
        """A piece of a page, with histograms; Report.to_html takes it in where its `onnx` is this."""
        return onnx_section(self)


def mode(optimized: bool) -> str:
    return "on" if optimized else "off"


def _reals_in_words(layer: LayerCheck) -> str:
    lead = f"{layer.layer} leaves as float32, its codes here are those of its reals"
    if not layer.reals_differ:
        return f"{lead}: all {layer.reals:,} are the engine's to the bit"
    told = f"{layer.reals_differ:,} of {layer.reals:,} are not the engine's to the bit"
    return f"{lead}: {told}; its own float sums move them by at most {layer.reals_error:.1e} of a code"
