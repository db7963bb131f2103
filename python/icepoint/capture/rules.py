"""What torch.export found out about the sizes on its way, with the lines of the user that asked."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
import torch

from .reads import is_user_s
from .refusals import place
from .sizes import Rule, known


def rules_of(values: Sequence[torch.Tensor], symbols: Mapping[Any, Any]) -> list[Rule]:
    """The relations of `symbols` that the user's code, or torch.nn in its name, decided by.

    `values` are the fake inputs. What torch's own kernels ask, such as whether a tensor of size 1 counts
    as contiguous, decides nothing about the network.
    """
    sizes = [s for x in values for s in x.shape if isinstance(s, torch.SymInt)]
    environments = {id(s.node.shape_env): s.node.shape_env for s in sizes}
    found: list[Rule] = []
    for environment in environments.values():
        for guard in environment.guards:
            frame = guard.sloc.framework_loc
            if not isinstance(frame, traceback.FrameSummary) or not known(guard.expr, symbols):
                continue
            if is_user_s(frame.filename) or "/torch/nn/" in frame.filename:
                found.append(Rule(guard.expr, place(frame)))
            elif isinstance(guard.expr, sympy.Eq) and any(side.is_number for side in guard.expr.args):
                found.append(Rule(guard.expr, guard.sloc.maybe_user_loc or place(frame)))
    return found
