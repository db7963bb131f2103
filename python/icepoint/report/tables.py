"""The report's table: its columns, and a row of texts for each layer."""

from __future__ import annotations

from collections.abc import Sequence

from .outputs import percent
from .rows import Row

TITLES = ("layer", "computes", "integer", "bits", "weights", "output", "MACs", "SQNR dB", "alone dB",
          "of all error", "mostly by")  # fmt: skip
RIGHT = (3, 6, 7, 8, 9)  # columns of numbers


_SHORT = {
    "weight_clipping": "weights clipped",
    "weight_rounding": "weights rounded",
    "bias_rounding": "bias rounded",
    "activation_clipping": "results clipped",
    "activation_rounding": "results rounded",
}


def cells_of(rows: Sequence[Row]) -> list[list[str]]:
    """The texts under TITLES."""
    cells = []
    for r in rows:
        weights = f"{r.weight_bits} bits, {r.weights}" if r.weights else ""
        own = _SHORT[r.main_cause] if r.main_cause else ""
        cells.append([r.layer, r.computes, "yes" if r.integer else "NO", str(r.bits or ""), weights,
                      " × ".join(map(str, r.shape)), f"{r.macs:,}" if r.macs else "",
                      _db(r.sqnr_db), _db(r.alone_db),
                      percent(r.output_share) if r.output_share else "", own])  # fmt: skip
    return cells


def _db(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f}"
