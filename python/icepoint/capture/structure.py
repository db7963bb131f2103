"""The nesting of what a model takes and returns: tuples, lists, dicts, dataclasses around tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch


@dataclasses.dataclass(frozen=True)
class Structure:
    """A nesting without its tensors: `kind` is the container's class, None for a leaf.

    `keys` are those of a dict or the fields of a dataclass or namedtuple. A leaf that is no tensor (None,
    a number, a string) keeps its `value` and has `constant` set.
    """

    kind: type | None = None
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    constant: bool = False
    value: Any = None

    @classmethod
    def of(cls, tree: Any) -> Structure:
        """The nesting of `tree`. ValueError for a container that is none of the known ones."""
        if isinstance(tree, torch.Tensor):
            return cls()
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return cls(constant=True, value=tree)
        keys, parts = _opened(tree)
        return cls(type(tree), keys, tuple(cls.of(part) for part in parts))

    def leaves(self, tree: Any) -> list[Any]:
        """The tensors of a `tree` of this nesting, in its order; ValueError where it is another one.

        Lists and tuples stand for each other, and keys of dicts may come in any order.
        """
        return list(self._leaves(tree, ""))

    def _leaves(self, tree: Any, path: str) -> Iterator[Any]:
        where = f" at {path}" if path else ""
        if self.kind is None:
            if not self.constant and not isinstance(tree, torch.Tensor):
                raise ValueError(f"expected a tensor{where}, found {type(tree).__name__}")
            if self.constant and tree != self.value:
                raise ValueError(f"expected {self.value!r}{where} as in the example, found {tree!r}")
            if not self.constant:
                yield tree
            return
        try:
            keys, parts = _opened(tree)
        except ValueError:
            raise ValueError(f"expected {self._words()}{where}, found {_described(tree)}") from None
        named = dict(zip(keys, parts, strict=True)) if set(keys) == set(self.keys) else None
        if named is None or len(parts) != len(self.children):
            raise ValueError(f"expected {self._words()}{where}, found {_described(tree)}")
        for key, child in zip(self.keys, self.children, strict=True):
            yield from child._leaves(named[key], f"{path}[{key!r}]")

    def rebuild(self, leaves: Sequence[Any]) -> Any:
        """The nesting with `leaves` in the places of its tensors."""
        return self._rebuild(iter(leaves))

    def _rebuild(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            return self.value if self.constant else next(leaves)
        return _closed(self.kind, self.keys, [child._rebuild(leaves) for child in self.children])

    def count(self) -> int:
        """The number of tensors."""
        return sum(c.count() for c in self.children) if self.kind else int(not self.constant)

    def names(self, prefix: str = "") -> list[str]:
        """A name for each tensor, of its keys: `x`, `features_0`."""
        if self.kind is None:
            return [] if self.constant else [prefix]
        found = [
            c.names(f"{prefix}_{k}" if prefix else str(k))
            for k, c in zip(self.keys, self.children, strict=True)
        ]
        return [name for names in found for name in names]

    def _words(self) -> str:
        if (
            self.kind is not None
            and issubclass(self.kind, (tuple, list))
            and not hasattr(self.kind, "_fields")
        ):
            return f"{len(self.children)} values"
        return f"the keys {', '.join(map(repr, self.keys))}"


def _opened(tree: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Keys and parts of a container."""
    if isinstance(tree, Mapping):
        return tuple(tree), list(tree.values())
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        keys = tuple(f.name for f in dataclasses.fields(tree) if f.init)
        return keys, [getattr(tree, key) for key in keys]
    if isinstance(tree, (tuple, list)):
        return getattr(tree, "_fields", tuple(range(len(tree)))), list(tree)
    raise ValueError(
        f"found a {type(tree).__name__}; expected tensors in tuples, lists, dicts or dataclasses"
    )


def _closed(kind: type, keys: Sequence[Any], parts: list[Any]) -> Any:
    make: Callable[..., Any] = kind
    if issubclass(kind, Mapping):
        return make(zip(keys, parts, strict=True))
    if dataclasses.is_dataclass(kind):
        return make(**dict(zip(keys, parts, strict=True)))
    return make(*parts) if hasattr(kind, "_fields") else make(parts)


def _described(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f"the keys {', '.join(map(repr, tree))}"
    return f"{len(tree)} values" if isinstance(tree, (tuple, list)) else type(tree).__name__
