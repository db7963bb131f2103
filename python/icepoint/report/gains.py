"""Measures remedies: the model quantized anew with other options, compared with float on the same images."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ..progress import progress_bar
from .measure import IMAGES_AT_ONCE, SideBySide
from .outputs import Outputs
from .verdict import Gain, Verdict

if TYPE_CHECKING:
    from ..quantized import QuantizedModel

SECONDS = 5.0  # for all remedies together, unless the caller has more patience

#: How much longer a change takes than one pass over the held images; what learns passes often.
_PASSES = {"fast": 3.0, "accurate": 15.0, "max": 150.0}


def outputs_of(q: QuantizedModel, sample: Sequence[torch.Tensor]) -> Outputs:
    """The outputs of `q` against those of its float network."""
    found = Outputs()
    plan = q._plans.of(sample)
    with torch.no_grad():
        for part in zip(*(x.split(IMAGES_AT_ONCE) for x in sample), strict=True):
            walk = SideBySide(plan, part)
            for _ in walk.visits():
                pass
            found.add(*walk.outputs())
    return found


def with_gains(
    verdicts: Sequence[Verdict],
    q: QuantizedModel,
    sample: Sequence[torch.Tensor],
    before: Outputs,
    pass_seconds: float,
    seconds: float = SECONDS,
) -> tuple[list[Verdict], list[str]]:
    """The verdicts with what their remedies gain, and the names of those that there was no time for.

    Each change is tried once, in the verdicts' order, as long as `seconds` are left for what it will take,
    by `pass_seconds`, which one pass over the sample took.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for verdict in verdicts:
        wanted |= {name: change for name, change in verdict.tries.items() if name not in wanted}
    gains: dict[str, Gain] = {}
    late: list[str] = []
    start = time.monotonic()
    with progress_bar("trying remedies", len(wanted)) as advance:
        for name, change in wanted.items():
            passes = _PASSES[str(change.get("recipe", "accurate"))]
            if time.monotonic() - start + passes * pass_seconds > seconds:
                late.append(name)
            elif (changed := _changed(q, change, sample)) is not None:
                after = outputs_of(changed, sample)
                gains[name] = Gain(
                    name, before.sqnr_db, after.sqnr_db, before.changed, after.changed, after.answers
                )
            advance(1, name)
    return [_measured(verdict, gains) for verdict in verdicts], late


def _changed(
    q: QuantizedModel, change: dict[str, Any], sample: Sequence[torch.Tensor]
) -> QuantizedModel | None:
    """The model with the change; None where it cannot have it, such as a file of fewer bits."""
    try:
        if "calibrate" in change:
            wider = copy.deepcopy(q)
            wider.calibrate([tuple(sample) if len(sample) > 1 else sample[0]])
            return wider
        return q.again(**change)
    except ValueError:
        return None


def _measured(verdict: Verdict, gains: dict[str, Gain]) -> Verdict:
    mine = [gains[name] for name in verdict.tries if name in gains]
    return replace(verdict, gains=tuple(sorted(mine, key=lambda gain: -gain.db)))
