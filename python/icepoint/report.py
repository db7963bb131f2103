"""What became integer and what it costs: one row a layer, as text, HTML or a dict."""

from __future__ import annotations

import html
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from .capture import Missing, Reshape
from .modules import QConcat, QFunction, QModule, QReLU
from .modules.clamps import activation_name
from .modules.weighted import QWeighted
from .plans import Plan
from .progress import progress_bar
from .stages import Stage, real

_IMAGES_AT_ONCE = 8  # of the sample: a layer of VGG16 has 12 MB of floats an image
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Row:
    """One layer. `sqnr_db`: 10 log10 of the float output's energy over its error's, None without error.

    `requantized`: of a concatenation, how many inputs have a scale of their own and do not only move.
    """

    layer: str
    computes: str
    integer: bool
    bits: int | None
    weight_bits: int | None
    weights: str | None
    shape: tuple[int, ...]
    macs: int
    sqnr_db: float | None
    requantized: int = 0


_REQUANTIZED = (
    "; a concatenation requantizes an input where one range for all would take more than a bit from "
    "another reader of the same value"
)
_TITLES = ("layer", "computes", "integer", "bits", "weights", "output", "MACs", "SQNR dB")


class Report:
    """The rows, the operators that stay float, and the share of integer multiply-accumulates.

    str() is a table for a terminal, Jupyter shows HTML, to_dict() has the numbers.
    """

    def __init__(self, rows: Sequence[Row], missing: Sequence[Missing], images: int):
        self.rows, self.missing, self.images = list(rows), list(missing), images

    @property
    def integer_macs_percent(self) -> float:
        """100.0 where every multiplication is of integers."""
        total = sum(row.macs for row in self.rows)
        return 100.0 * sum(row.macs for row in self.rows if row.integer) / total if total else 100.0

    def to_dict(self) -> dict[str, Any]:
        """layers, not_integer, integer_macs_percent, images, as plain values for JSON."""
        return {
            "layers": [asdict(row) for row in self.rows],
            "not_integer": [asdict(item) for item in self.missing],
            "integer_macs_percent": self.integer_macs_percent,
            "images": self.images,
        }

    def _cells(self) -> list[list[str]]:
        cells = []
        for r in self.rows:
            weights = f"{r.weight_bits} bits, {r.weights}" if r.weights else ""
            sqnr = "exact" if r.sqnr_db is None else f"{r.sqnr_db:.1f}"
            cells.append([r.layer, r.computes, "yes" if r.integer else "NO", str(r.bits or ""), weights,
                          " × ".join(map(str, r.shape)), f"{r.macs:,}" if r.macs else "", sqnr])  # fmt: skip
        return cells

    def _summary(self) -> str:
        said = (
            f"{self.integer_macs_percent:.1f} % of the multiply-accumulates are integer; "
            f"error against float on {self.images} calibration images"
        )
        return said + _REQUANTIZED if any(row.requantized for row in self.rows) else said

    def __str__(self) -> str:
        table = Table(caption=self._summary(), caption_justify="left")
        for i, title in enumerate(_TITLES):
            # A layer's name is what weight_bits takes: it is shown whole.
            table.add_column(title, justify="right" if i in (3, 6, 7) else "left", no_wrap=i == 0)
        for cells in self._cells():
            table.add_row(*cells)
        out = Console(file=io.StringIO(), width=132)
        out.print(table)
        for item in self.missing:
            out.print(f"stays float: {item}", markup=False)
        return out.file.getvalue().rstrip()

    def __repr__(self) -> str:
        return f"<Report: {len(self.rows)} layers, {self.integer_macs_percent:.1f} % integer MACs>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in _TITLES)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
            for cells in self._cells()
        )
        left = "".join(f"<li>{html.escape(str(item))}</li>" for item in self.missing)
        floats = f"<p>These stay float:</p><ul>{left}</ul>" if left else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}<p>{self._summary()}</p>{floats}"

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes one page that needs nothing else; returns its path."""
        style = ("body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
                 "td,th{border-bottom:1px solid #ccc;padding:.3em .8em;text-align:left}")  # fmt: skip
        page = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>icepoint report</title>'
            f"<style>{style}</style></head><body><h1>icepoint report</h1>{self._repr_html_()}</body></html>\n"
        )
        Path(path).write_text(page, encoding="utf-8")
        return Path(path)

    def show(self) -> None:
        """Prints the table, except in Jupyter, which shows the returned report itself."""
        try:
            from IPython import get_ipython
        except ImportError:
            print(self)
            return
        if "IPKernelApp" not in getattr(get_ipython(), "config", {}):
            print(self)


def make_report(plan: Plan, sample: Sequence[torch.Tensor]) -> Report:
    """Runs the float steps and the integers side by side on `sample` and compares after each stage."""
    stages = plan.stages
    energies = [_Energies() for _ in stages]
    parts = list(zip(*(x.split(_IMAGES_AT_ONCE) for x in sample), strict=True))
    with torch.no_grad(), progress_bar("measuring layers", len(parts) * len(stages)) as advance:
        for part in parts:
            for energy, stage, (x, y) in zip(energies, stages, _side_by_side(plan, part), strict=True):
                energy.add(x, y)
                advance(1, stage.name)
    rows = [_row(stage, energy) for stage, energy in zip(stages, energies, strict=True)]
    return Report(rows, plan.captured.missing, len(sample[0]))


def _side_by_side(plan: Plan, images: Sequence[torch.Tensor]) -> Iterator[tuple[Any, Any]]:
    """After each stage its float result and what its integers stand for."""
    floats: dict[int, Any] = {**dict(enumerate(images)), **plan.captured.sizes.values(images)}
    values: dict[int, Any] = {v: (x, None) for v, x in floats.items()}
    for stage in plan.stages:
        xs = [floats[v] for v in stage.inputs]
        for step in stage.steps:  # only the first one may take several
            xs = [step.module(*xs)]
        floats[stage.output] = xs[0]
        values[stage.output] = stage.run([values[v] for v in stage.inputs])
        yield xs[0], real(*values[stage.output])
        for value in stage.frees:
            values.pop(value)
            floats.pop(value)


class _Energies:
    """Sums of squares, in double, of a layer's float results and of the integers' error."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.shape: tuple[int, ...] = ()

    def add(self, x: Any, y: Any) -> None:
        """Float results and what the integers give; a number, or several tensors, counts for nothing."""
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            return
        self.shape = tuple(x.shape[1:])
        # Blocks whose doubles stay in a core's cache: whole tensors take five times as long.
        for a, b in zip(x.reshape(-1).split(_BLOCK), y.reshape(-1).split(_BLOCK), strict=True):
            a = a.double()
            error = a - b
            self.signal += float(a.dot(a))
            self.noise += float(error.dot(error))

    @property
    def sqnr_db(self) -> float | None:
        if self.noise == 0.0:
            return None
        return 10.0 * math.log10(self.signal / self.noise) if self.signal > 0.0 else -math.inf


