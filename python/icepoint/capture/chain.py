"""A torch model as a chain: torch.export's graph, each operator a Step, everything else in one list."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from .remedies import OWN_ROAD, remedy_of
from .steps import BUILDERS, Arguments, FloatCall, Step, Unsupported


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


@dataclass
class Chain:
    """The steps in order, where FloatCall stands for what is missing; `broken` is set where a missing
    operator has more than one input or result, so that the model is no chain at all."""

    steps: list[Step]
    missing: list[Missing]
    broken: bool


def capture_chain(model: nn.Module, example: torch.Tensor) -> Chain:
    """What `model(example)` computes in eval mode, by torch.export; the model is only read.

    `example`: one float32 batch (n, ...). Every operator must take the result of the one before it.
    ValueError where torch.export cannot follow the model, with its reason.
    """
    example = torch.cat([example, example]) if len(example) == 1 else example
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (example,))
    except Exception as error:  # torch.export raises its internals' own types
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ValueError(f"quantize: torch.export cannot capture {type(model).__name__}: {reason}") from error
    return _Reader(program, len(example)).read()


class _Reader:
    """Walks the exported graph from its input to its output."""

    def __init__(self, program: torch.export.ExportedProgram, batch: int):
        signature = program.graph_signature
        names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.tensors = {name: program.state_dict.get(path) for name, path in names.items()}
        self.tensors |= {n: program.constants.get(p) for n, p in signature.inputs_to_buffers.items() if
                         self.tensors[n] is None}  # fmt: skip
        constants = set(signature.inputs_to_lifted_tensor_constants)
        nodes = list(program.graph.nodes)
        self.input = next(
            n
            for n in nodes
            if n.op == "placeholder" and n.name not in self.tensors and n.name not in constants
        )
        self.calls = [n for n in nodes if n.op == "call_function"]
        self.result = nodes[-1].args[0]
        self.batch = batch
        self.missing: list[Missing] = []
        self.broken = False

    def read(self) -> Chain:
        steps: list[Step] = []
        last = self.input
        for node in self.calls:
            step = self._step(node, last)
            if step is not None:
                steps.append(step)
            last = node
        if tuple(self.result) != (last,):
            reason = "the model must return one tensor, the result of its last operator"
            self._miss(last, reason, broken=True, remedy="return this one alone")
        return Chain(steps, self.missing, self.broken)

    def _step(self, node: fx.Node, last: fx.Node) -> Step | None:
        name = _short_name(node)
        if not hasattr(node.target, "_schema"):
            if node.target is not operator.getitem:  # that only picks a result of an operator told already
                self._miss(node, "it is no operator of torch's", True, OWN_ROAD)
            return None
        arguments, x_names = self._arguments(node)
        if [n for n in node.all_input_nodes if n.name not in self.tensors] != [last]:
            reason = "it does not take the result of the operator before it: the model is no chain"
            self._miss(node, reason, True, OWN_ROAD)
            return None
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor) or value.shape[:1] != (self.batch,):
            self._miss(
                node, "it does not keep the batch as the first dimension of one tensor", True, OWN_ROAD
            )
            return None
        try:
            if name not in BUILDERS:
                raise Unsupported("no integer form in a chain")
            if len(node.users) > 1:
                raise Unsupported(f"its result is read by {len(node.users)} operators: the model is no chain")
            module = BUILDERS[name](arguments, tuple(value.shape))
        except Unsupported as error:
            self._miss(node, str(error), broken=len(x_names) != 1 or len(node.users) > 1)
            module = FloatCall(node.target, arguments, x_names[0]) if len(x_names) == 1 else None
        return None if module is None else Step(name, module, _path(node), _line(node))

    def _arguments(self, node: fx.Node) -> tuple[Arguments, list[str]]:
        """Every argument by its schema's name, the model's tensors resolved; and the names of the others."""
        given: Arguments = {}
        for i, argument in enumerate(node.target._schema.arguments):
            value = (
                node.args[i] if i < len(node.args) else node.kwargs.get(argument.name, argument.default_value)
            )
            given[argument.name] = value
        resolved = {k: self.tensors.get(v.name, v) if isinstance(v, fx.Node) else v for k, v in given.items()}
        return resolved, [k for k, v in resolved.items() if isinstance(v, fx.Node)]

    def _miss(self, node: fx.Node, reason: str, broken: bool = False, remedy: str | None = None) -> None:
        self.broken |= broken
        name = _short_name(node)
        self.missing.append(Missing(name, _path(node), _line(node), reason, remedy or remedy_of(name)))


def _short_name(node: fx.Node) -> str:
    """'relu' of aten.relu_.default: in-place or not is no difference for a chain."""
    if node.op != "call_function" or not hasattr(node.target, "_schema"):
        return str(getattr(node.target, "__name__", node.target))
    namespace, name = node.target._schema.name.split("::")
    return name.rstrip("_") if namespace == "aten" else f"{namespace}.{name}"


def _path(node: fx.Node) -> str:
    stack: Any = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


def _line(node: fx.Node) -> str:
    """The innermost line of the stack trace that is not torch's own: 'net.py:12: `x = f(x)`'."""
    lines = (node.meta.get("stack_trace") or "").splitlines()
    places: Sequence[int] = [i for i, line in enumerate(lines) if line.strip().startswith("File ")]
    torch_folder = str(torch.__path__[0])
    own = [i for i in places if torch_folder not in lines[i]] or list(places)
    if not own:
        return "an unknown line"
    file, number = lines[own[-1]].split(", ")[:2]
    code = lines[own[-1] + 1].strip() if own[-1] + 1 < len(lines) else ""
    return f"{file.split(chr(34))[1]}:{number.removeprefix('line ')}" + (f": `{code}`" if code else "")
