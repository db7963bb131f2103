"""The demo's picture: hard digits with both answers, the error of each layer, size and time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from .result import Result

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the choice of a backend without a window

FLOAT, INTEGER, WRONG, INK, FAINT = "#9aa7b5", "#0b6e75", "#c8501e", "#22303c", "#6b7885"
ROWS, COLUMNS = 6, 8


def draw(results: Sequence[Result], images: np.ndarray, labels: np.ndarray, path: str | Path) -> None:
    """Writes a PNG of 1800 x 1100 pixels.

    Args:
        results: of the networks; the digits are those of the one whose integers differ most from float.
        images, labels: uint8 (n, 28, 28) and (n,), the test digits behind the results' scores.
        path: where to write.
    """
    style = {
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": FAINT,
        "ytick.color": INK,
        "axes.edgecolor": "#c9d1d9",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
    }
    with plt.rc_context(style):
        figure = plt.figure(figsize=(15, 9.2), dpi=120, facecolor="white")
        left, right = figure.subfigures(1, 2, width_ratios=[1.12, 1])
        _digits(left, max(results, key=lambda r: (~_alike(r)).sum()), images, labels)
        grid = right.add_gridspec(
            2,
            2,
            height_ratios=[1.75, 1],
            left=0.2,
            right=0.95,
            top=0.928,
            bottom=0.05,
            hspace=0.3,
            wspace=0.5,
        )
        _errors(right.add_subplot(grid[0, :]), results)
        _bars(right.add_subplot(grid[1, 0]), results, "Size, kB", "{:.0f}",
              [(r.float_bytes / 1000, r.file_bytes / 1000) for r in results])  # fmt: skip
        batch = max(results[0].float_us)
        _bars(right.add_subplot(grid[1, 1]), results, f"µs an image, batch {batch}", "{:.1f}",
              [(r.float_us[batch], r.frozen_us[batch]) for r in results])  # fmt: skip
        figure.savefig(path)
        plt.close(figure)


def hardest(result: Result, labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of digits: first where the answers differ, then by the float network's smallest lead.

    The lead is the label's float score minus the best other one: negative where the network is wrong.
    """
    rows = np.arange(len(labels))
    others = result.float_scores.copy()
    others[rows, labels] = -np.inf
    lead = result.float_scores[rows, labels] - others.max(axis=1)
    return np.lexsort((lead, _alike(result)))[:count]


def _alike(result: Result) -> np.ndarray:
    return result.float_scores.argmax(axis=1) == result.integer_scores.argmax(axis=1)


def _digits(figure, result: Result, images: np.ndarray, labels: np.ndarray) -> None:
    both = result.float_scores.argmax(axis=1), result.integer_scores.argmax(axis=1)
    figure.text(
        0.04, 0.945, f"The {ROWS * COLUMNS} digits that {result.name} finds hardest", size=15, weight="bold"
    )
    figure.text(
        0.04,
        0.915,
        f"Float and integer network answer alike on {_alike(result).sum():,} of {len(labels):,} test digits.",
        size=10.5,
        color=FAINT,
    )
    legend = {
        0.04: ("float", FAINT),
        0.1: ("integer", INTEGER),
        0.195: ("wrong, with the label in the corner", WRONG),
        0.6: ("framed: the two differ", INTEGER),
    }
    for x, (text, colour) in legend.items():
        figure.text(x, 0.888, text, size=10.5, weight="bold", color=colour)
    grid = figure.add_gridspec(
        ROWS, COLUMNS, left=0.04, right=0.96, top=0.862, bottom=0.05, hspace=0.33, wspace=0.12
    )
    for place, index in enumerate(hardest(result, labels, ROWS * COLUMNS)):
        axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS], xticks=[], yticks=[])
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        answers, label = (both[0][index], both[1][index]), labels[index]
        axes.spines[:].set(visible=answers[0] != answers[1], color=INTEGER, linewidth=1.6)
        for x, answer, colour in zip((0.3, 0.7), answers, (FAINT, INTEGER), strict=True):
            axes.text(x, -0.04, str(answer), transform=axes.transAxes, ha="center", va="top", size=13,
                      weight="bold", color=colour if answer == label else WRONG)  # fmt: skip
        if answers != (label, label):
            axes.text(
                0.98, 0.97, str(label), transform=axes.transAxes, ha="right", va="top", size=9, color=WRONG
            )


def _errors(axes, results: Sequence[Result]) -> None:
    axes.set_title("Error of each layer: signal to quantization noise, dB")
    names, values, places, y = [], [], [], 0.0
    for result in results:
        axes.text(-0.02, y - 0.85, result.name, transform=axes.get_yaxis_transform(), ha="right", va="center",
                  weight="bold")  # fmt: skip
        for layer, sqnr in result.sqnr.items():
            names.append(layer)
            values.append(sqnr)
            places.append(y)
            y += 1
        y += 1.3
    axes.barh(places, values, height=0.72, color=INTEGER)
    for place, value in zip(places, values, strict=True):
        axes.text(value + 0.4, place, f"{value:.1f}", va="center", size=8.5, color=FAINT)
    axes.set_yticks(places, names, size=9)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 1.5, -1.5)
    axes.set_xlim(0, max(values) * 1.08)
    axes.spines.left.set_visible(False)


def _bars(
    axes, results: Sequence[Result], title: str, form: str, pairs: Sequence[tuple[float, float]]
) -> None:
    axes.set_title(title)
    for row, (before, after) in enumerate(pairs):
        for offset, value, colour in ((-0.2, before, FLOAT), (0.2, after, INTEGER)):
            axes.barh(row + offset, value, height=0.36, color=colour)
            axes.text(value, row + offset, f" {form.format(value)}", va="center", size=9, color=FAINT)
    axes.set_yticks(range(len(results)), [result.name for result in results], weight="bold")
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, max(max(pair) for pair in pairs) * 1.22)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
