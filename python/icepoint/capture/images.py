"""Sequences (n, c, l) as images (n, c, 1, l): what slides, pools and pads along l is two-dimensional."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .functions import is_function
from .operators import Add, Concat, Div, Mul, Reshape, Slice
from .steps import Step


class ToImage(Reshape):
    """(n, c, l) to (n, c, 1, l)."""

    def __init__(self) -> None:
        super().__init__(())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(2)


class FromImage(Reshape):
    """(n, c, 1, l) to (n, c, l)."""

    def __init__(self) -> None:
        super().__init__(())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze(2)


def on_image(*modules: nn.Module) -> list[nn.Module]:
    """Modules for (n, c, h, w) applied to a sequence (n, c, l)."""
    return [ToImage(), *modules, FromImage()]


def keep_images(steps: list[Step], number: Callable[[], int]) -> list[Step]:
    """Steps in which a chain on sequences stays an image from its first layer to its last.

    What works element by element, joins or cuts is done on the image where a sequence has one. A
    FromImage that nobody reads then goes with the rest of what nobody reads. `number` gives numbers of
    new values.
    """
    image: dict[int, int] = {}  # a value (n, c, l) -> the same as (n, c, 1, l)
    same: dict[int, int] = {}  # the result of a ToImage that is not needed -> what it would be
    found: list[Step] = []
    for step in steps:
        inputs = [same.get(v, v) for v in step.inputs]
        if isinstance(step.module, ToImage) and inputs[0] in image:
            same[step.output] = image[inputs[0]]
            continue
        if type(step.module) is Reshape and inputs[0] in image:
            inputs = [image[inputs[0]]]  # in the logical order both are the same
        module = step.module
        if not any(v in image for v in inputs) and not getattr(module, "spreads", False):
            module = None
        module = _two_dimensional(module)
        if module is None:
            found.append(Step(step.kind, step.name, step.line, step.module, inputs, step.output))
            if isinstance(step.module, ToImage):
                image[inputs[0]] = step.output
            if isinstance(step.module, FromImage):
                image[step.output] = inputs[0]
            continue
        for value in inputs:
            if value not in image:
                image[value] = number()
                found.append(Step("view", f"{step.name}.view", step.line, ToImage(), [value], image[value]))
        image[step.output] = number()
        lifted = [image[value] for value in inputs]
        found.append(Step(step.kind, step.name, step.line, module, lifted, image[step.output]))
        back = FromImage(), [image[step.output]], step.output
        found.append(Step("view", f"{step.name}.view", step.line, *back))
    return found


def _two_dimensional(module: nn.Module | None) -> nn.Module | None:
    """What does on images what `module` does on sequences; None where nothing does."""
    if module is None or is_function(module) or isinstance(module, (Add, Mul, Div)):
        return module
    if isinstance(module, Concat):
        return Concat(module.axis + (module.axis == 2))
    if isinstance(module, Slice):
        return Slice(module.axis + (module.axis == 2), module.start, module.stop, module.step)
    return None
