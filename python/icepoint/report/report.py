"""Report: the rows, the verdicts and the summary, as text for a terminal, HTML, a dict or a JSON file."""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .. import _C
from ..capture import Missing
from ..export.onnx.result import OnnxCheck
from .outputs import Outputs, percent
from .rows import Row
from .sketches import Sketch
from .tables import RIGHT, TITLES, cells_of
from .verdict import COST, NOTE, NOTES, PROBLEM, Verdict

_WIDTH = 164  # of the table: a pipe has none
_REQUANTIZED = (
    "a concatenation requantizes an input where one range for all would take more than a bit from "
    "another reader of the same value"
)


@dataclass
class Report:
    """What every layer became and what it costs, the operators that stay float, and verdicts in words.

    `images` were run, "calibration images" or others as `data` says. str() is a table and the verdicts for a
    terminal, Jupyter shows HTML, to_html(path) writes a page with plots, to_dict() and to_json(path) have the
    numbers; docs/report.md defines them. What FrozenModel.check_onnx gave may be set as `onnx`: the page and
    the numbers then hold it.
    """

    rows: list[Row]
    missing: list[Missing]
    images: int
    outputs: Outputs = field(default_factory=Outputs)
    verdicts: list[Verdict] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)
    data: str = "calibration images"
    sketches: list[Sketch] = field(default_factory=list)
    thumbnails: dict[int, str] = field(default_factory=dict)
    onnx: OnnxCheck | None = None

    @property
    def integer_macs_percent(self) -> float:
        """100.0 where every multiplication is of integers."""
        total = sum(row.macs for row in self.rows)
        return 100.0 * sum(row.macs for row in self.rows if row.integer) / total if total else 100.0

    @property
    def problems(self) -> list[Verdict]:
        """The verdicts that name something broken."""
        return [verdict for verdict in self.verdicts if verdict.severity == PROBLEM]

    def summary(self) -> list[str]:
        """A few sentences: what is integer, what the outputs lose, where, and whether anything is broken."""
        found = [
            f"{self.integer_macs_percent:.1f} % of the multiply-accumulates are integer; "
            f"error against float on {self.images} {self.data}"
        ]
        if any(row.requantized for row in self.rows):
            found[0] += f"; {_REQUANTIZED}"
        found.append(f"Outputs: {self.outputs}")
        if self.trials:
            found.append(f"What the recipe did, on the calibration images: {'; '.join(self.trials)}")
        heavy = sorted((r for r in self.rows if r.output_share), key=lambda r: -r.output_share)[:3]
        if heavy:
            told = ", ".join(f"{row.layer} ({percent(row.output_share)})" for row in heavy)
            found.append(f"Most of their error comes from {told}")
        late = sum(row.codes_used is not None and row.output_share is None for row in self.rows)
        if late:
            found.append(f"{late} layers with little error of their own were not tried alone")
        if self.outputs.is_near and not self.problems:
            found.append("The outputs are near to float: nothing has to be done")
        count = len(self.problems)
        broken = (
            f"{count} problem{'s' if count > 1 else ''} found, told below" if count else "No problem found"
        )
        found.append(broken)
        if self.untried:
            found.append(
                f"There was no time to try {', '.join(self.untried)}: report(remedies=SECONDS) takes it"
            )
        return [f"{sentence}." for sentence in found]

    def to_dict(self) -> dict[str, Any]:
        """layers, not_integer, integer_macs_percent, images, data, outputs, verdicts, untried, trials,
        summary, histograms, as plain values for JSON."""
        return {
            "layers": [asdict(row) for row in self.rows],
            "not_integer": [asdict(item) for item in self.missing],
            "integer_macs_percent": self.integer_macs_percent,
            "images": self.images,
            "data": self.data,
            "outputs": self.outputs.to_dict(),
            "verdicts": [
                {k: v for k, v in asdict(verdict).items() if k != "tries"} | {"text": str(verdict)}
                for verdict in self.verdicts
            ],
            "untried": self.untried,
            "trials": self.trials,
            "summary": self.summary(),
            "histograms": [asdict(sketch) for sketch in self.sketches],
        } | ({} if self.onnx is None else {"onnx": self.onnx.to_dict()})

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Writes to_dict() as one JSON object, atomically; returns the path."""
        _C.save_atomically(os.fsdecode(path), (json.dumps(self.to_dict()) + "\n").encode())
        return Path(path)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes one page that needs nothing else, atomically; returns its path."""
        from .page import page_of

        _C.save_atomically(os.fsdecode(path), page_of(self).encode())
        return Path(path)

    def told(self) -> list[tuple[str, list[str]]]:
        """The verdicts under headings, problems first."""
        titles = {PROBLEM: "Problems", COST: "What costs most", NOTE: NOTES}
        found = ((t, [str(v) for v in self.verdicts if v.severity == s]) for s, t in titles.items())
        return [(title, verdicts) for title, verdicts in found if verdicts]

    def __str__(self) -> str:
        table = Table(caption=" ".join(self.summary()), caption_justify="left")
        for i, title in enumerate(TITLES):
            # A layer's name is what weight_bits takes: it is shown whole, and what it computes.
            table.add_column(title, justify="right" if i in RIGHT else "left", no_wrap=i < 2)
        for cells in cells_of(self.rows):
            table.add_row(*cells)
        out = Console(file=io.StringIO(), width=_WIDTH)
        out.print(table)
        for title, verdicts in self.told():
            out.print(f"\n{title}")
            for verdict in verdicts:
                out.print(f"  - {verdict}", markup=False, highlight=False)
        for item in self.missing:
            out.print(f"stays float: {item}", markup=False)
        return out.file.getvalue().rstrip()

    def __repr__(self) -> str:
        return f"<Report: {len(self.rows)} layers, {self.integer_macs_percent:.1f} % integer MACs>"

    def _repr_html_(self) -> str:
        from .page import compact

        return compact(self)

    def show(self) -> None:
        """Prints the table, except in Jupyter, which shows the returned report itself."""
        try:
            from IPython import get_ipython
        except ImportError:
            print(self)
            return
        if "IPKernelApp" not in getattr(get_ipython(), "config", {}):
            print(self)
