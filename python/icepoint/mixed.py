"""MixedModel: integer parts as frozen graphs, float operators between them; for Python only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

from torch import nn

from .capture import Captured
from .coverage import Coverage
from .frozen import FrozenModel
from .parts import Piece


class MixedModel(nn.Module):
    """What q.freeze(strict=False) gives where some operators have no integer form.

    It is called as the float model is, and returns what that returns. Its integer parts are frozen
    models, of the size of one example, and compute the same bytes as q in eval mode; its float parts own
    their parameters. state_dict, deepcopy and pickle carry both. A `.ice` file is always fully integer:
    `save` refuses, with the list of `coverage`.
    """

    def __init__(self, pieces: Sequence[Piece], captured: Captured, shapes: Sequence[Sequence[int]]):
        super().__init__()
        self.coverage = Coverage(captured)
        self._takes, self._gives = captured.takes, captured.gives
        self._outputs, self._functions = list(captured.outputs), list(captured.functions)
        self._order, self._sizes = list(captured.order), captured.sizes
        self._shapes = [tuple(shape[1:]) for shape in shapes]
        self.pieces = nn.ModuleList(piece.module for piece in pieces)
        self._values = [(piece.inputs, piece.outputs, piece.ends) for piece in pieces]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The float model's arguments and results."""
        xs = self._takes.leaves((args, kwargs))
        for x, shape in zip(xs, self._shapes, strict=True):
            if tuple(x.shape[1:]) != shape:
                expected = f"expected shape (n, {', '.join(map(str, shape))}), found {tuple(x.shape)}"
                raise ValueError(
                    f"MixedModel: {expected}: its parts are frozen for one size; another one comes of "
                    "q.freeze(strict=False, height=..., width=...)"
                )
        values: dict[int, Any] = {**dict(enumerate(xs)), **self._sizes.values(xs)}
        ended: dict[int, Any] = {}
        for module, (inputs, outputs, ends) in zip(self.pieces, self._values, strict=True):
            made = module(*(values[v] for v in inputs))
            if isinstance(module, FrozenModel):
                made = made if isinstance(made, tuple) else (made,)
                values.update(zip(outputs, made, strict=False))
                ended.update(zip(ends, made[len(outputs) :], strict=True))
            else:
                values[outputs[0]] = made
        for i, (value, function) in enumerate(zip(self._outputs, self._functions, strict=True)):
            if i not in ended:  # a value without a function, or one that stayed float
                y = values[value]
                ended[i] = y if function is None else function.of_reals(y)
        return self._gives.rebuild([ended[i] for i in self._order])

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        """ValueError with the list of what is not integer."""
        raise ValueError(
            self.coverage.refusal(
                f"save: {os.fspath(path)}: a .ice file is fully integer, and these are float"
            )
        )
