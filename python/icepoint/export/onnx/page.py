"""The comparison with ONNX Runtime as a piece of an HTML page: table and histograms, nothing from outside."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .check import OnnxCheck

_TITLES = ("layer", "operator", "optimizations", "codes", "differ", "arise here", "ties", "float sums",
           "unexplained")  # fmt: skip
_WIDTH, _HEIGHT, _GAP = 36, 120, 10  # of a bar, in pixels


def onnx_section(check: OnnxCheck) -> str:
    """Words, histograms and the table, without a heading."""

    def cell(tag: str, i: int, text: str) -> str:
        side = ' style="text-align:right"' if i > 2 else ""
        return f"<{tag}{side}>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", i, title) for i, title in enumerate(_TITLES))
    rows = ("".join(cell("td", i, text) for i, text in enumerate(row)) for row in check.rows())
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    figures = "".join(
        f"<figure>{histogram_svg(counts)}<figcaption>Output codes less the exact ones, optimizations "
        f"{'on' if optimized else 'off'}; heights by the logarithm.</figcaption></figure>"
        for optimized, counts in check.histograms.items()
    )
    told = "".join(f"<p>{html.escape(line)}.</p>" for line in check.summary().splitlines())
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    runtime = f"<p>{html.escape(check.runtime)}, {check.images} inputs.</p>"
    return f'{runtime}{told}<div class="images">{figures}</div><div class="wide">{table}</div>'


def histogram_svg(counts: dict[int, int]) -> str:
    """Bars of {value: count}, their height by the logarithm, so that one among a million is seen.

    >>> histogram_svg({-1: 1, 0: 1000}).count("<rect")
    2
    """
    known = sorted(counts.items())
    top = math.log10(max(counts.values(), default=1) + 1)
    bars = []
    for i, (value, count) in enumerate(known):
        x, height = i * (_WIDTH + _GAP), max(1.0, _HEIGHT * math.log10(count + 1) / top)
        middle = x + _WIDTH / 2
        bars.append(
            f'<rect x="{x}" y="{_HEIGHT + 14 - height:.1f}" width="{_WIDTH}" height="{height:.1f}"/>'
            f'<text x="{middle}" y="{_HEIGHT + 10 - height:.1f}" text-anchor="middle">{count:,}</text>'
            f'<text x="{middle}" y="{_HEIGHT + 30}" text-anchor="middle">{value:+d}</text>'
        )
    width, height = len(known) * (_WIDTH + _GAP) + 40, _HEIGHT + 36
    style = f"width:{width}px;max-width:100%;height:auto"  # of its own, whatever the page does with others
    return (
        f'<svg role="img" aria-label="histogram of differences" viewBox="-20 0 {width} {height}" '
        f'style="{style}" font-size="11" fill="currentColor">{"".join(bars)}</svg>'
    )
