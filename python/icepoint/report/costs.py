"""Verdicts on sound layers that cost the outputs most: the main cause, and what quantize could do instead."""

from __future__ import annotations

from typing import Any

from .causes import CAUSE_NAMES
from .channels import numbered
from .outputs import decibels, percent
from .rows import Row
from .verdict import COST, Verdict

Remedy = tuple[str, dict[str, dict[str, Any]]]  # in words, and changes to try by their names


def cost_of(row: Row) -> Verdict:
    """What a sound layer's error comes from, and what would lessen it."""
    cause = row.main_cause or "activation_rounding"  # none: with exact inputs alone it makes an error
    own = row.causes[cause].sqnr_db if cause in row.causes else row.alone_db
    says = (
        f"makes {percent(row.output_share)} of the outputs' error; it comes most from "
        f"{CAUSE_NAMES[cause]} ({decibels(own)})"
    )
    if row.channels and row.channels.loudest and cause in ("weight_rounding", "activation_rounding"):
        loud = row.channels.loudest
        says += f", {percent(loud.share)} of its own error in channel {numbered(loud.channels)} of "
        says += f"{row.channels.count}"
    remedy, tries = _REMEDIES[cause](row)
    return Verdict(row.layer, cause, COST, says, remedy, tries)


def _weight_rounding(row: Row) -> Remedy:
    tries: dict[str, dict[str, Any]] = {}
    remedy = 'Choose the rounding with data, recipe="max"'
    if row.weight_bits is not None and row.weight_bits < 8:
        bits = {row.layer: 8}
        tries[f"8 bits for the weights of {row.layer}"] = {"weight_bits": bits}
        remedy = f'Give its weights more bits, weight_bits={bits}, or recipe="max"'
    if row.weights == "per_tensor_affine":
        tries['weights="per_channel"'] = {"weights": "per_channel"}
        remedy = 'Give each channel a scale of its own, weights="per_channel"'
    return remedy, tries | {'recipe="accurate"': {"recipe": "accurate"}, 'recipe="max"': {"recipe": "max"}}


def _activation_rounding(row: Row) -> Remedy:
    if row.bits is not None and row.bits < 8:
        bits = {row.layer: 8}
        return f"Give its results more bits, activation_bits={bits}", {
            f"8 bits for the results of {row.layer}": {"activation_bits": bits}
        }
    return 'Narrow its range by another observer, observer="mse"', {
        'observer="mse"': {"observer": "mse"},
        'observer="percentile"': {"observer": "percentile"},
    }


def _weight_clipping(row: Row) -> Remedy:
    return 'Leave the weights\' ranges whole, recipe="fast"', {'recipe="fast"': {"recipe": "fast"}}


def _activation_clipping(row: Row) -> Remedy:
    return 'Widen its range, observer="min_max", or calibrate on more data', {
        'observer="min_max"': {"observer": "min_max"}
    }


def _bias_rounding(row: Row) -> Remedy:
    return "Look at its weights: a bias this coarse comes from a very large weight or input scale", {}


_REMEDIES = {
    "weight_rounding": _weight_rounding,
    "weight_clipping": _weight_clipping,
    "bias_rounding": _bias_rounding,
    "activation_clipping": _activation_clipping,
    "activation_rounding": _activation_rounding,
}
