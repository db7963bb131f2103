"""What the operators of a traced graph are called with: computed values, sizes, and constants folded."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from .aliases import memory
from .calls import fold
from .places import arguments_of
from .roads import Trace
from .sizes import Size, Sizes, expression_of, known
from .steps import Batch, Input


class Arguments:
    """Resolves nodes. `value_of` gives a computed node's value, `new_value` the number of a new one."""

    def __init__(
        self, found: Trace, shapes: dict[fx.Node, Any], sizes: Sizes,
        value_of: Callable[[fx.Node], int], new_value: Callable[[], int],
    ):  # fmt: skip
        self.shapes, self.sizes, self.batch = shapes, sizes, found.batch
        self.constants = dict(found.constants)  # nodes that no input reaches, and what they are
        self._value_of, self._new_value = value_of, new_value
        self._values: dict[Any, int] = {}  # an expression -> the value that holds it

    def take(self, node: fx.Node, stale: set[fx.Node]) -> bool:
        """Whether the node needs no step: a size, or an operator on constants, computed here and now."""
        value = node.meta.get("val")
        if isinstance(value, (torch.SymInt, torch.SymBool)):
            return known(value.node.expr, self.sizes.symbols)
        if not self.is_constant(node) or any(n in stale for n in node.all_input_nodes):
            return False
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) or self._is_batch(node):
            return False
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.constants.__getitem__)
        self.constants[node] = result = fold(node.target, args, kwargs)
        for target in memory(node)[1]:
            self._write(target, result, stale)
        return True

    def _is_batch(self, node: fx.Node) -> bool:
        """Whether a result made of constants alone holds the number of images that was tried."""
        shape = self.shapes.get(node)
        return isinstance(self.batch, int) and isinstance(shape, tuple) and shape[:1] == (self.batch,)

    def is_constant(self, node: fx.Node) -> bool:
        """Whether no input reaches the operator."""
        if not hasattr(node.target, "_schema") and node.target is not operator.getitem:
            return False
        return all(n in self.constants for n in node.all_input_nodes)

    def _write(self, target: fx.Node, result: Any, stale: set[fx.Node]) -> None:
        """The constant `target` is `result` now; other views of its memory are nothing any more."""
        old = self.constants[target]
        for other, tensor in list(self.constants.items()):
            if tensor is old:
                self.constants[other] = result
            elif isinstance(tensor, torch.Tensor) and _memory_of(tensor) == _memory_of(old):
                stale.add(other)

    def of(self, node: fx.Node) -> tuple[dict[str, Any], list[int]]:
        """Every argument by its schema's name, with Input and Size for what is computed; and those values."""
        inputs: list[int] = []

        def resolve(x: fx.Node) -> Any:
            if x in self.constants:
                return self.constants[x]
            value, shape = x.meta.get("val"), self.shapes.get(x)
            if isinstance(value, torch.SymInt) and known(value.node.expr, self.sizes.symbols):
                found = Size(shape)
                if (expression := expression_of(value)) is not None:
                    found.index = len(inputs)
                    inputs.append(self._size(expression))
                return found
            inputs.append(self._value_of(x))
            return Input(len(inputs) - 1, shape if isinstance(shape, tuple) else ())

        if node.target is operator.getitem:
            return {"a": resolve(node.args[0])}, inputs
        given = {name: fx.node.map_arg(value, resolve) for name, value, _ in arguments_of(node)}
        for name in ("size", "shape"):  # of views and expansions, which would hold the example's batch
            shape = given.get(name)
            if (
                isinstance(self.batch, int)
                and isinstance(shape, (list, tuple))
                and list(shape[:1]) == [self.batch]
            ):
                given[name] = [Batch(), *shape[1:]]
        return given, inputs

    def inputs(self, node: fx.Node) -> list[int]:
        """The values of a node's computed tensors."""
        computed = [x for x in node.all_input_nodes if x not in self.constants]
        return [self._value_of(x) for x in computed if not isinstance(x.meta.get("val"), torch.SymInt)]

    def _size(self, expression: Any) -> int:
        if expression not in self._values:
            self._values[expression] = self._new_value()
            self.sizes.expressions[self._values[expression]] = expression
        return self._values[expression]


def _memory_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
