"""Verdicts: what is wrong with a layer, from its numbers, in words, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .causes import ends_of, own_range
from .channels import OUTLIER, named
from .costs import cost_of, network_cost
from .normalization import Mismatch
from .outputs import decibels, percent
from .rows import Row
from .sums import LayerSums
from .verdict import NOTE, PROBLEM, Verdict

_OF_RANGES = {"unnormalized_data", "clipped_range", "wide_range"}
_MATTERS = 0.10  # part of the outputs' error from which a layer is worth a verdict
_MOST_COSTS = 3
_CLIP_TIMES, _CLIP_DB = (
    4.0,
    30.0,
)  # a range is too narrow where clipping costs so many times rounding, and much
_WIDE = 16.0  # images that leave four of eight bits unused are not what calibration saw
_SCALE_DB = 20.0  # rounding below this, in the median channel, at 8 bits: some four bits are left
_ACTIVATION_OUTLIER = 20.0  # channels of activations differ more by nature than weights


def verdicts_of(
    rows: Sequence[Row], layers: Sequence[LayerSums], mismatch: Mismatch | None, own_data: bool, near: bool
) -> list[Verdict]:
    """Problems first, then the layers that cost most, then notes.

    `own_data`: given, not calibration's. `near`: the outputs need no remedy.
    """
    problems: list[Verdict] = []
    if mismatch is not None:
        problems.append(_of_data(mismatch))
    for row, sums in zip(rows, layers, strict=True):
        problems += _problems(row, sums, own_data)
    blamed = {v.layer for v in problems}
    heavy = sorted((r for r in rows if r.output_share), key=lambda r: -(r.output_share or 0.0))
    costs = [cost_of(r) for r in heavy[:_MOST_COSTS] if r.output_share >= _MATTERS and r.layer not in blamed]
    if any(v.cause in _OF_RANGES for v in problems):
        costs = []  # with ranges of other data the layers' own errors tell nothing
    if not near and not problems:
        whole = network_cost(rows)
        costs = ([whole] if whole else []) + (costs or [cost_of(row) for row in heavy[:_MOST_COSTS]])
    notes = [v for row in rows for v in _dead(row)]
    rank = {row.layer: -(row.output_share or 0.0) for row in rows}
    problems.sort(key=lambda v: (v.cause != "unnormalized_data", rank.get(v.layer, 0.0)))
    return [*problems, *costs, *notes]


def _of_data(mismatch: Mismatch) -> Verdict:
    return Verdict(
        mismatch.layer, "unnormalized_data", PROBLEM,
        f"the data are not prepared as in training: {mismatch.says}",
        "Normalize them as the training did, (pixel / 255 - mean) / std, or give pixels with input_recipe=",
    )  # fmt: skip


def _problems(row: Row, sums: LayerSums, own_data: bool) -> Iterator[Verdict]:
    for verdict in (_clipped(row, sums, own_data), _wide(row, sums) if own_data else None):
        if verdict is not None:
            yield verdict
    channels = row.channels
    if channels is None:
        return
    w = channels.weights
    # One scale for all channels: the small ones are left with few codes.
    if w and row.weights == "per_tensor_affine" and w.ratio >= OUTLIER and _below(w.median_db):
        yield Verdict(
            row.layer, "weight_outliers", PROBLEM,
            f"weights of {named(w.channels)} reach {w.ratio:.0f} times as far as the median "
            f"channel's, and one scale serves all {channels.count}: half of the channels keep "
            f"{decibels(w.median_db)} or less",
            'Give each channel a scale of its own, weights="per_channel"',
            {'weights="per_channel"': {"weights": "per_channel"}},
        )  # fmt: skip
    a = channels.activations
    if a and a.ratio >= _ACTIVATION_OUTLIER and _below(a.median_db):
        yield Verdict(
            row.layer, "activation_outliers", PROBLEM,
            f"results of {named(a.channels)} reach {a.ratio:.0f} times as far as the median "
            f"channel's, and one scale serves all {channels.count}: half of the channels keep "
            f"{decibels(a.median_db)} or less",
            'Let equalization move the range into the weights, recipe="accurate" or "max"',
            {'recipe="accurate"': {"recipe": "accurate"}, 'recipe="max"': {"recipe": "max"}},
        )  # fmt: skip


def _below(median_db: float | None) -> bool:
    return median_db is not None and median_db < _SCALE_DB


def _clipped(row: Row, sums: LayerSums, own_data: bool) -> Verdict | None:
    clipping = row.causes.get("activation_clipping")
    if clipping is None or clipping.sqnr_db is None or clipping.sqnr_db > _CLIP_DB:
        return None
    rest = sum(row.causes[c].share for c in ("weight_rounding", "activation_rounding") if c in row.causes)
    if clipping.share < _CLIP_TIMES * rest:
        return None
    low, high = ends_of(sums.stage.layer.q_result)
    least, greatest = sums.reached
    where = "these images" if own_data else "the calibration images themselves"
    tries: dict[str, dict[str, Any]] = {'observer="min_max"': {"observer": "min_max"}}
    if own_data:
        tries = {"calibrate on these images too": {"calibrate": True}} | tries
    return Verdict(
        row.layer, "clipped_range", PROBLEM,
        f"its codes reach from {low:.3g} to {high:.3g}, but on {where} the results reach from {least:.3g} to "
        f"{greatest:.3g}: {percent(row.saturated)} of them are clipped, which alone leaves "
        f"{decibels(clipping.sqnr_db)}",
        "Calibrate on data that cover what the network will see, q.calibrate(more_data)",
        tries,
    )  # fmt: skip


_DEAD = {
    "weights": "all weights are 0",
    "gamma": "BatchNorm's gamma is 0",
    "variance": "constant in training, BatchNorm's variance is near 0",
    "never_active": "never active on these images",
}


def _wide(row: Row, sums: LayerSums) -> Verdict | None:
    """Given images that need a small part of the range that calibration found."""
    q = own_range(sums.stage)
    (low, high), (least, greatest) = (ends_of(q) if q else (0.0, 0.0)), sums.reached
    if high - low < _WIDE * max(greatest - min(least, 0.0), 1e-30):
        return None
    return Verdict(
        row.layer, "wide_range", PROBLEM,
        f"its codes reach from {low:.3g} to {high:.3g}, but on these images the results only from "
        f"{least:.3g} to {greatest:.3g}: they share {percent(row.codes_used)} of the codes",
        "Calibrate on data prepared like these images, quantize(..., calibration_data)",
    )  # fmt: skip


def _dead(row: Row) -> Iterator[Verdict]:
    if row.channels is None or not row.channels.dead:
        return
    dead = row.channels.dead
    which = "; ".join(f"{named(found)} ({_DEAD[reason]})" for reason, found in dead.items())
    yield Verdict(
        row.layer, "dead_channels", NOTE,
        f"dead: {which}, of {row.channels.count}",
        "That costs time and no accuracy: prune, or look why training lost them",
    )  # fmt: skip
