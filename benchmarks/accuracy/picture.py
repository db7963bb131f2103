"""The comparison as a picture: which share of the answers each engine changes, a panel a bit setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from .bars import Results
from .settings import BITS, ENGINES
from .subjects import SUBJECTS

_OURS = ("o", "#0b6e4f"), ("D", "#0b6e4f"), ("*", "#0b6e4f")
_PEERS = (
    ("s", "#9c6644"),
    ("v", "#9c6644"),
    ("^", "#9c6644"),
    ("<", "#33658a"),
    (">", "#33658a"),
    ("X", "#b23a48"),
)


def draw(path: Path, facts: dict[str, dict[str, Any]], results: Results) -> None:
    """Writes a PNG; nothing is drawn of a cell without numbers."""
    settings = [bits for bits in BITS if any(key[1] == bits for key in results)]
    subjects = list(dict.fromkeys(subject for subject, _ in results))
    figure, panels = pyplot.subplots(
        1, len(settings), figsize=(2.5 + 2.6 * len(settings), 1.9 + 0.36 * len(subjects)),
        sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for bits, panel in zip(settings, panels[0], strict=True):
        _panel(panel, bits, subjects, facts, results)
    panels[0][0].set_yticks(range(len(subjects)), [SUBJECTS[name].title for name in subjects], fontsize=8)
    panels[0][0].invert_yaxis()
    handles = dict(
        pair for panel in panels[0] for pair in zip(*reversed(panel.get_legend_handles_labels()), strict=True)
    )
    legend = {"loc": "outside lower center", "ncols": 1 + len(settings), "fontsize": 7, "frameon": False}
    figure.legend(handles.values(), handles.keys(), **legend)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _panel(panel: Any, bits: str, subjects: list[str], facts: dict[str, Any], results: Results) -> None:
    ours, peers = iter(_OURS), iter(_PEERS)
    for name, engine in ENGINES.items():
        marker, colour = next(peers if engine.is_peer else ours)
        found = {
            i: 100 * cell["changed"] / facts[subject]["images"]
            for i, subject in enumerate(subjects)
            if "changed" in (cell := results.get((subject, bits), {}).get(name, {}))
        }
        if found:
            panel.scatter(
                list(found.values()), list(found), marker=marker, s=34, label=engine.title,
                facecolors="none" if engine.is_peer else colour, edgecolors=colour, linewidths=1.1,
                zorder=2 if engine.is_peer else 3,
            )  # fmt: skip
    panel.set_title(BITS[bits].title, fontsize=8)
    panel.set_xscale("symlog", linthresh=0.25, linscale=0.4)
    panel.set_xlim(-0.05, 115)
    panel.set_xticks([0, 0.3, 1, 3, 10, 30, 100], ["0", "0.3", "1", "3", "10", "30", "100"], fontsize=7)
    panel.set_xlabel("answers changed, %", fontsize=8)
    panel.grid(alpha=0.3, linewidth=0.5)
