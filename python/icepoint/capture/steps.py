"""What a captured graph is made of: steps, the values between them, float modules for what has no class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn

from ..tuning import Tuning
from .sizes import Sizes
from .structure import Structure

if TYPE_CHECKING:
    from .endings import Ending


@dataclass(frozen=True)
class Input:
    """Stands in an operator's arguments for its `index`-th tensor that is computed; `shape` has the batch."""

    index: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Stands for the number of images, in a shape that an operator is called with."""


@dataclass
class Step:
    """One float module of the graph; it shares the model's own parameters.

    `kind` is the operator's short name, `name` what a user calls the place ("features.0", or
    "layer1.0.add" for an operator in a module's own forward), `line` the user's source line.
    `inputs` are the numbers of the values that `module` takes, in order, `output` that of its result.
    `tuning` is that of the layer of integers which a module with weights becomes.
    """

    kind: str
    name: str
    line: str
    module: nn.Module
    inputs: list[int]
    output: int
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True)
class Missing:
    """An operator without an integer form: what, where in the model, on which line, why, and what helps."""

    operator: str
    path: str
    line: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = self.path or "the model itself"
        return f"{self.operator} in {where} ({self.line}): {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Road:
    """How the model was captured, and why the roads before this one did not lead there."""

    name: str
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join([f"captured by {self.name}", *self.refused])


@dataclass
class Captured:
    """A model as steps in an order in which they can run; values 0, 1, ... are its inputs.

    `inputs` are their names, `takes` and `gives` the nesting of what the model takes and returns: its
    i-th tensor is outputs[order[i]], behind functions[order[i]] where that is not None. `sizes` are
    values too: numbers that follow the inputs' shapes. Only what reaches `outputs` is in it. FloatCall
    stands for what is `missing`; where even that cannot be, `broken` is set and the steps are not complete.
    """

    inputs: list[str]
    takes: Structure
    gives: Structure
    steps: list[Step]
    outputs: list[int]
    functions: list[Ending | None]
    order: list[int]
    sizes: Sizes
    missing: list[Missing]
    broken: bool
    road: Road

    def readers(self) -> dict[int, list[Step | None]]:
        """Of every value that is read the steps that read it, in order; None stands for the caller."""
        found: dict[int, list[Step | None]] = {value: [None] for value in self.outputs}
        for step in self.steps:
            for value in step.inputs:
                found.setdefault(value, []).append(step)
        return found

    def only_reader(
        self, readers: dict[int, list[Step | None]] | None = None
    ) -> Callable[[Step], Step | None]:
        """A function of a step: the step that reads its result, where it is the only one to read it."""
        known = self.readers() if readers is None else readers

        def reader(step: Step) -> Step | None:
            found = known.get(step.output, [])
            return found[0] if len(found) == 1 else None

        return reader


class Unsupported(ValueError):
    """Why an operator has no integer form here, and what helps where the operator alone does not tell."""

    def __init__(self, reason: str, remedy: str | None = None):
        super().__init__(reason)
        self.remedy = remedy
