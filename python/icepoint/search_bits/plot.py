"""The front as a picture: accuracy against size and against time, for every model that was evaluated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluate import Point
    from .result import SearchResult

# Told apart by people who see no red or green too (Okabe and Ito).
_TRIED, _UNIFORM, _FOUND, _BUDGET, _INK = "#9aa7b5", "#0072b2", "#d55e00", "#c9575b", "#22303c"


def draw(result: SearchResult, path: str | os.PathLike[str]) -> Path:
    """Writes the picture, 1500 x 660 pixels as PNG; returns the path."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("search: a plot needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(10, 4.4), dpi=150, layout="constrained")
    size, speed = figure.subplots(1, 2, sharey=True)
    _panel(size, result, "bytes", 1e-3, "file, kB")
    _panel(speed, result, "milliseconds", 1.0, "one image, ms")
    size.set_ylabel(f"{result.plan.metric} on {result.budget.images:,} images")
    figure.legend(*_handles([size, speed]), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(path)
    return Path(path)


def _handles(panels: list[Any]) -> tuple[list[Any], list[str]]:
    """Legend entries of all panels, each name once."""
    found: dict[str, Any] = {}
    for panel in panels:
        found |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    return list(found.values()), list(found)


def _panel(axes: Any, result: SearchResult, by: str, unit: float, label: str) -> None:
    def at(points: list[Point]) -> tuple[list[float], list[float]]:
        return [unit * getattr(p, by) for p in points], [p.metric for p in points]

    plain = [p for p in result.front if p.found == result.most.found or p.found.startswith("uniform")]
    front = sorted((p for p in result.front if result.is_best_of(p, by)), key=lambda p: getattr(p, by))
    axes.plot(*at(result.front), "o", color=_TRIED, markersize=4, alpha=0.7, label="tried")
    axes.step(*at(front), where="post", color=_TRIED, linewidth=1, label="best of its size or time")
    axes.plot(*at(plain), "s", color=_UNIFORM, markersize=6, label="the same bits everywhere")
    for p in plain:
        axes.annotate(
            f"{max(p.weight_bits.values())}", (unit * getattr(p, by), p.metric),
            xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8, color=_UNIFORM,
        )  # fmt: skip
    axes.plot(*at([result.best]), "*", color=_FOUND, markersize=15, label="found", zorder=3)
    axes.axhline(result.float_metric, color=_INK, linewidth=0.8, label="float")
    axes.axhline(
        result.float_metric - result.budget.max_drop,
        color=_BUDGET,
        linestyle="--",
        linewidth=1,
        label="budget",
    )
    _limits(axes, result)
    axes.set_xlabel(label)
    axes.grid(color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _limits(axes: Any, result: SearchResult) -> None:
    """Shows what lies within some budgets of float: what broke down would flatten all the rest."""
    high = max([result.float_metric, *(p.metric for p in result.front)])
    shown = max(4 * result.budget.max_drop, 2 * (result.float_metric - result.metric), 1e-3)
    low = max(min(p.metric for p in result.front), result.float_metric - shown)
    low = min(low, result.float_metric - 1.2 * result.budget.max_drop)
    margin = 0.08 * (high - low or 1.0)
    axes.set_ylim(low - margin, high + 2 * margin)
