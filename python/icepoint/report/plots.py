"""The page's plots as SVG and HTML of our own: nothing to install, nothing to fetch, sharp at any size."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from .causes import CAUSE_NAMES, CAUSES, OWN
from .outputs import decibels, percent
from .rows import Row
from .sketches import Sketch

#: One colour a cause, told apart by people who see no red or green too (Okabe and Ito).
COLOURS = {
    "inherited": "#c9ced6",
    "weight_clipping": "#d55e00",
    "weight_rounding": "#0072b2",
    "bias_rounding": "#cc79a7",
    "activation_clipping": "#e6b800",
    "activation_rounding": "#56b4e9",
}
_HEAVIEST = 12  # layers that origins() shows
_FLOAT, _INTEGER, _AXIS = "#9aa3af", "#d55e00", "#6b7280"

# Drawn for the width of a phone, so that 11 units are readable there, and stretched on a wide screen.
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 210, 34, 26, 10


def along(rows: Sequence[Row]) -> str:
    """Accumulated and alone SQNR of each layer, in the network's order; what is exact has no point."""
    series = [
        ("accumulated", _INTEGER, [row.sqnr_db for row in rows]),
        ("this layer alone", COLOURS["weight_rounding"], [row.alone_db for row in rows]),
    ]
    known = [v for _, _, values in series for v in values if _finite(v)]
    if not known:
        return ""
    low, high = 10 * math.floor(min(known) / 10), 10 * math.ceil(max(known) / 10)
    high = max(high, low + 10)

    def x(i: int) -> float:
        return _LEFT + (i + 0.5) * (_WIDTH - _LEFT - 8) / len(rows)

    def y(v: float) -> float:
        return _TOP + (high - v) * (_HEIGHT - _TOP - _BOTTOM) / (high - low)

    parts = []
    step = 10 * max(1, math.ceil((high - low) / 60))
    for v in range(low, high + 1, step):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#e5e7eb"/>'
        )
        parts.append(_text(_LEFT - 5, y(v) + 4, f"{v}", "end"))
    for name, colour, values in series:
        points = [(i, v) for i, v in enumerate(values) if _finite(v)]
        line = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for i, v in points:
            title = html.escape(f"{i + 1}. {rows[i].layer}: {v:.1f} dB {name}")
            parts.append(
                f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="2.5" fill="{colour}">'
                f"<title>{title}</title></circle>"
            )
    every = max(1, math.ceil(len(rows) / 12))
    parts += [_text(x(i), _HEIGHT - 10, str(i + 1), "middle") for i in range(0, len(rows), every)]
    legend = _legend([(name, colour) for name, colour, _ in series])
    return f"{legend}{_svg(parts, 'SQNR in dB of each layer, by its number in the table')}"


def causes(rows: Sequence[Row]) -> str:
    """A bar for each layer that adds to the error, split by cause."""
    bars = []
    for number, row in enumerate(rows, 1):
        if row.main_cause is None:  # it only passes on
            continue
        pieces = "".join(
            f'<i style="width:{100 * row.causes[c].share:.2f}%;background:{COLOURS[c]}" '
            f'title="{html.escape(_told(row, c))}"></i>'
            for c in CAUSES if c in row.causes
        )  # fmt: skip
        name = f"{number}. {html.escape(row.layer)}"
        bars.append(f'<div class="bar"><span>{name}</span><div>{pieces}</div></div>')
    used = [c for c in CAUSES if any(c in row.causes for row in rows)]
    return _legend([(CAUSE_NAMES[c], COLOURS[c]) for c in used]) + "".join(bars) if bars else ""


def origins(rows: Sequence[Row]) -> str:
    """How much of the outputs' error each layer makes, the greatest first, split by its own causes."""
    heavy = sorted((r for r in rows if r.output_share), key=lambda r: -(r.output_share or 0.0))[:_HEAVIEST]
    bars = []
    for row in heavy:
        own = {c: row.causes[c].share for c in OWN if c in row.causes}
        length = 100 * row.output_share / heavy[0].output_share / (sum(own.values()) or 1.0)
        pieces = "".join(
            f'<i style="width:{length * share:.2f}%;background:{COLOURS[c]}" '
            f'title="{html.escape(_told(row, c))}"></i>'
            for c, share in own.items()
        )
        name = f"{html.escape(row.layer)}, {percent(row.output_share).replace(' ', '&nbsp;')}"
        bars.append(f'<div class="bar"><span>{name}</span><div>{pieces}</div></div>')
    used = [c for c in OWN if any(c in row.causes for row in heavy)]
    return _legend([(CAUSE_NAMES[c], COLOURS[c]) for c in used]) + "".join(bars) if bars else ""


def _told(row: Row, cause: str) -> str:
    share = row.causes[cause]
    return f"{CAUSE_NAMES[cause]}: {percent(share.share)}, {decibels(share.sqnr_db)}"


def histogram(sketch: Sketch) -> str:
    """Counts, by the logarithm, of the float results (grey) and of what the integers stand for (a line)."""
    top = math.log1p(max(*sketch.before, *sketch.after, 1))
    count, height = len(sketch.values), 150
    width = (_WIDTH - 16) / count

    def y(v: int) -> float:
        return height - 24 - math.log1p(v) / top * (height - 34)

    def x(real: float) -> float:
        first, last = sketch.values[0], sketch.values[-1]
        return 8 + (real - first) / ((last - first) or 1.0) * (count - 1) * width + width / 2

    parts = [
        f'<rect x="{8 + i * width:.1f}" y="{y(v):.1f}" width="{width + 0.3:.1f}" '
        f'height="{height - 24 - y(v):.1f}" fill="{_FLOAT}"/>'
        for i, v in enumerate(sketch.before) if v
    ]  # fmt: skip
    steps = " ".join(
        f"{8 + (i + side) * width:.1f},{y(v):.1f}" for i, v in enumerate(sketch.after) for side in (0, 1)
    )
    parts.append(f'<polyline points="{steps}" fill="none" stroke="{_INTEGER}" stroke-width="1.2"/>')
    for real in (sketch.low, sketch.high):
        parts.append(f'<line x1="{x(real):.1f}" x2="{x(real):.1f}" y1="4" y2="{height - 24}" '
                     f'stroke="{_AXIS}" stroke-dasharray="3 3"/>')  # fmt: skip
    ends = [(8, sketch.values[0], "start"), (_WIDTH - 8, sketch.values[-1], "end")]
    if sketch.values[0] < 0 < sketch.values[-1] and 0.12 < (x(0.0) / _WIDTH) < 0.88:
        ends.append((x(0.0), 0.0, "middle"))
    parts += [_text(at, height - 8, f"{real:.3g}", anchor) for at, real, anchor in ends]
    legend = _legend([("float results", _FLOAT), ("behind the integers", _INTEGER)])
    return legend + _svg(parts, "how often each value occurs; dashed: the ends of the codes", height)


def _finite(v: float | None) -> bool:
    return v is not None and math.isfinite(v)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{_AXIS}">{text}</text>'


def _svg(parts: Sequence[str], what: str, height: int = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{html.escape(what)}">'
        f"{''.join(parts)}</svg>"
        f"<small>{html.escape(what[0].upper() + what[1:])}.</small>"
    )


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<span><b style="background:{c}"></b>{html.escape(n)}</span>' for n, c in entries)
    return f'<div class="legend">{keys}</div>'