def _row(stage: Stage, energies: _Energies) -> Row:
    layer = stage.layer
    weighted = layer if isinstance(layer, QWeighted) else None
    name = type(layer).__name__ if isinstance(layer, (QModule, Reshape)) else stage.steps[0].kind
    if getattr(layer, "activation", None) and not isinstance(layer, QReLU):
        name += f" + {activation_name(layer.activation)}"
    if isinstance(layer, QFunction):
        name += f" {layer.name}"
    requantized = layer.requantized if isinstance(layer, QConcat) else 0
    if requantized:
        name += f", {requantized} of {len(layer.q_ins)} inputs requantized"
    return Row(
        layer=stage.name,
        computes=name,
        integer=isinstance(layer, (QModule, Reshape)),
        bits=layer.num_bits if isinstance(layer, QModule) else None,
        weight_bits=weighted.q_weight.num_bits if weighted else None,
        weights=weighted.q_weight.scheme if weighted else None,
        shape=energies.shape,
        macs=_macs(stage.steps[0].module, energies.shape) if stage.steps else 0,
        sqnr_db=energies.sqnr_db,
        requantized=requantized,
    )


def _macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image with an output of `shape`: outputs times the taps of each."""
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.ConvTranspose2d):  # each weight meets every pixel of the input once
        m = zip(shape[1:], module.padding, module.dilation, module.kernel_size, module.output_padding,
                module.stride, strict=True)  # fmt: skip
        return weight.numel() * math.prod(
            (y + 2 * p - d * (k - 1) - o - 1) // s + 1 for y, p, d, k, o, s in m
        )
    if not isinstance(module, (nn.Conv2d, nn.Linear)):
        return 0
    return math.prod(shape) * weight[0].numel()
