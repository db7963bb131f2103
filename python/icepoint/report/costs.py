"""Verdicts on sound layers that cost the outputs most: the main cause, and what quantize could do instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .causes import CAUSE_NAMES, OWN
from .channels import named
from .outputs import decibels, percent
from .rows import Row
from .verdict import COST, Verdict

NETWORK = "the network"  # in place of a layer's name

_OF_ALL = {
    "weight_clipping": "clipping of weights",
    "weight_rounding": "rounding of weights",
    "bias_rounding": "rounding of biases",
    "activation_clipping": "clipping of results",
    "activation_rounding": "rounding of results",
}
_PER_CHANNEL = {'weights="per_channel"': {"weights": "per_channel"}}

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
        says += f", {percent(loud.share)} of its own error in {named(loud.channels)} of "
        says += f"{row.channels.count}"
    remedy, tries = _REMEDIES[cause](row)
    return Verdict(row.layer, cause, COST, says, remedy, tries)


def network_cost(rows: Sequence[Row]) -> Verdict | None:
    """What the outputs' error is made of, over all layers, and what quantize could do about it as a whole."""
    parts = dict.fromkeys(OWN, 0.0)
    for row in rows:
        own = {c: row.causes[c].share for c in OWN if c in row.causes}
        for cause, share in own.items():
            parts[cause] += (row.output_share or 0.0) * share / sum(own.values())
    largest = sorted((c for c in OWN if parts[c] >= 0.01), key=lambda c: -parts[c])
    if not largest:
        return None
    told = ", ".join(f"{percent(parts[c])} from {_OF_ALL[c]}" for c in largest)
    tries = {'recipe="accurate"': {"recipe": "accurate"}, 'observer="mse"': {"observer": "mse"}}
    remedy = 'Try another recipe or observer, recipe="max" or observer="mse"'
    if any(row.weights == "per_tensor_affine" for row in rows):
        tries |= _PER_CHANNEL
    if any((bits or 8) < 8 for row in rows for bits in (row.bits, row.weight_bits)):
        tries |= {"8 bits for everything": {"num_bits": 8, "weight_bits": None, "activation_bits": None}}
        remedy += ", or more bits for the layers below"
    return Verdict(
        NETWORK, largest[0], COST, f"the outputs' error comes {told}", remedy,
        tries | {'recipe="max"': {"recipe": "max"}},
    )  # fmt: skip


def _weight_rounding(row: Row) -> Remedy:
    tries: dict[str, dict[str, Any]] = {}
    remedy = 'Choose the rounding with data, recipe="max"'
    if row.weight_bits is not None and row.weight_bits < 8:
        bits = {row.layer: 8}
        tries[f"8 bits for the weights of {row.layer}"] = {"weight_bits": bits}
        remedy = f'Give its weights more bits, weight_bits={bits}, or recipe="max"'
    if row.weights == "per_tensor_affine":
        tries |= _PER_CHANNEL
        remedy = 'Give each channel a scale of its own, weights="per_channel"'
    if not tries:
        tries = {'recipe="accurate"': {"recipe": "accurate"}, 'recipe="max"': {"recipe": "max"}}
    return remedy, tries


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
