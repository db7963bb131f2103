"""`with torch.no_grad():` and torch.autocast in a model's forward: what a traced graph has of them goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.amp.autocast_mode import _enter_autocast

from .places import line_of
from .refusals import Refusal

# torch.export's: the operators inside are a graph of their own, behind so many arguments of the context's.
_GRADIENTS = torch.ops.higher_order.wrap_with_set_grad_enabled
_AUTOCAST = torch.ops.higher_order.wrap_with_autocast
_LEADS = {_GRADIENTS: 1, _AUTOCAST: 4}


def without_contexts(module: fx.GraphModule) -> None:
    """Takes the contexts out of a graph, in place; their operators stay.

    Whether gradients are kept changes no value, nor does autocast that is disabled or for a device on
    which nothing runs. Refusal, with the line, for autocast that is enabled: it computes in half precision.
    """
    for node in list(module.graph.nodes):
        if node.target in _LEADS:
            _lay_out(module, node)
        elif node.target is torch._C._set_grad_enabled:  # make_fx's: marks between the operators
            module.graph.erase_node(node)
        elif node.target is _enter_autocast:
            (leaves,) = node.users
            nodes = list(module.graph.nodes)
            _check_autocast(node, nodes[nodes.index(node) + 1 : nodes.index(leaves)])
            module.graph.erase_node(leaves)
            module.graph.erase_node(node)


def _lay_out(module: fx.GraphModule, node: fx.Node) -> None:
    lead = _LEADS[node.target]
    place, operands = node.args[lead], node.args[lead + 1 :]
    inner = getattr(module, place.target)
    without_contexts(inner)
    if node.target is _AUTOCAST:
        _check_autocast(node, [n for n in inner.graph.nodes if n.op == "call_function"])
    given = [n for n in inner.graph.nodes if n.op == "placeholder"]
    with module.graph.inserting_before(node):
        results: Any = module.graph.graph_copy(inner.graph, dict(zip(given, operands, strict=True)))
    for picked in list(node.users):  # getitem: a context gives a tuple
        picked.replace_all_uses_with(results[picked.args[1]])
        module.graph.erase_node(picked)
    module.graph.erase_node(node)
    if not place.users:
        module.graph.erase_node(place)


def _check_autocast(node: fx.Node, inside: Sequence[fx.Node]) -> None:
    device, dtype, enabled = node.args[:3]
    computed = [n for n in inside if isinstance(n.meta.get("val"), torch.Tensor)]
    if not enabled or all(n.meta["val"].device.type != device for n in computed):
        return
    kind = str(dtype or torch.get_autocast_dtype(device)).removeprefix("torch.")
    raise Refusal(
        f"it computes in {kind} under torch.autocast, and integers stand for float32: take autocast out of "
        "its forward, or give it enabled=False",
        line_of(computed[0]),
        final=True,
    )
