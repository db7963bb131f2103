"""How far two models lie apart on the same data: two frozen files, a float model and its file, two floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .capture import Structure
from .frozen import FrozenModel
from .progress import progress_bar
from .report.outputs import Outputs

_TRACED = 8  # images of the first batch whose layers are compared: a trace holds every layer's codes


@dataclass(frozen=True)
class FirstDifference:
    """The first layer of one name in both files whose codes differ: how many, of how many, and by how much.

    `numbers`: which of the layer's own numbers differ (weight, bias, scale ...); none where it only passes
    on what differs in front of it.
    """

    layer: str
    codes: int
    of: int
    greatest: int
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A is taken for the truth. `agreement`: share of equal answers, None where the outputs are no classes.

    `code_difference`: the greatest distance of output codes, in steps of B's output scale (A's where only A
    is frozen); None between two float models, and where an output ends in a function.
    """

    images: int
    answers: int
    changed: int
    sqnr_db: float | None
    greatest: float
    code_difference: int | None
    layers_compared: int
    first_difference: FirstDifference | None

    @property
    def agreement(self) -> float | None:
        return 1.0 - self.changed / self.answers if self.answers else None

    def to_dict(self) -> dict[str, Any]:
        """The fields and agreement, as plain values for JSON."""
        return asdict(self) | {"agreement": self.agreement}


def compare(a: nn.Module, b: nn.Module, batches: Iterable[Sequence[torch.Tensor]]) -> Comparison:
    """Runs two models, frozen or float, on the same float32 batches, tuples of inputs (n, ...).

    ValueError for no batch, or where the outputs' shapes differ.

    >>> from icepoint import load
    >>> net = load("net.ice")
    >>> compare(net, net, [(torch.randn(4, 1, 28, 28),)]).agreement
    1.0
    """
    found, greatest, codes, first = Outputs(), 0.0, _Codes(a, b), None
    layers = 0
    with torch.no_grad(), progress_bar("comparing", None) as advance:
        for batch in batches:
            ya, yb = _outputs(a, batch), _outputs(b, batch)
            shapes = [[tuple(y.shape[1:]) for y in ys] for ys in (ya, yb)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"compare: expected the same outputs, found {shapes[0]} and {shapes[1]}")
            found.add(ya, yb)
            greatest = max([greatest, *(float((x - y).abs().max()) for x, y in zip(ya, yb, strict=True))])
            codes.add(ya, yb)
            if isinstance(a, FrozenModel) and isinstance(b, FrozenModel) and not layers:
                layers, first = _first_difference(a, b, [x[:_TRACED] for x in batch])
            advance(len(batch[0]))
    if not found.images:
        raise ValueError("compare: the data held no image; expected at least one")
    return Comparison(
        found.images, found.answers, found.changed, found.sqnr_db, greatest, codes.greatest, layers, first
    )


def _outputs(model: nn.Module, batch: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    # Pixels come with channels last, which a model's view() refuses; contiguous() leaves one channel so.
    y = model(*(x.clone(memory_format=torch.contiguous_format) for x in batch))
    return [v.float() for v in Structure.of(y).leaves(y)]


class _Codes:
    """The greatest distance of the outputs' codes so far."""

    def __init__(self, a: nn.Module, b: nn.Module):
        frozen = next((m for m in (b, a) if isinstance(m, FrozenModel)), None)
        functions = [m.output_functions for m in (a, b) if isinstance(m, FrozenModel)]
        ends = any(f is not None for fs in functions for f in fs)
        self._scales = None if frozen is None or ends else _output_scales(frozen)
        self.greatest: int | None = None if self._scales is None else 0

    def add(self, ya: Sequence[torch.Tensor], yb: Sequence[torch.Tensor]) -> None:
        if self._scales is None or self.greatest is None:
            return
        for x, y, scale in zip(ya, yb, self._scales, strict=True):
            steps = ((x - y).abs() / scale).round().max()
            self.greatest = max(self.greatest, int(steps))


def _output_scales(frozen: FrozenModel) -> list[float]:
    found = frozen.describe()
    values = [*found["inputs"], *found["ops"]]
    return [values[output["value"]]["scale"] for output in found["outputs"]]


def _first_difference(
    a: FrozenModel, b: FrozenModel, part: Sequence[torch.Tensor]
) -> tuple[int, FirstDifference | None]:
    """How many values have one name and shape in both, and the first of them that differs."""
    ta, tb = a.trace(*part), b.trace(*part)
    names = [name for name in ta if name in tb and ta[name].shape == tb[name].shape]
    for name in names:
        distance = np.abs(ta[name].astype(np.int16) - tb[name].astype(np.int16))
        if distance.any():
            numbers = _numbers(a, b, name)
            count = int((distance > 0).sum())
            return len(names), FirstDifference(name, count, distance.size, int(distance.max()), numbers)
    return len(names), None


def _numbers(a: FrozenModel, b: FrozenModel, name: str) -> tuple[str, ...]:
    """Which of the numbers of a layer, or of an input, are not equal."""
    mine, theirs = ({**_inputs(m), **m.integers()}.get(name, {}) for m in (a, b))
    skipped = {"inputs", "name", "value"}
    keys = [key for key in mine if key in theirs and key not in skipped]
    return tuple(key for key in keys if not np.array_equal(np.asarray(mine[key]), np.asarray(theirs[key])))


def _inputs(model: FrozenModel) -> dict[str, dict[str, Any]]:
    inputs = model.describe()["inputs"]
    return {x["name"]: {k: x[k] for k in ("scale", "zero_point", "bits")} for x in inputs}
