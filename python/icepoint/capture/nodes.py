"""Nodes of an exported graph: results of which one is picked, memory that is shared or written."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from .builders import SEVERAL
from .places import arguments_of, short_name


def is_several(node: fx.Node) -> bool:
    """Whether an operator gives several tensors of which each has a builder."""
    return short_name(node) in SEVERAL and isinstance(node.meta.get("val"), (tuple, list))


def picked(node: fx.Node) -> fx.Node | None:
    """The operator with several results of which `node` picks one; None for any other node."""
    return node.args[0] if node.target is operator.getitem and is_several(node.args[0]) else None


def out_of_place(target: Any) -> Any:
    """silu of silu_: a value that others read is not written."""
    name = target._schema.name.split("::")[1]
    packet = getattr(torch.ops.aten, name.rstrip("_"), None) if name.endswith("_") else None
    return getattr(packet, target._overloadname, target) if packet is not None else target


def memory(node: fx.Node) -> tuple[list[fx.Node], list[fx.Node]]:
    """The inputs whose memory the result may share, and those that the operator writes."""
    if not hasattr(node.target, "_schema"):
        return list(node.all_input_nodes), []
    if short_name(node) in ("dropout", "feature_dropout"):
        return list(node.all_input_nodes), []  # in eval mode the input itself, which the schema does not tell
    shared, written = [], []
    for _, value, info in arguments_of(node):
        if info is not None:
            fx.node.map_arg(value, shared.append)
            if info.is_write:
                fx.node.map_arg(value, written.append)
    return shared, written
