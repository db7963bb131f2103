"""The comparison as a document: bars, overviews, a table for each subject and bits; JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..tables import Table
from .bars import Results, bars
from .settings import BITS, ENGINES
from .subjects import SUBJECTS

_VERSIONS = ("icepoint", "torch", "onnxruntime", "openvino", "nncf", "torchao")


def save(stem: Path, about: dict[str, Any], facts: dict[str, dict[str, Any]], results: Results) -> None:
    """Writes stem.json and stem.md; facts: of each subject its images and how many are right in float."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        {"subject": subject, "bits": bits, "engine": engine, **cell}
        for (subject, bits), engines in results.items()
        for engine, cell in engines.items()
    ]
    document = {"machine": about, "subjects": facts, "cells": cells}
    stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    stem.with_suffix(".md").write_text(markdown(stem.name, about, facts, results))


def markdown(name: str, about: dict[str, Any], facts: dict[str, dict[str, Any]], results: Results) -> str:
    versions = ", ".join(f"{key} {about['versions'][key]}" for key in _VERSIONS if key in about["versions"])
    head = (
        "# Accuracy\n\n"
        f"{about['cpu']}, {about['system']}; {versions}.\n"
        "How this was measured and how to read it: docs/accuracy.md.\n\n"
        + "".join(f"- {bar}\n" for bar in bars(results))
        + "".join(
            f"- left out: {SUBJECTS[key].title}: {f['left out']}\n"
            for key, f in facts.items()
            if "left out" in f
        )
        + f"\n![answers changed]({name}.png)\n"
    )
    settings = [bits for bits in BITS if any(key[1] == bits for key in results)]
    parts = [head, *(overview(bits, facts, results).markdown() for bits in settings)]
    parts += [table(subject, bits, facts[subject], results).markdown() for subject, bits in results]
    return "\n".join(parts)


def overview(bits: str, facts: dict[str, dict[str, Any]], results: Results) -> Table:
    """Answers changed, of all images: a row a subject, a column an engine that can do these bits."""
    engines = [name for name, engine in ENGINES.items() if bits in engine.bits]
    rows = []
    for (subject, setting), cells in results.items():
        if setting == bits:
            images = facts[subject]["images"]
            rows.append([SUBJECTS[subject].title, *(_changed(cells.get(e, {}), images) for e in engines)])
    columns = ["", *(ENGINES[name].title for name in engines)]
    return Table(f"{BITS[bits].title}: answers changed", columns, rows)


def table(subject: str, bits: str, facts: dict[str, Any], results: Results) -> Table:
    """The float network and all engines on one subject at one setting; why one has no numbers, in words."""
    images = facts["images"]
    rows = [
        ["float", _share(facts["right"], images), *[""] * 5],
        ["float, its logits in 256 levels", *_numbers(facts["in_levels"], images), "", ""],
    ]
    for name, engine in ENGINES.items():
        cell = results[subject, bits].get(name, {})
        if "changed" in cell:
            rows.append([engine.title, *_numbers(cell, images), f"{cell['seconds']:.0f}", ""])
        else:
            why = cell.get("failed", "not measured") if bits in engine.bits else engine.cannot
            rows.append([engine.title, *[""] * 5, why])
    columns = "engine", "top-1", "changed", "of all", "SQNR dB", "s", "why none"
    return Table(f"{SUBJECTS[subject].title}, {BITS[bits].title}", columns, rows)


def _numbers(cell: Mapping[str, Any], images: int) -> list[str]:
    sqnr = "exact" if cell["sqnr_db"] is None else f"{cell['sqnr_db']:.1f}"
    return [_share(cell["right"], images), str(cell["changed"]), _share(cell["changed"], images), sqnr]


def _share(count: int, images: int) -> str:
    return f"{100 * count / images:.2f} %"


def _changed(cell: Mapping[str, Any], images: int) -> str:
    return _share(cell["changed"], images) if "changed" in cell else ""
