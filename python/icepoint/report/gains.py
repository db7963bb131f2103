"""Measures remedies: the model quantized anew with other options, compared with float on the same images."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ..accuracy.judge import float_outputs, integer_outputs
from ..progress import progress_bar
from .outputs import Outputs
from .verdict import Gain, Verdict

if TYPE_CHECKING:
    from ..quantized import QuantizedModel

SECONDS = 10.0  # for all remedies together, unless the caller has more patience

#: What making a model takes, by its recipe, in units of what the report's own measuring takes an image.
_COST = {"fast": 0.2, "accurate": 1.2, "max": 30.0}


class Remedies:
    """Tries changes of a model's options on `sample`, as long as there is time.

    `measuring_seconds`: what the report took on the sample, which tells how long a change will.
    """

    def __init__(
        self,
        q: QuantizedModel,
        sample: Sequence[torch.Tensor],
        before: Outputs,
        measuring_seconds: float,
        seconds: float = SECONDS,
    ):
        self._q, self._sample, self._before, self._left = q, sample, before, seconds
        held = len(q._evidence.images[0]) if q._evidence else 0
        self._unit = measuring_seconds * held / len(sample[0])
        #: Names of what there was no time for.
        self.late: list[str] = []

    def measure(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts with what their remedies gain; each change is tried once, in the verdicts' order."""
        wanted: dict[str, dict[str, Any]] = {}
        for verdict in verdicts:
            wanted |= {n: c for n, c in verdict.tries.items() if n not in wanted and self._is_change(c)}
        if self._q._evidence is None or not wanted:  # a copy from a pickle
            return list(verdicts)
        plan = self._q._plans.of(self._sample)
        expected = float_outputs(plan, self._sample)
        gains: dict[str, Gain] = {}
        with progress_bar("trying remedies", len(wanted)) as advance:
            for name, change in wanted.items():
                start = time.monotonic()
                if self._cost(change) > self._left:
                    self.late.append(name)
                elif (changed := self._changed(change)) is not None:
                    gains[name] = self._gain(name, expected, changed)
                self._left -= time.monotonic() - start
                advance(1, name)
        return [_measured(verdict, gains) for verdict in verdicts]

    def _is_change(self, change: dict[str, Any]) -> bool:
        """Whether the model is not made so already."""
        q = self._q
        if q._method is None or q._evidence is None or "calibrate" in change:
            return True
        now = vars(q._evidence.options) | {"recipe": q._method.name}
        return any(now[name] != value for name, value in change.items())

    def _cost(self, change: dict[str, Any]) -> float:
        name = change.get("recipe") or (self._q._method.name if self._q._method else "fast")
        return self._unit * _COST.get(name, _COST["accurate"])

    def _changed(self, change: dict[str, Any]) -> QuantizedModel | None:
        """The model with the change; None where quantize refuses it for this network."""
        try:
            if "calibrate" not in change:
                return self._q.again(**self._whole(change))
            wider = copy.deepcopy(self._q)
            wider.calibrate([tuple(self._sample)])
            return wider
        except ValueError:
            return None

    def _whole(self, change: dict[str, Any]) -> dict[str, Any]:
        """The change as quantize takes it: bits of one layer beside those that the others have."""
        found = dict(change)
        for name in ("weight_bits", "activation_bits"):
            if change.get(name) is None:
                continue
            given = getattr(self._q._evidence.options, name)
            others = given if isinstance(given, Mapping) else {} if given is None else {"*": given}
            found[name] = {**others, **change[name]}
        return found

    def _gain(self, name: str, expected: list[torch.Tensor], changed: QuantizedModel) -> Gain:
        after, before = Outputs(), self._before
        after.add(expected, integer_outputs(changed._plans.of(self._sample), self._sample))
        return Gain(name, before.sqnr_db, after.sqnr_db, before.changed, after.changed, after.answers)


def _measured(verdict: Verdict, gains: dict[str, Gain]) -> Verdict:
    mine = [gains[name] for name in verdict.tries if name in gains]
    return replace(verdict, gains=tuple(sorted(mine, key=lambda gain: -gain.db)))
