"""The report as HTML: a compact form for Jupyter, and one page with plots that needs nothing else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .outputs import decibels
from .plots import along, causes, histogram, origins
from .tables import RIGHT, TITLES, cells_of
from .verdict import NOTES

if TYPE_CHECKING:
    from .report import Report

_STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#1f2937;background:#fff;
  max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.5rem 0}summary{font-weight:600;margin:.6rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
td,th{border-bottom:1px solid #e5e7eb;padding:.3em .7em;text-align:left;white-space:nowrap}
svg{display:block;width:100%;max-width:40rem;height:auto}small{color:#6b7280}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem;margin:.3rem 0}
.legend b{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}
.bar{display:grid;grid-template-columns:minmax(8.5rem,30%) 1fr;gap:.6rem;align-items:center;font-size:.8rem}
.bar span{overflow-wrap:anywhere}.bar div{display:flex;height:.9rem}.bar i{display:block;height:100%}
.images{display:flex;flex-wrap:wrap;gap:.6rem}figure{margin:0;font-size:.75rem;color:#6b7280}
figure img{display:block;width:96px;image-rendering:auto;border:1px solid #e5e7eb}
li{margin:.3rem 0;overflow-wrap:anywhere}
"""


def compact(report: Report) -> str:
    """The summary, the verdicts and the table."""
    said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in report.summary())
    told = "".join(_list(title, verdicts) for title, verdicts in report.told())
    left = "".join(f"<li>{html.escape(str(item))}</li>" for item in report.missing)
    floats = f"<p>These stay float:</p><ul>{left}</ul>" if left else ""
    return f"{said}{told}{floats}{_table(report)}"


def _list(title: str, verdicts: list[str]) -> str:
    items = "".join(f"<li>{html.escape(text)}</li>" for text in verdicts)
    if title == NOTES:  # there may be one for each layer
        return f"<details><summary>{title} ({len(verdicts)})</summary><ul>{items}</ul></details>"
    return f"<h3>{title}</h3><ul>{items}</ul>"


def page_of(report: Report) -> str:
    """A whole document: summary and table, error along the network, causes, the worst layers."""
    plots = [
        ("Where the outputs' error comes from", origins(report.rows)),
        ("Error along the network", along(report.rows)),
        ("What each layer's error is made of", causes(report.rows)),
        ("The worst layers", "".join(_worst(report))),
        ("Exported to ONNX", "" if report.onnx is None else report.onnx._repr_html_()),
    ]
    body = "".join(f"<h2>{title}</h2>{plot}" for title, plot in plots if plot)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>icepoint report</title><style>{_STYLE}</style></head>"
        f"<body><h1>icepoint report</h1>{report._repr_html_()}{body}</body></html>\n"
    )


def _table(report: Report) -> str:
    def cell(tag: str, i: int, text: str) -> str:
        side = ' style="text-align:right"' if i - 1 in RIGHT or i == 0 else ""
        return f"<{tag}{side}>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", i, title) for i, title in enumerate(("#", *TITLES)))
    body = "".join(
        f"<tr>{''.join(cell('td', i, text) for i, text in enumerate((str(number), *cells)))}</tr>"
        for number, cells in enumerate(cells_of(report.rows), 1)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _worst(report: Report) -> list[str]:
    found = []
    for sketch in report.sketches:
        figures = "".join(
            f'<figure><img src="{report.thumbnails[i]}" alt="image {i}">image {i}, {decibels(db)}</figure>'
            for i, db in sketch.images
            if i in report.thumbnails
        )
        images = f'<p>The images that lose most up to here:</p><div class="images">{figures}</div>'
        found.append(f"<h3>{html.escape(sketch.layer)}</h3>{histogram(sketch)}{images if figures else ''}")
    return found
