"""What a traced graph returns: which values, in which order, and the functions that end the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx

from .calls import FloatCall
from .endings import Ending, ending_of, joined
from .steps import Input, Missing, Step

if TYPE_CHECKING:
    from .graph import Reader

_REMEDY = "return results of operators, in tuples, lists or dicts"

Found = tuple[list[int], list[Ending | None], list[int], Missing | None]


def outputs_of(reader: Reader) -> Found:
    """Values, their functions, the place of each returned tensor among them, and why it is refused."""
    values = []
    for returned in reader.trace.outputs:
        value = reader.names.values.get(returned) if isinstance(returned, fx.Node) else None
        reason = None
        if returned in reader.names.stale:
            reason = "it returns a view of a tensor that was written in place since; write out of place"
        elif value is None or not isinstance(returned.meta["val"], torch.Tensor):
            reason = "it returns a constant"
        elif value < len(reader.input_names):
            reason = f"it returns its input {reader.input_names[value]} as it is"
        if reason is not None:
            return (
                [v for v in values if v is not None],
                [],
                [],
                Missing("return", "", "its forward", reason, _REMEDY),
            )
        values.append(value)
    if not values:
        return [], [], [], Missing("return", "", "its forward", "it returns no tensor", _REMEDY)
    ends = [_peeled(value, reader.steps, len(reader.input_names)) for value in values]
    distinct = list(dict.fromkeys(ends))
    return [v for v, _ in distinct], [f for _, f in distinct], [distinct.index(end) for end in ends], None


def _peeled(value: int, steps: list[Step], inputs: int) -> tuple[int, Ending | None]:
    """The value before the functions that end the network, and the one function that they are."""
    makers = {step.output: step for step in steps}
    function: Ending | None = None
    while (step := makers.get(value)) is not None:
        ending = _ending(step)
        if ending is None or step.inputs[0] < inputs:  # integers before it there must be
            break
        if ending.function == "sigmoid" and function is None and _is_read(value, steps):
            break
        if function is not None:
            ending = joined(ending, function)
            if ending is None:
                break
        function, value = ending, step.inputs[0]
    return value, function


def _is_read(value: int, steps: list[Step]) -> bool:
    """A gate that is returned too has a table of its own; its codes are the result."""
    return any(value in step.inputs for step in steps)


def _ending(step: Step) -> Ending | None:
    if isinstance(step.module, FloatCall):
        x = step.module.arguments.get("self") if isinstance(step.module.arguments, dict) else None
        return ending_of(step.kind, step.module.arguments, len(x.shape)) if isinstance(x, Input) else None
    return ending_of(step.kind, {}, 0) if step.kind == "sigmoid" else None
