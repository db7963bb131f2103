"""The report of a quantized model: on its own calibration images or on given data, remedies measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ..calibration_data import Batches
from ..distributed import alone
from .gains import SECONDS, Remedies
from .make import make_report
from .report import Report

if TYPE_CHECKING:
    from ..quantized import QuantizedModel

MOST_IMAGES = 128  # of given data


@torch.autocast("cpu", enabled=False)  # float is float32, as for the integers
def report_of(q: QuantizedModel, data: Any = None, remedies: bool | float = True) -> Report:
    """What q.report(data, remedies) prints."""
    with alone():  # a report is of one process, whatever the others do
        return _report_of(q, data, remedies)


def _report_of(q: QuantizedModel, data: Any, remedies: bool | float) -> Report:
    sample = q._sample if data is None else _sample_of(q, data)
    start = time.monotonic()
    plan = q._plans.of(sample)
    original = q._evidence.original if q._evidence and plan is q._plans.first else None
    report = make_report(plan, sample, q.recipe, data is not None, original)
    report = replace(report, trials=[str(trial) for trial in q.trials])
    seconds = SECONDS if remedies is True else float(remedies)
    if seconds <= 0 or (report.outputs.is_near and not report.problems):
        return report
    tried = Remedies(q, sample, report.outputs, time.monotonic() - start, seconds)
    return replace(report, verdicts=tried.measure(report.verdicts), untried=tried.late)


def _sample_of(q: QuantizedModel, data: Any) -> tuple[torch.Tensor, ...]:
    """The first images of `data`, of one size."""
    found: list[Sequence[torch.Tensor]] = []
    for batch in Batches(data, q._examples, q.recipe, q._captured.inputs, q._plans.of, who="report.data"):
        if found and [x.shape[1:] for x in batch] != [x.shape[1:] for x in found[0]]:
            break
        found.append(batch)
        if sum(len(x[0]) for x in found) >= MOST_IMAGES:
            break
    if not found:
        raise ValueError("report.data: held no batch; expected at least one")
    return tuple(torch.cat(parts)[:MOST_IMAGES] for parts in zip(*found, strict=True))
