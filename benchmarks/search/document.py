"""The searches as a table: what was found, beside 8 bits and the cheapest same bits everywhere."""

from __future__ import annotations

from typing import Any

from icepoint.search_bits.result import told_bits

from ..tables import Table

_COLUMNS = (
    "network", "least", "may lose", "loses", "bits of weights", "of results", "bytes", "of 8 bits",
    "same bits everywhere", "ms", "of 8 bits", "loses on unseen", "models", "minutes",
)  # fmt: skip


def table(rows: list[dict[str, Any]]) -> Table:
    """A line for each search."""
    return Table("Bits that icepoint.search finds", _COLUMNS, [_cells(row) for row in rows], left=2)


def _cells(row: dict[str, Any]) -> list[str]:
    most = next(p for p in row["front"] if p["found"] == "most bits")
    same = row["uniform"]
    weights = list(row["weight_bits"].values())
    minutes = f"{sum(p['seconds'] for p in row['front']) / 60:.1f}"
    mean = sum(weights) / len(weights)
    return [
        row["title"], row["cost"].replace("_", " "), f"{round(row['max_drop'] * row['images'])}",
        f"{round(row['drop'] * row['images'])} of {row['images']}",
        f"{told_bits(weights)} ({mean:.1f})",
        told_bits(list(row["activation_bits"].values())), f"{row['bytes']:,}",
        f"{100 * row['bytes'] / most['bytes']:.0f} %",
        "" if same is None else f"{max(same['weight_bits'].values())}: {same['bytes']:,}",
        f"{row['milliseconds']:.3f}", f"{100 * row['milliseconds'] / most['milliseconds']:.0f} %",
        "" if row["unseen"] is None else f"{round(row['unseen']['drop'] * row['unseen']['images'])} of "
        f"{row['unseen']['images']:,}",
        f"{len(row['front'])}", minutes + (", stopped" if row["stopped"] else ""),
    ]  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """The file."""
    about = "How this was measured and how to read it: docs/search.md."
    return f"# Search\n\n{about}\n\n{table(rows).markdown()}"
