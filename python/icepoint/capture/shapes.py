"""The shapes of a traced graph's values for inputs of a given size, with nothing computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch._subclasses import FakeTensorMode

from .places import line_of, name_of
from .refusals import torch_s_logs_off
from .roads import Trace
from .sizes import Sizes, expression_of

Shape = tuple[int, ...]


def shapes_at_example(found: Trace) -> dict[fx.Node, Any]:
    """Each node's shape (n, ...), number or list of those, as they were traced."""
    return {n: _of(n.meta.get("val"), found.sizes) for n in found.graph.nodes}


def shapes_at(found: Trace, inputs: Sequence[Shape]) -> dict[fx.Node, Any]:
    """The same for other heights and widths. ValueError naming the layer that does not take them."""
    values: dict[fx.Node, Any] = {}
    with torch_s_logs_off(), FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        values.update({node: torch.empty(shape) for node, shape in zip(found.inputs, inputs, strict=True)})
        values.update(found.constants)
        for node in found.graph.nodes:
            if node.op != "call_function":
                continue
            try:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = node.target(*args, **kwargs)
            except Exception as error:  # torch's own, of any type
                reason = next((line for line in str(error).splitlines() if line.strip()), "")
                raise ValueError(
                    f"the network does not take inputs of shape {', '.join(map(_words, inputs))}: "
                    f"{name_of(node)} ({line_of(node)}) fixes the size: {reason}"
                ) from error
    return {node: _of(value, found.sizes) for node, value in values.items()}


def _of(value: Any, sizes: Sizes) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(_number(size, sizes) for size in value.shape)
    if isinstance(value, (list, tuple)):
        return [_of(item, sizes) for item in value]
    return _number(value, sizes) if isinstance(value, (int, torch.SymInt)) else None


def _number(size: Any, sizes: Sizes) -> int:
    expression = expression_of(size)
    if expression is None:
        return int(size)
    try:
        return sizes.at(expression, sizes.examples)
    except TypeError:  # a number that only the data tell
        return -1


def _words(shape: Shape) -> str:
    return f"(n, {', '.join(map(str, shape[1:]))})"
