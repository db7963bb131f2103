"""A torch model as a graph of steps: ATen operators, through the table of builders, into float modules."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from .aliases import Names
from .arguments import Arguments
from .builders import BUILDERS, SEVERAL
from .calls import FloatCall, out_of_place
from .endings import check_inside
from .operators import Reshape
from .outputs import outputs_of
from .places import arguments_of, line_of, name_of, path_of, short_name
from .rearrange import Rearrange
from .remedies import remedy_of
from .roads import Trace
from .simplify import simplified
from .sizes import expression_of
from .steps import Captured, Input, Missing, Step, Unsupported
from .structure import Structure


class Reader:
    """Walks the traced graph and numbers values.

    The graph still has operators that write in place (relu_, add_): what they write becomes a new value,
    and every other name of the tensor, such as the one before a dropout, names it too.
    """

    def __init__(
        self, found: Trace, shapes: dict[fx.Node, Any], takes: Structure, input_names: Sequence[str]
    ):
        self.trace, self.shapes = found, shapes
        self.takes, self.input_names = takes, list(input_names)
        self.names = Names()
        self.count = 0
        self.sizes = replace(self.trace.sizes, expressions={})
        self.arguments = Arguments(self.trace, shapes, self.sizes, self._value, self._number)
        self.several: set[fx.Node] = set()  # operators with several results, each with a builder of its own
        self.steps: list[Step] = []
        self.missing: list[tuple[int, Missing, bool]] = []  # value, what, whether the graph breaks there
        self.always: set[int] = set()  # values that count as read
        self.nodes: dict[int, fx.Node] = {}  # which operator a step's value stands for

    def read(self) -> Captured:
        for node in self.trace.inputs:
            self.names.name(node, self._number())
        for node in self.trace.graph.nodes:
            if node.op == "call_function" and not self.arguments.take(node, self.names.stale):
                self._call(node)
        found, functions, order, refused = outputs_of(self)
        if refused:
            last = self._number()
            found = [*found, last]
            self.missing.append((last, refused, True))
        return self._captured(found, functions, order)

    # Operators.

    def _call(self, node: fx.Node) -> None:
        reason = self._cannot_run(node)
        if reason is not None:
            output = self._break(node)
            if node.target is not operator.getitem:  # that only picks a result of an operator told already
                self._miss(node, output, reason, True)
            if not hasattr(node.target, "_schema"):
                self.always.add(output)  # it may write what others read
        elif node.target is operator.getitem and node.args[0] in self.several:
            self._operator(node.args[0], node, node.args[1])
        elif isinstance(node.meta.get("val"), (list, tuple)) and short_name(node) in SEVERAL:
            self.several.add(node)
            self.names.bind(node, self._number())
        elif node.meta.get("val") is not None:  # else it is an assertion
            self._operator(node, node)

    def _cannot_run(self, node: fx.Node) -> str | None:
        """Why the operator cannot even stay float, or None."""
        if not hasattr(node.target, "_schema") and node.target is not operator.getitem:
            return "it is no operator of torch's"
        if any(n in self.names.stale for n in node.all_input_nodes):
            return "it reads a view of a tensor that was written in place since; write out of place"
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and not _rests(node):
            return "it draws random numbers"
        if isinstance(self.trace.batch, int) and node.meta.get("val") is not None:
            # The operator's arguments may hold the example's number of images.
            if not self._is_batch(node):
                return "it does not keep the batch as the first dimension"
            if self.arguments.is_constant(node):
                return "it makes a batch out of constants"
        return None

    def _is_batch(self, node: fx.Node) -> bool:
        """Whether a result, or each of several, has one image behind the other."""
        value, shape = node.meta["val"], self.shapes[node]
        parts = list(zip(value, shape, strict=True)) if isinstance(value, (list, tuple)) else [(value, shape)]
        images = self.trace.sizes.examples[0][0]
        return all(isinstance(x, torch.Tensor) and size[:1] == (images,)
                   and (isinstance(self.trace.batch, int) or expression_of(x.shape[0]) == self.trace.batch)
                   for x, size in parts)  # fmt: skip

    def _tensors(self, node: fx.Node) -> list[fx.Node]:
        """What an operator computes on: its tensors that the inputs reach, but for weights."""
        found: list[fx.Node] = []
        for name, value, _ in arguments_of(node) if hasattr(node.target, "_schema") else ():
            if name not in ("weight", "bias"):
                fx.node.map_arg(value, found.append)
        kinds = (torch.Tensor, list, tuple)
        return [
            n for n in found if n not in self.arguments.constants and isinstance(n.meta.get("val"), kinds)
        ]

    def _operator(self, node: fx.Node, result: fx.Node, index: int | None = None) -> None:
        """The steps of an operator; `result` is its node, or that of one of its several results."""
        name, (arguments, inputs) = short_name(node), self.arguments.of(node)
        table, more = (BUILDERS, {}) if index is None else (SEVERAL, {"index": index})
        try:
            if not self._is_batch(result):
                raise Unsupported("it does not keep the batch as the first dimension of one tensor")
            if not all(self._is_batch(x) for x in self._tensors(node)):
                raise Unsupported("it takes a tensor that does not have the batch as its first dimension")
            check_inside(name)
            if _keeps_float32(node):
                self.names.bind(result, inputs[0])
                return
            if name not in table:
                raise Unsupported("it has no integer form")
            modules = table[name](arguments | more, self.shapes[result])
        except Unsupported as error:
            self._float(node, result, index, arguments, inputs, error)
            return
        values = [value for value in inputs if value not in self.sizes.expressions]
        for module in modules:
            helper = len(modules) > 1 and isinstance(module, (Reshape, Rearrange))
            self._step(node, module, values, ".view" if helper else "")
            values = [self.steps[-1].output]
        self.names.bind(result, values[0])

    def _float(
        self, node: fx.Node, result: fx.Node, index: int | None, arguments: dict[str, Any],
        inputs: list[int], error: Unsupported,
    ) -> None:  # fmt: skip
        if node.target is operator.getitem:
            self._step(node, FloatCall(operator.getitem, [Input(0, ()), node.args[1]]), inputs)
        else:
            if self.names.values.get(node) not in {step.output for step in self.steps}:
                self._miss(node, self.count, str(error), remedy=error.remedy)
                self._step(node, FloatCall(out_of_place(node.target), arguments), inputs)
                if result is not node:
                    self.names.values[node] = self.steps[-1].output
            if result is not node:
                self._step(
                    node, FloatCall(operator.getitem, [Input(0, ()), index]), [self.names.values[node]]
                )
        self.names.bind(result, self.steps[-1].output)

    def _step(self, node: fx.Node, module: nn.Module, inputs: list[int], suffix: str = "") -> None:
        place = name_of(node) + suffix
        self.steps.append(Step(short_name(node), place, line_of(node), module, inputs, self._number()))
        self.nodes[self.steps[-1].output] = node

    def _break(self, node: fx.Node) -> int:
        """A value that no step makes, so that the walk can go on and tell the rest of the list."""
        self._step(node, nn.Identity(), self.arguments.inputs(node))
        self.names.bind(node, self.steps[-1].output)
        return self.steps[-1].output

    # Values.

    def _number(self) -> int:
        self.count += 1
        return self.count - 1

    def _value(self, node: fx.Node) -> int:
        if node not in self.names.values:  # a submodule that only an operator of its own kind takes
            self.names.name(node, self._number())
        return self.names.values[node]

    def _miss(
        self, node: fx.Node, value: int, reason: str, broken: bool = False, remedy: str | None = None
    ) -> None:
        name = short_name(node)
        remedy = remedy or remedy_of(name, reason, broken)
        item = Missing(name, path_of(node), line_of(node), reason, remedy)
        self.missing.append((value, item, broken))

    def _captured(self, outputs: list[int], functions: list[Any], order: list[int]) -> Captured:
        """Only what an output needs: what the model computes for nobody is neither run nor missing."""
        steps = simplified(self.steps, {*outputs, *self.always}, self._number)
        alive = {*outputs, *self.always}
        for step in reversed(steps):
            if step.output in alive:
                alive.update(step.inputs)
        steps = [step for step in steps if step.output in alive]
        for step in steps:
            if reason := getattr(step.module, "refusal", None):
                self._miss(self.nodes[step.output], step.output, reason)
        for value, name in enumerate(self.input_names):
            if value not in alive:
                reason = f"nothing that it returns depends on its input {name}"
                item = Missing("input", "", "its forward", reason, "leave the input out")
                self.missing.append((outputs[0], item, True))
        found = [(item, broken) for value, item, broken in self.missing if value in alive]
        expressions = {value: e for value, e in self.sizes.expressions.items() if value in alive}
        return Captured(
            inputs=self.input_names, takes=self.takes, gives=self.trace.gives,
            steps=steps,
            outputs=outputs, functions=functions, order=order,
            sizes=replace(self.sizes, expressions=expressions),
            missing=[item for item, _ in found], broken=any(broken for _, broken in found),
            road=self.trace.road,
        )  # fmt: skip


def _keeps_float32(node: fx.Node) -> bool:
    """Whether an operator casts float32 to float32, and moves nothing."""
    if short_name(node) not in ("to", "_to_copy", "type_as"):
        return False
    return all(n.meta["val"].dtype == torch.float32 for n in (node, node.args[0]))


def _rests(node: fx.Node) -> bool:
    """Whether an operator that may draw random numbers does not: dropout in eval mode."""
    given = {name: value for name, value, _ in arguments_of(node)}
    return given.get("train", given.get("training")) is False or given.get("dropout_p") == 0.0
