"""Views and permutations in a row as one move of bytes: a reshape, a shuffle of channels, of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .images import on_image
from .operators import PermuteChannels, Reshape
from .steps import Step

Shape = tuple[int, ...]  # without the batch


class Rearrange(nn.Module):
    """(n, *before) through views (a shape) and permutations (axes from 1 on), in their order."""

    def __init__(self, before: Sequence[int], moves: Sequence[tuple[str, tuple[int, ...]]]):
        super().__init__()
        self.before, self.moves = tuple(before), list(moves)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for kind, numbers in self.moves:
            x = x.reshape(len(x), *numbers) if kind == "view" else x.permute(0, *numbers)
        return x

    def positions(self) -> torch.Tensor:
        """Where each element of the result lies in the input, counted in the logical order."""
        return self(torch.arange(max(1, _size(self.before))).reshape(1, *self.before))[0]

    @property
    def refusal(self) -> str:
        """Why integers cannot do it, for what simplified() did not replace."""
        after = tuple(self.positions().shape)
        if not 1 <= len(after) <= 3:
            shape = "".join(f", {d}" for d in after) or ","
            return f"it makes the shape (n{shape}); integers have 1 to 3 dimensions behind n"
        return (
            f"it reorders (n, {', '.join(map(str, self.before))}) into (n, {', '.join(map(str, after))}); "
            "a permutation of the channels, pixel_shuffle and pixel_unshuffle are supported"
        )


def gather(steps: list[Step]) -> list[Step]:
    """Every Rearrange directly on the value that the views and permutations before it began with.

    Where integers can do the whole of it, by the modules that do; else it stays, for its refusal.
    """
    origin: dict[int, tuple[int, Rearrange]] = {}
    found = []
    for step in steps:
        if not isinstance(step.module, Rearrange):
            found.append(step)
            continue
        value, whole = step.inputs[0], step.module
        if value in origin:
            value, first = origin[value]
            whole = Rearrange(first.before, [*first.moves, *whole.moves])
        origin[step.output] = value, whole
        found.append(Step(step.kind, step.name, step.line, whole, [value], step.output))
    return found


def resolved(module: Rearrange) -> list[nn.Module] | None:
    """Modules of integers that do the same one behind the other; None where there are none."""
    positions = module.positions()
    before, after = module.before, tuple(positions.shape)
    if not (1 <= len(before) <= 3 and 1 <= len(after) <= 3):
        return None
    flat = positions.flatten()
    if torch.equal(flat, torch.arange(len(flat))):
        return [] if before == after else [Reshape(after)]
    if before == after:
        return _channels(before, positions)
    if len(before) == len(after) == 3:
        return _pixels(module, positions)
    return None


def _channels(shape: Shape, positions: torch.Tensor) -> list[nn.Module] | None:
    """A permutation of (c, h, w), (c, l) or (c) that moves whole channels."""
    rows = positions.reshape(shape[0], -1)
    order = rows[:, 0] // rows.shape[1]
    expected = torch.arange(positions.numel()).reshape(shape[0], -1)[order]
    if not torch.equal(rows, expected):
        return None
    shuffle = PermuteChannels(order.tolist())
    return on_image(shuffle) if len(shape) == 2 else [shuffle]


def _pixels(module: Rearrange, positions: torch.Tensor) -> list[nn.Module] | None:
    (c, h, w), (oc, oh, _) = module.before, positions.shape
    if c < oc:
        r = h // max(1, oh)
        candidate = nn.PixelUnshuffle(r) if r > 1 and h % r == w % r == 0 and oc == c * r * r else None
    else:
        r = oh // max(1, h)
        candidate = nn.PixelShuffle(r) if r > 1 and c == oc * r * r else None
    if candidate is None:
        return None
    same = candidate(torch.arange(positions.numel()).reshape(1, c, h, w))[0]
    return [candidate] if same.shape == positions.shape and torch.equal(same, positions) else None


def _size(shape: Shape) -> int:
    size = 1
    for dimension in shape:
        size *= dimension
    return size
