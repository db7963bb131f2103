"""The coverage contract: which operators of a network become integer, which do not, why, and what helps."""

from __future__ import annotations

import html
import io
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from .capture import Captured, Missing, Source, Step
from .quantize_inputs import check_model, examples_of


@dataclass(frozen=True)
class Covered:
    """An operator that becomes integer: its short name, the layer's name, the user's line."""

    operator: str
    layer: str
    line: str


def _is_helper(step: Step) -> bool:
    """Whether a step only brings another operator's tensor into shape."""
    return step.name.endswith(".view") and step.kind != "view"


class Coverage:
    """What quantize will make of a network, known before anything runs.

    `integer` are the operators with an integer form, `missing` the others, each with module path, line,
    reason and remedy; `endings` the functions that are computed in double behind the integers; `road` how
    the network was captured. str() is text for a terminal, Jupyter shows HTML, to_dict() plain values.
    """

    def __init__(self, captured: Captured):
        lost = {(item.operator, item.line) for item in captured.missing}
        self.integer = [
            Covered(step.kind, step.name, step.line)
            for step in captured.steps
            if (step.kind, step.line) not in lost and not _is_helper(step)
        ]
        self.missing: list[Missing] = list(captured.missing)
        self.endings = [f.to_dict() for f in captured.functions if f is not None]
        self.road = captured.road

    @property
    def is_complete(self) -> bool:
        """Whether everything becomes integer."""
        return not self.missing

    def refusal(self, title: str) -> str:
        """The list of what is missing, numbered, under a title."""
        return "\n".join([f"{title}:", *(f"  {i}. {item}" for i, item in enumerate(self.missing, 1))])

    def to_dict(self) -> dict[str, Any]:
        """integer, not_integer, output_functions and road, as plain values for JSON."""
        return {
            "integer": [asdict(item) for item in self.integer],
            "not_integer": [asdict(item) for item in self.missing],
            "output_functions": self.endings,
            "road": {"name": self.road.name, "refused": list(self.road.refused)},
        }

    def _summary(self) -> str:
        total = len(self.integer) + len(self.missing)
        ends = "".join(f"; its end, {e['function']}, is computed in double" for e in self.endings)
        return f"{len(self.integer)} of {total} operators become integer{ends}; {self.road}"

    def _counts(self) -> list[tuple[str, int, int]]:
        kinds = Counter(item.operator for item in self.integer)
        lost = Counter(item.operator for item in self.missing)
        return [(kind, kinds[kind], lost[kind]) for kind in sorted({*kinds, *lost})]

    def __str__(self) -> str:
        table = Table()
        table.add_column("operator")
        for title in ("integer", "not"):
            table.add_column(title, justify="right")
        for kind, found, lost in self._counts():
            table.add_row(kind, str(found or ""), str(lost or ""))
        out = Console(file=io.StringIO(), width=132)
        out.print(table)
        out.print(self._summary(), markup=False)
        for i, item in enumerate(self.missing, 1):
            out.print(f"not integer: {i}. {item}", markup=False)
        return out.file.getvalue().rstrip()

    def __repr__(self) -> str:
        return f"<Coverage: {len(self.integer)} operators integer, {len(self.missing)} not>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(kind)}</td><td>{found or ''}</td><td>{lost or ''}</td></tr>"
                       for kind, found, lost in self._counts())  # fmt: skip
        table = f"<table><thead><tr><th>operator<th>integer<th>not</tr></thead><tbody>{rows}</tbody></table>"
        lost = "".join(f"<li>{html.escape(str(item))}</li>" for item in self.missing)
        listed = f"<p>These have no integer form:</p><ol>{lost}</ol>" if lost else ""
        return f"{table}<p>{html.escape(self._summary())}</p>{listed}"


def coverage(model: nn.Module, example_inputs: Any) -> Coverage:
    """Which operators of `model` become integer and which do not; computes nothing.

    `model` and `example_inputs` as `quantize` takes them. ValueError where the model cannot be captured,
    with the reason and the line.

    >>> import torch
    >>> told = coverage(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)).eval(), torch.zeros(1, 4))
    >>> [(item.operator, item.path) for item in told.missing]
    [('layer_norm', '1')]
    """
    check_model(model, "coverage")
    args, kwargs, _ = examples_of(example_inputs, "coverage")
    return Coverage(Source(model, args, kwargs).read())
