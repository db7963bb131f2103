"""What a search has measured, in a JSON file: a search that goes on asks there before it measures."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from .. import _C

_VERSION = 1


class State:
    """Facts by name. A search decides by facts alone, so one that was interrupted ends as if it had not been.

    `identity` says what the facts are about, {what: digest or words}; ValueError for a file about something
    else, or of no search. Without a path the facts live as long as this object.
    """

    def __init__(self, path: str | os.PathLike[str] | None, identity: Mapping[str, str]):
        self._path = None if path is None else Path(path)
        self._identity = dict(identity)
        self._facts: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            self._facts = self._read(self._path)
        #: How many facts were there before.
        self.known = len(self._facts)

    def recall(self, name: str, make: Callable[[], Any]) -> Any:
        """The fact of this name; `make` measures it, a value for JSON, where nobody has."""
        if name not in self._facts:
            self._facts[name] = make()
            self._save()
        return self._facts[name]

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            identity, facts = found["identity"], found["facts"]
            if found["icepoint_search"] != _VERSION or not isinstance(facts, dict):
                raise ValueError("another version")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"search.state: {path} is no state of a search; give another name") from error
        other = [what for what, told in self._identity.items() if identity.get(what) != told]
        if other:
            details = "; ".join(
                f"{what} {identity.get(what)!r}, here {self._identity[what]!r}"
                for what in other if not _is_digest(self._identity[what])
            )  # fmt: skip
            raise ValueError(
                f"search.state: {path} is of another {' and another '.join(other)}"
                f"{f' ({details})' if details else ''}; give another name, or delete it"
            )
        return facts

    def _save(self) -> None:
        if self._path is not None:
            told = {"icepoint_search": _VERSION, "identity": self._identity, "facts": self._facts}
            _C.save_atomically(os.fsdecode(self._path), (json.dumps(told) + "\n").encode())


def model_digest(model: torch.nn.Module) -> str:
    """SHA-256 of a model's structure, as its repr tells it, and of its parameters and buffers."""
    found = hashlib.sha256(repr(model).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            found.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _is_digest(told: str) -> bool:
    return len(told) == hashlib.sha256().digest_size * 2 and all(c in "0123456789abcdef" for c in told)
