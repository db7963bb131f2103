"""Integer parts of a network as frozen graphs: the whole of it, or what lies between float operators."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .capture import Ending
from .freeze import freeze as freeze_road
from .frozen import FrozenModel
from .modules import QInput
from .plans import Plan
from .qparams import QParam
from .recipe import Recipe
from .stages import Stage, real, register_layers


class Part(nn.Module):
    """Stages that run behind each other on codes, from float tensors to float tensors.

    `inputs` are the values that it takes, as floats, and `q_ins` what their codes mean: of a value that
    was integer before it, the same codes come back from its float. None where a QInput among the stages
    quantizes. `outputs` are values, the same one several times where the network returns it so.
    """

    def __init__(
        self, stages: Sequence[Stage], inputs: Sequence[int], q_ins: Sequence[QParam | None],
        outputs: Sequence[int],
    ):  # fmt: skip
        super().__init__()
        self.stages, self.inputs, self.q_ins = list(stages), list(inputs), list(q_ins)
        self.outputs = list(outputs)
        register_layers(self, self.stages)

    @classmethod
    def whole(cls, plan: Plan) -> Part:
        """All of a network; one output for each tensor that it returns."""
        captured = plan.captured
        count = len(captured.inputs)
        return cls(plan.stages, range(count), [None] * count, [captured.outputs[i] for i in captured.order])

    def quantize_inference(self, *xs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """float32 in and out, integers between, to the codes of every output."""
        values: dict[int, Any] = {}
        quantizers = {s.inputs[0]: s for s in self.stages if isinstance(s.layer, QInput)}
        for value, q, x in zip(self.inputs, self.q_ins, xs, strict=True):
            values[value] = (x, None) if q is None else (q.quantize_tensor(x), q)
            if q is None and value in quantizers:  # in the order of the inputs, not of who reads them
                values[quantizers[value].output] = quantizers[value].run([values[value]])
        for stage in self.stages:
            if not isinstance(stage.layer, QInput):
                values[stage.output] = stage.run_codes([values[v] for v in stage.inputs])
        return tuple(real(*values[v]) for v in self.outputs)


def frozen_part(
    part: Part,
    examples: Sequence[torch.Tensor],
    functions: Sequence[Ending | None],
    recipe: Recipe | None = None,
) -> FrozenModel:
    """The frozen model of a part; `functions`, one for each of its outputs, go into its file."""
    ends = {s.output for s in part.stages if s.gives_accumulators}
    told = [
        ({"accumulators": True} if v in ends else {}) | ({} if f is None else f.to_dict())
        for v, f in zip(part.outputs, functions, strict=True)
    ]
    return freeze_road(part, list(examples), recipe, output_functions=told)


@dataclass
class Piece:
    """Something to run: a frozen part or a float module, the values that it takes and those that it makes.

    `ends` are outputs of the network, behind their functions, that a frozen part gives after its `outputs`.
    """

    module: nn.Module
    inputs: list[int]
    outputs: list[int]
    ends: list[int] = field(default_factory=list)


def freeze_parts(plan: Plan, examples: Sequence[torch.Tensor]) -> list[Piece]:
    """The network as frozen parts and float modules, in the order in which they run.

    Integer stages that follow each other are one part. Float modules are copied.
    """
    captured, q_of = plan.captured, plan.qparams(fix=False)
    sources = {s.output: s.inputs[0] for s in plan.stages if isinstance(s.layer, QInput)}
    floats = _float_values(plan, examples)
    pieces: list[Piece] = []
    for run in _runs(plan, q_of):
        if q_of[run[-1].output] is None:
            (stage,) = run
            inputs = [sources.get(v, v) for v in stage.inputs]
            pieces.append(Piece(copy.deepcopy(stage.layer), inputs, [stage.output]))
            continue
        made = [s.output for s in run]
        read = list(dict.fromkeys(v for s in run for v in s.inputs if v not in made))
        later = _read_later(plan, run)
        outputs = [v for v in made if v in later and v not in sources]
        ends = [i for i, v in enumerate(captured.outputs) if v in made and captured.functions[i] is not None]
        part = Part(run, read, [q_of[v] for v in read], outputs + [captured.outputs[i] for i in ends])
        given = [floats[sources.get(v, v)] for v in read]
        functions = [None] * len(outputs) + [captured.functions[i] for i in ends]
        frozen = frozen_part(part, given, functions)
        pieces.append(Piece(frozen, [sources.get(v, v) for v in read], outputs, ends))
    return pieces


def _runs(plan: Plan, q_of: dict[int, QParam | None]) -> list[list[Stage]]:
    """Stages in groups: integer ones that follow each other, float ones alone."""
    runs: list[list[Stage]] = []
    for stage in plan.stages:
        integer = q_of[stage.output] is not None
        if integer and runs and q_of[runs[-1][-1].output] is not None:
            runs[-1].append(stage)
        else:
            runs.append([stage])
    return runs


def _read_later(plan: Plan, run: Sequence[Stage]) -> set[int]:
    """The values of a run that other stages read, or the network returns as they are."""
    inside = {id(stage) for stage in run}
    read = {v for stage in plan.stages if id(stage) not in inside for v in stage.inputs}
    ends = zip(plan.captured.outputs, plan.captured.functions, strict=True)
    return read | {v for v, function in ends if function is None}


def _float_values(plan: Plan, examples: Sequence[torch.Tensor]) -> dict[int, Any]:
    """Every value of the network at the example, as a float."""
    values: dict[int, Any] = {v: (x, None) for v, x in enumerate(examples)}
    values |= {v: (n, None) for v, n in plan.captured.sizes.values(examples).items()}
    with torch.no_grad():
        for stage in plan.stages:
            values[stage.output] = stage.run([values[v] for v in stage.inputs])
    return {v: real(*value) for v, value in values.items()}
