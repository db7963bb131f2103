"""Functions that may end a network: computed in double behind the integers, from the file's recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch

from .. import _C
from .steps import Unsupported


@dataclass(frozen=True)
class Ending:
    """softmax, log_softmax, sigmoid or argmax of an output; `axis` counts without the batch."""

    function: str
    axis: int | None = None
    keepdim: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As the file's output recipe has it."""
        if self.function == "sigmoid":
            return {"function": "sigmoid"}
        keepdim = {"keepdim": self.keepdim} if self.function == "argmax" else {}
        return {"function": self.function, "axis": self.axis} | keepdim

    def in_float(self, y: torch.Tensor) -> torch.Tensor:
        """torch's own, with gradients: what the simulation computes."""
        if self.function == "sigmoid":
            return torch.sigmoid(y)
        dim = self.axis + 1
        if self.function == "argmax":
            return y.argmax(dim, self.keepdim)
        return y.softmax(dim) if self.function == "softmax" else y.log_softmax(dim)

    def of_reals(self, y: torch.Tensor) -> torch.Tensor:
        """Of an output's float32 reals (n, ...) by the function that frozen files run, in double: the same
        bytes. int64 of argmax. Where an end stays float, ranks that no file has are torch's."""
        if not 2 <= y.dim() <= 4:
            found = self.in_float(y.double())
            return found if self.function == "argmax" else found.float()
        dense = y.detach().to("cpu", torch.float32).contiguous().numpy()
        found = torch.from_numpy(_C.output_function(dense, json.dumps(self.to_dict()))).to(y.device)
        return found.long() if self.function == "argmax" else found


def ending_of(operator: str, arguments: dict[str, Any], rank: int) -> Ending | None:
    """What an operator is as the end of a network; None where it cannot be one, or is told otherwise.

    `arguments` by the schema's names, `rank` that of the operator's input.
    """
    if operator == "sigmoid":
        return Ending("sigmoid")
    if operator not in ("softmax", "log_softmax", "_softmax", "_log_softmax", "argmax"):
        return None
    dim = arguments.get("dim")
    if arguments.get("dtype") not in (None, torch.float32) or dim is None or dim % rank == 0:
        return None
    return Ending(operator.lstrip("_"), dim % rank - 1, bool(arguments.get("keepdim", False)))


def joined(inner: Ending, outer: Ending) -> Ending | None:
    """One function for `outer` of `inner`; None where there is none. argmax does not see what is monotone."""
    monotone = inner.function == "sigmoid" or (
        inner.function in ("softmax", "log_softmax") and inner.axis == outer.axis
    )
    return outer if outer.function == "argmax" and monotone else None


def check_inside(operator: str) -> None:
    """Unsupported for a function that only an end can be."""
    if operator in ("softmax", "log_softmax", "_softmax", "_log_softmax", "argmax"):
        raise Unsupported(f"inside a network {operator.lstrip('_')} has no integer form; at its end it has")
