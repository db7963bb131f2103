"""What an exported operator is called with, and where it stands in the user's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import fx

from .reads import is_user_s, shown


def short_name(node: fx.Node) -> str:
    """'relu' of aten.relu_.default: in place or not is no difference between values."""
    if node.op != "call_function" or not hasattr(node.target, "_schema"):
        return str(getattr(node.target, "__name__", node.target))
    namespace, name = node.target._schema.name.split("::")
    return name.rstrip("_") if namespace == "aten" else f"{namespace}.{name}"


def arguments_of(node: fx.Node) -> Iterator[tuple[str, Any, Any]]:
    """Every argument: its name in the schema, the value by place, keyword or default, and its alias_info."""
    for i, argument in enumerate(node.target._schema.arguments):
        keyword = node.kwargs.get(argument.name, argument.default_value)
        yield argument.name, node.args[i] if i < len(node.args) else keyword, argument.alias_info


def path_of(node: fx.Node) -> str:
    """The module whose forward called the operator: "layer1.0", "" for the model itself."""
    return _innermost(node)[0]


def name_of(node: fx.Node) -> str:
    """A layer's own path, "layer1.0.conv1"; "layer1.0.add" for an operator in a user's forward."""
    path, kind = _innermost(node)
    layer = kind.startswith("torch.nn.modules.") and not kind.startswith("torch.nn.modules.container.")
    return path if layer and path else ".".join(filter(None, (path, short_name(node))))


def _innermost(node: fx.Node) -> tuple[str, str]:
    stack: Any = node.meta.get("nn_module_stack") or {}
    path, kind = list(stack.values())[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    path = path.partition("@")[0]
    return path.removeprefix("model").removeprefix("."), kind  # roads.py wraps the model under this name


def line_of(node: fx.Node) -> str:
    """The innermost line of the stack trace that is the user's, or else torch's: 'net.py:12: `x = f(x)`'."""
    lines = (node.meta.get("stack_trace") or "").splitlines()
    places: Sequence[int] = [i for i, line in enumerate(lines) if line.strip().startswith("File ")]
    own = [i for i in places if is_user_s(lines[i].split(chr(34))[1])]
    own = own or [i for i in places if __package__.replace(".", "/") not in lines[i]]
    if not own:
        return "an unknown line"
    file, number = lines[own[-1]].split(", ")[:2]
    code = lines[own[-1] + 1].strip() if own[-1] + 1 < len(lines) else ""
    return f"{shown(file.split(chr(34))[1])}:{number.removeprefix('line ')}" + (f": `{code}`" if code else "")
