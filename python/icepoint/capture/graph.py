"""A torch model as a graph of steps: torch.export's operators, through the table, into float modules."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from .builders import BUILDERS, SEVERAL
from .nodes import is_several, memory, out_of_place, picked
from .operators import Reshape
from .places import arguments_of, line_of, name_of, path_of, short_name
from .rearrange import Rearrange
from .remedies import OWN_ROAD, remedy_of
from .simplify import simplified
from .steps import Batch, Captured, FloatCall, Input, Missing, Step, Unsupported

_BATCH = 13
_MANY = "return one tensor, or a tuple of them"


def capture(model: nn.Module, example: torch.Tensor) -> Captured:
    """What `model(example)` computes in eval mode, by torch.export; the model is only read.

    `example`: one float32 batch (n, ...). Shapes behind n are fixed by it. ValueError where
    torch.export cannot follow the model, with its reason.
    """
    # A batch of a prime number of images, so that it is not taken for another dimension.
    example = example[:1].repeat(_BATCH, *[1] * (example.dim() - 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (example,))
    except Exception as error:  # torch.export raises its internals' own types
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ValueError(f"quantize: torch.export cannot capture {type(model).__name__}: {reason}") from error
    return _Reader(program, _BATCH).read()


class _Reader:
    """Walks the exported graph and numbers values.

    The exported graph still has operators that write in place (relu_, add_): what they write becomes
    a new value, and every other name of the tensor, such as the one before a dropout, names it too.
    """

    def __init__(self, program: torch.export.ExportedProgram, batch: int):
        signature = program.graph_signature
        self.program, self.batch = program, batch
        tensors = {**program.constants, **program.state_dict}
        self.tensors = {
            spec.arg.name: tensors[spec.target] for spec in signature.input_specs if spec.target in tensors
        }
        self.values: dict[fx.Node, int] = {}
        self.aliases: dict[fx.Node, set[fx.Node]] = {}  # nodes that may share memory; one set for all of them
        self.stale: set[fx.Node] = set()  # views of what was written since
        self.steps: list[Step] = []
        self.missing: list[tuple[int, Missing, bool]] = []  # value, what, whether the graph breaks there
        self.always: set[int] = set()  # values that count as read
        self.nodes: dict[int, fx.Node] = {}  # which operator a step's value stands for
        self.count = 0

    def read(self) -> Captured:
        nodes = list(self.program.graph.nodes)
        inputs = [n for n in nodes if n.op == "placeholder" and n.name not in self.tensors]
        for node in inputs:
            self._name(node, self._number())
        for node in nodes:
            if node.op == "call_function":
                self._call(node)
        outputs = self._outputs(nodes[-1])
        return self._alive(inputs[0].name, outputs)

    # Operators.

    def _call(self, node: fx.Node) -> None:
        if self._fold(node):
            return
        if is_several(node):
            self._bind(node, self._number())  # its results are read by getitem
            return
        chosen = picked(node)
        source = node if chosen is None else chosen
        name = short_name(source)
        reason = self._no_batch(node, source)
        if reason is not None:
            output = self._break(node)
            if node.target is not operator.getitem or chosen is not None:
                self._miss(source, output, reason, True, OWN_ROAD)
            if not hasattr(source.target, "_schema"):
                self.always.add(output)  # it may write what others read
            return
        arguments, inputs = self._arguments(source)
        index = None if chosen is None else node.args[1]
        try:
            builder = (BUILDERS if chosen is None else SEVERAL).get(name)
            if builder is None:
                raise Unsupported("it has no integer form")
            given = arguments if chosen is None else {**arguments, "index": index}
            modules = builder(given, tuple(node.meta["val"].shape))
        except Unsupported as error:
            modules = [FloatCall(out_of_place(source.target), arguments, index)]
            self._miss(source, self.count, str(error))
        place = name_of(source)
        for module in modules:
            self.nodes[self.count] = source
            helper = len(modules) > 1 and isinstance(module, (Reshape, Rearrange))
            own = f"{place}.view" if helper else place
            self.steps.append(Step(name, own, line_of(source), module, inputs, self._number()))
            inputs = [self.steps[-1].output]
        self._bind(node, inputs[0])

    def _fold(self, node: fx.Node) -> bool:
        """Computes at once what comes from parameters and constants alone, as a view of a parameter."""
        value = node.meta.get("val")
        if not hasattr(node.target, "_schema") or not isinstance(value, torch.Tensor):
            return False
        random = torch.Tag.nondeterministic_seeded in node.target.tags
        writes = node.target._schema.is_mutable and short_name(node) != "detach"
        known = all(n.name in self.tensors for n in node.all_input_nodes)
        if random or writes or not known or value.shape[:1] == (self.batch,):
            return False
        given = fx.node.map_arg((node.args, node.kwargs), lambda n: self.tensors[n.name])
        with torch.no_grad():
            self.tensors[node.name] = out_of_place(node.target)(*given[0], **given[1]).detach()
        return True

    def _no_batch(self, node: fx.Node, source: fx.Node) -> str | None:
        """Why the operator cannot even stay float, or None; `node` may pick one of its results."""
        if not hasattr(source.target, "_schema"):
            return "it is no operator of torch's"
        if any(n in self.stale for n in (*node.all_input_nodes, *source.all_input_nodes)):
            return "it reads a view of a tensor that was written in place since; write out of place"
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor) or value.shape[:1] != (self.batch,):
            return "it does not keep the batch as the first dimension of one tensor"
        if all(n.name in self.tensors for n in source.all_input_nodes):
            return "it makes a batch out of constants"
        return None

    def _arguments(self, node: fx.Node) -> tuple[dict[str, Any], list[int]]:
        """Every argument by its schema's name, with Input for what is computed; and the values of those."""
        inputs: list[int] = []

        def resolve(x: fx.Node) -> Any:
            if x.name in self.tensors:
                return self.tensors[x.name]
            inputs.append(self._value(x))
            return Input(len(inputs) - 1, tuple(getattr(x.meta.get("val"), "shape", ())))

        given = {name: fx.node.map_arg(value, resolve) for name, value, _ in arguments_of(node)}
        for name in ("size", "shape"):  # of views and expansions, which would hold the example's batch
            shape = given.get(name)
            if isinstance(shape, (list, tuple)) and shape and shape[0] == self.batch:
                given[name] = [Batch(), *shape[1:]]
        return given, inputs

    def _break(self, node: fx.Node) -> int:
        """A value that no step makes, so that the walk can go on and tell the rest of the list."""
        inputs = [self._value(x) for x in node.all_input_nodes if x.name not in self.tensors]
        output = self._number()
        self.steps.append(Step(short_name(node), name_of(node), line_of(node), nn.Identity(), inputs, output))
        self._bind(node, output)
        return output

    # Values.

    def _number(self) -> int:
        self.count += 1
        return self.count - 1

    def _value(self, node: fx.Node) -> int:
        if node not in self.values:  # a submodule or constant that only an operator of its own kind takes
            self._name(node, self._number())
        return self.values[node]

    def _name(self, node: fx.Node, value: int) -> None:
        self.values[node] = value
        self.aliases.setdefault(node, {node})

    def _bind(self, node: fx.Node, value: int) -> None:
        """Names a result, and names again whatever shares memory with what the operator wrote."""
        shared, written = memory(node)
        for target in written:
            for other in self.aliases.get(target, set()) - {target}:
                if self.values.get(other) == self.values.get(target):
                    self.values[other] = value
                else:
                    self.stale.add(other)
            self.values[target] = value
        self._name(node, value)
        for source in shared:
            joined = self.aliases[node] | self.aliases.get(source, {source})
            for member in joined:
                self.aliases[member] = joined

    def _outputs(self, node: fx.Node) -> list[int]:
        returned = node.args[0]
        spec = self.program.call_spec.out_spec
        found = [self.values.get(x) if isinstance(x, fx.Node) else None for x in returned]
        flat = spec.is_leaf() or (spec.type in (tuple, list) and all(c.is_leaf() for c in spec.children()))
        stale = any(x in self.stale for x in returned if isinstance(x, fx.Node))
        if (
            flat
            and found
            and None not in found
            and len(set(found)) == len(found)
            and 0 not in found
            and not stale
        ):
            return found
        reason = "it must return results of operators, each once: one tensor or a flat tuple of them"
        item = Missing("return", "", "its forward", reason, _MANY)
        last = self._number()
        self.missing.append((last, item, True))
        return [*(v for v in found if v is not None), last]

    def _miss(
        self, node: fx.Node, value: int, reason: str, broken: bool = False, remedy: str | None = None
    ) -> None:
        name = short_name(node)
        item = Missing(name, path_of(node), line_of(node), reason, remedy or remedy_of(name))
        self.missing.append((value, item, broken))

    def _alive(self, name: str, outputs: Sequence[int]) -> Captured:
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
        found = [(item, broken) for value, item, broken in self.missing if value in alive]
        return Captured(name, steps, list(outputs), [item for item, _ in found], any(b for _, b in found))
