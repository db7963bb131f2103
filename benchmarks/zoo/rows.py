"""The zoo's table: a line of text when a network is done, and all of them as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..tables import Table, number
from .families import ZOO

Result = dict[str, Any]


def _speedup(r: Result) -> str:
    return f"{r['float_ms'] / r['icepoint_ms']:.2f}x"


def _sqnr(engine: str) -> Callable[[Result], str]:
    return lambda r: "exact" if r[engine]["sqnr_db"] is None else f"{r[engine]['sqnr_db']:.1f}"


def _agreement(engine: str) -> Callable[[Result], str]:
    return lambda r: f"{r[engine]['agreement_percent']:.1f} %"


#: Title, width in the terminal, and the cell of a result; a cell whose numbers are not there is empty.
_COLUMNS: Sequence[tuple[str, int, Callable[[Result], str]]] = (
    ("network", 26, lambda r: r["network"]),
    ("family", 19, lambda r: ZOO[r["network"]].family),
    ("operators", 9, lambda r: str(r["operators"])),
    ("integer", 7, lambda r: f"{r['integer_percent']:.0f} %"),
    ("bytes differ", 12, lambda r: f"{r['differing_bytes']:,}"),
    ("SQNR dB", 7, _sqnr("icepoint")),
    ("ORT dB", 6, _sqnr("onnxruntime")),
    ("agree", 7, _agreement("icepoint")),
    ("ORT agree", 9, _agreement("onnxruntime")),
    ("answers", 7, lambda r: str(r["answers"])),
    ("file MB", 7, lambda r: f"{r['file_bytes'] / 1e6:.2f}"),
    ("of float", 8, lambda r: f"{100 * r['file_bytes'] / r['float_bytes']:.1f} %"),
    ("fp32 ms", 7, lambda r: number(r["float_ms"])),
    ("ms", 6, lambda r: number(r["icepoint_ms"])),
    ("speed-up", 8, _speedup),
    ("peak GB", 7, lambda r: f"{r['peak_memory'] / 1e9:.1f}"),
    ("s", 4, lambda r: f"{r['seconds']:.0f}"),
)  # fmt: skip
_LEFT = 2


def heading() -> str:
    return _aligned([title for title, _, _ in _COLUMNS])


def line(result: Result) -> str:
    """The result's row; under it what failed, a line each."""
    failures = [f"  FAILED: {why}" for why in result["failures"]]
    return "\n".join([_aligned(_cells(result)), *failures])


def save(stem: Path, about: dict[str, Any], results: Sequence[Result]) -> None:
    """Writes stem.json and stem.md."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": about, "results": list(results)}
    stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    stem.with_suffix(".md").write_text(markdown(about, results))


def markdown(about: dict[str, Any], results: Sequence[Result]) -> str:
    """The whole report; docs/zoo.md says how to read it."""
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in ("icepoint", "torch", "onnxruntime"))
    head = (
        "# The zoo\n\n"
        f"{about['cpu']}, {about['system']}; {versions}.\n"
        f"Weights: {about['weights']}. Pictures: {about['pictures']}.\n"
        "How this was measured and how to read it: docs/zoo.md.\n\n"
    )
    notes = [f"FAILED: {result['network']}: {why}" for result in results for why in result["failures"]]
    table = Table("Networks", [title for title, _, _ in _COLUMNS], [_cells(r) for r in results], _LEFT, notes)
    return head + table.markdown()


def _cells(result: Result) -> list[str]:
    cells = []
    for _, _, cell in _COLUMNS:
        try:
            cells.append(cell(result))
        except KeyError:  # the network failed before this was measured
            cells.append("")
    return cells


def _aligned(cells: Sequence[str]) -> str:
    widths = (width for _, width, _ in _COLUMNS)
    found = [
        text.ljust(width) if i < _LEFT else text.rjust(width)
        for i, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(found).rstrip()
