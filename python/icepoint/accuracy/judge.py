"""How far integers are from their float network: SQNR of the outputs, and answers changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..distributed import Share, Workers
from ..plans import Plan
from ..stages import Stage, in_float, real

_CHUNK = 16


@dataclass(frozen=True)
class Judgement:
    """`sqnr_db`: 10 log10 of the float outputs' energy over the error's, inf without error, -inf without
    signal. `changed` of `images` have another greatest number in an output (n, classes); None where there
    is no such output."""

    sqnr_db: float
    changed: int | None
    images: int

    def __str__(self) -> str:
        told = "" if self.changed is None else f", {self.changed} of {self.images} answers changed"
        return f"{self.sqnr_db:.1f} dB{told}"


def float_outputs(plan: Plan, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The network's float outputs (n, ...) before the functions that end it, one image at a time."""
    return _outputs(plan, images, 1, lambda x: x, in_float, lambda y: y)


def integer_outputs(plan: Plan, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """What the integers of a frozen plan give for the same outputs, as float32."""
    return _outputs(plan, images, _CHUNK, lambda x: (x, None), Stage.run, lambda value: real(*value))


def _outputs(
    plan: Plan,
    images: Sequence[torch.Tensor],
    count: int,
    given: Callable[[Any], Any],
    step: Callable[..., Any],
    taken: Callable[[Any], torch.Tensor],
) -> list[torch.Tensor]:
    """The plan's outputs for `count` images at a time, or for all where operators stay float."""
    count = len(images[0]) if plan.captured.missing else count
    found = []
    for i in range(0, len(images[0]), count):
        part = [x[i : i + count] for x in images]
        values = {v: given(x) for v, x in plan.values_of(part).items()}
        with torch.no_grad():
            found.append([taken(y) for y in plan.walk(values, step)])
    return [torch.cat(column) for column in zip(*found, strict=True)]


def judge(
    expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor], share: Share | None = None
) -> Judgement:
    """Compares outputs of float with those of integers, both (n, ...), of all images or of a worker's share.

    Energies of each image are added by math.fsum, so neither order nor batches show.

    >>> judge([torch.tensor([[3.0, 4.0]])], [torch.tensor([[3.0, 3.5]])])
    Judgement(sqnr_db=20.0, changed=0, images=1)
    """
    share = share or Share(Workers(), len(expected[0]))
    energies, answers = [], []
    for y, z in zip(expected, found, strict=True):
        for a, b in zip(y.double(), z.double(), strict=True):
            a, b = a.flatten(), b.flatten()  # a network that stays float at its end may give (n,)
            energies.append((float(a.dot(a)), float((a - b).dot(a - b))))
        if y.dim() == 2 and y.shape[1] > 1:
            answers += (y.argmax(1) != z.argmax(1)).tolist()
    energies, answers = share.joined(energies), share.joined(answers)
    signal, noise = (math.fsum(column) for column in zip(*energies, strict=True))
    return Judgement(decibels(signal, noise), sum(answers) if answers else None, share.count)


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise): inf without noise, -inf without signal."""
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf
