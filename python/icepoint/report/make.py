"""make_report: measures every layer and what it does to the outputs, and draws the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..capture import Captured
from ..plans import Plan
from ..recipe import Recipe
from .effects import effects
from .measure import measured
from .normalization import find_mismatch
from .report import Report
from .rows import macs_of, rows_of
from .sketches import sketches_of, thumbnails
from .verdict import COST, PROBLEM
from .verdicts import verdicts_of


def make_report(
    plan: Plan,
    sample: Sequence[torch.Tensor],
    recipe: Recipe | None = None,
    own_data: bool = False,
    original: Captured | None = None,
) -> Report:
    """Runs the float steps and the integers side by side on `sample` and says where they part, and why.

    `recipe` is the input recipe, where there is one. `own_data`: the sample was given to report, and is not
    of the calibration images. `original`: the graph before methods changed it, for these inputs' size.
    """
    original = original or plan.captured
    layers, outputs = measured(plan, sample)
    found = effects(plan, sample, layers, [macs_of(sums) for sums in layers])
    rows = rows_of(layers, found, original)
    mismatch = find_mismatch(original, layers, sample, recipe)
    verdicts = verdicts_of(rows, layers, mismatch, own_data, outputs.is_near)
    if outputs.is_near and not any(verdict.severity == PROBLEM for verdict in verdicts):
        verdicts = [replace(verdict, remedy="", tries={}) if verdict.severity == COST else verdict
                    for verdict in verdicts]  # fmt: skip
    blamed = [verdict.layer for verdict in verdicts if verdict.severity == PROBLEM]
    sketches = sketches_of(rows, layers, blamed)
    wanted = [i for sketch in sketches for i, _ in sketch.images]
    return Report(
        rows, list(plan.captured.missing), len(sample[0]), outputs, verdicts,
        data="given images" if own_data else "calibration images",
        sketches=sketches, thumbnails=thumbnails(sample, wanted, recipe),
    )  # fmt: skip
