"""Which names of a traced graph mean which value, while operators write in place."""

from __future__ import annotations

from torch import fx

from .places import arguments_of, short_name


class Names:
    """Values by node. Nodes that may share memory are in one set; a write names all of them anew."""

    def __init__(self) -> None:
        self.values: dict[fx.Node, int] = {}
        self.stale: set[fx.Node] = set()  # views of what was written since
        self._aliases: dict[fx.Node, set[fx.Node]] = {}  # one set for all nodes that may share memory

    def name(self, node: fx.Node, value: int) -> None:
        self.values[node] = value
        self._aliases.setdefault(node, {node})

    def bind(self, node: fx.Node, value: int) -> None:
        """Names a result, and names again whatever shares memory with what the operator wrote."""
        shared, written = memory(node)
        for target in written:
            for other in self._aliases.get(target, set()) - {target}:
                if self.values.get(other) == self.values.get(target):
                    self.values[other] = value
                else:
                    self.stale.add(other)
            self.values[target] = value
        self.name(node, value)
        for source in shared:
            joined = self._aliases[node] | self._aliases.get(source, {source})
            for member in joined:
                self._aliases[member] = joined


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
