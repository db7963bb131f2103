"""Results as tables: what measure() gave, as Markdown for the file, as rich for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as RichTable

_LAYERS_SHOWN = 200


@dataclass(frozen=True)
class Table:
    """Rows of text under a title, notes under them; the first `left` columns stand left, numbers right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        rule = ["---" if i < self.left else "---:" for i in range(len(self.columns))]
        lines = [self.columns, rule, *self.rows]
        cells = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"### {self.title}\n\n{cells}" + "".join(f"\n{note}\n" for note in self.notes)

    def rich(self) -> RichTable:
        table = RichTable(title=self.title, title_justify="left", box=SIMPLE_HEAD)
        table.caption, table.caption_justify = escape("\n".join(self.notes)) or None, "left"
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="left" if i < self.left else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table


def title_of(result: dict[str, Any]) -> str:
    threads = "1 thread" if result["threads"] == 1 else f"{result['threads']} threads"
    isa = f", {result['isa']} forced" if result["isa"] else ""
    return f"{result['title']}, batch {result['batch']}, {threads}{isa}"


def engine_table(result: dict[str, Any]) -> Table:
    """One configuration: a row an engine, the fastest one first; what did not run stands below."""
    ours = result["engines"].get("icepoint", {}).get("median_ms")
    rows = [
        [
            row["title"] + (" (noisy)" if row["noisy"] else ""),
            number(row["median_ms"]),
            number(row["min_ms"]),
            number(row["median_ms"] / ours) if ours else "",
            f"{row['tops']:.3f}",
            "" if row["percent_of_peak"] is None else f"{row['percent_of_peak']:.0f} %",
            f"{row['peak_memory_mb']:,.0f}",
            f"{row['network_memory_mb']:,.0f}",
            f"{row['ready_seconds']:.2f}",
            "exact" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}",
            f"{row['calls']:,}",
            f"{row['discarded']} of {row['bursts']}",
        ]
        for row in sorted(_ran(result), key=lambda row: row["median_ms"])
    ]
    for name, found in result["executable"].items():
        if "median_ms" in found:
            title = f"{result['engines'][name]['title']}, executable (not counted)"
            times = number(found["median_ms"]), number(found["min_ms"])
            rows.append([title, *times, number(found["median_ms"] / ours) if ours else "", *[""] * 8])
    columns = "engine", "median ms", "min ms", "x icepoint", "TOPS", "of peak"
    columns += "peak MB", "own MB", "ready s", "SQNR dB", "calls", "discarded"
    failed = (row for row in result["engines"].values() if "failed" in row)
    notes = [f"{row['title']} did not run: {row['failed']}" for row in failed]
    return Table(title_of(result), columns, rows, notes=[*notes, *result["warnings"]])


def ratio_table(results: Sequence[dict[str, Any]]) -> Table:
    """All configurations: icepoint's times, and how many times faster it is than the best of the peers."""
    rows = []
    for result in results:
        for name, ratios in result["ratios"].items():
            ours, peer = result["engines"][name], result["engines"].get(ratios["best_peer"])
            if "median_ms" not in ours:
                rows.append([title_of(result), ours["title"], "did not run", *[""] * 6])
                continue
            rows.append(
                [
                    title_of(result),
                    ours["title"],
                    number(ours["median_ms"]),
                    number(ours["min_ms"]),
                    peer["title"] if peer else "none",
                    *(_times(ratios[f"to_best_peer_{key}"]) for key in ("median", "min")),
                    _times(ratios["to_torch_fp32_median"]),
                    "" if ours["percent_of_peak"] is None else f"{ours['percent_of_peak']:.0f} %",
                ]
            )
    columns = "network", "engine", "median ms", "min ms", "best peer", "ratio", "ratio of minima"
    return Table("icepoint against the best of all peers", (*columns, "to torch fp32", "of peak"), rows, 2)


def layer_table(result: dict[str, Any], name: str) -> Table:
    """Where icepoint's time goes: a row a layer that took any."""
    layers = result["layers"][name]
    total = sum(layer["us"] for layer in layers) or 1.0
    rows = []
    for layer in layers[:_LAYERS_SHOWN]:
        if not layer["us"]:
            continue
        rate = 2 * layer["macs"] / layer["us"] * 1e-6
        rows.append(
            [
                layer["layer"],
                layer["op"],
                " x ".join(map(str, layer["shape"])),
                f"{layer['us']:.1f}",
                f"{100 * layer['us'] / total:.1f} %",
                f"{rate:.3f}" if rate else "",
                f"{100 * rate / result['peak_tops']:.0f} %" if rate and result["peak_tops"] else "",
            ]
        )
    columns = "layer", "operator", "output", "us", "share", "TOPS", "of peak"
    title = f"{title_of(result)}: layers of {result['engines'][name]['title']}"
    return Table(title, columns, rows, 3)


def calibration_table(results: Sequence[dict[str, Any]]) -> Table:
    """What the CPU could do before and after each configuration."""
    rows = []
    for result in results:
        for when, found in result["calibration"].items():
            rates = ", ".join(f"{isa} {rate:.2f}" for isa, rate in found["int8_tops"].items())
            memory = f"{found['read_gbs']:.0f}"
            rows.append([title_of(result), when, rates, f"{found['clock_ghz']:.2f}", memory])
    columns = "network", "when", "int8 TOPS", "clock GHz", "memory read GB/s"
    return Table("Calibration", columns, rows, 3)


def number(value: float) -> str:
    """Four significant digits, without an exponent from 0.0001 on: '0.01962', '27.44', '1,204'."""
    return f"{value:,.0f}" if value >= 999.95 else f"{value:#.4g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _ran(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in result["engines"].values() if "median_ms" in row]
