"""What a network computes last, behind its integers: softmax, argmax ... of codes or accumulators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

OutputFunction = Mapping[str, Any]


def output_recipe(functions: Sequence[OutputFunction | None] | None, outputs: int) -> str:
    """The file's JSON, "" where no output has a function: files of models without one stay as they were.

    Each function is None, {"function": "softmax" | "log_softmax", "axis": k}, {"function": "sigmoid"} or
    {"function": "argmax", "axis": k, "keepdim": False}; axes count without the batch. With "accumulators":
    True, alone or beside these, the output's reals are those of its layer's accumulators. The file's writer
    checks members and axes. ValueError for anything but one of these for each output.

    >>> output_recipe([{"function": "softmax", "axis": 0}, None], 2)
    '[{"function": "softmax", "axis": 0}, {}]'
    """
    if functions is None:
        return ""
    found = list(functions)
    if len(found) != outputs:
        raise ValueError(f"output_functions: expected one for each of {outputs} outputs, found {found!r}")
    try:
        listed = json.dumps([{} if f is None else dict(f) for f in found])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"output_functions: expected None or {{'function': 'softmax', 'axis': 0}}, found {found!r}"
        ) from error
    return listed if any(found) else ""
