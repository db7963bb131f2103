"""What a captured graph goes through before it is quantized: several operators become one step."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .functions import join_functions
from .images import keep_images
from .operators import Reshape
from .rearrange import Rearrange, gather, resolved
from .steps import Step


def simplified(steps: list[Step], outputs: Collection[int], number: Callable[[], int]) -> list[Step]:
    """Steps that compute the same, with fewer and simpler modules; `number` gives numbers of new values.

    The values `outputs` keep their numbers. Some steps may then have no reader.
    """
    return keep_images(_moved(gather(join_functions(steps)), outputs, number), number)


def _moved(steps: list[Step], outputs: Collection[int], number: Callable[[], int]) -> list[Step]:
    """Every Rearrange that integers can do as the steps that do it."""
    same: dict[int, int] = {}  # the result of a Rearrange that moves nothing -> its input
    found: list[Step] = []
    for step in steps:
        inputs = [same.get(v, v) for v in step.inputs]
        modules = resolved(step.module) if isinstance(step.module, Rearrange) else None
        if modules is None:
            modules = [step.module]
        elif not modules and step.output in outputs:
            modules = [Reshape(step.module.before)]
        if not modules:
            same[step.output] = inputs[0]
        for i, module in enumerate(modules):
            output = step.output if i == len(modules) - 1 else number()
            found.append(Step(step.kind, step.name, step.line, module, inputs, output))
            inputs = [output]
    return found
