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
    """<section>...</section>; the page around it may style `table` and `svg`."""
    head = "".join(f"<th>{title}</th>" for title in _TITLES)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in check.rows()
    )
    figures = "".join(
        f"<figure><figcaption>Output codes, optimizations {'on' if optimized else 'off'}: found less exact"
        f"</figcaption>{histogram_svg(counts)}</figure>"
        for optimized, counts in check.histograms.items()
    )
    told = "<br>".join(html.escape(line) for line in check.summary().splitlines())
    title = f"Exported to ONNX: {html.escape(check.runtime)}, {check.images} inputs"
    return (
        f'<section class="onnx"><h2>{title}</h2>'
        f"<p>{told}</p>{figures}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="-20 0 {width} {height}" '
        f'width="{width}" height="{height}" font-size="11" fill="currentColor">{"".join(bars)}</svg>'
    )
