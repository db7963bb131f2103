"""`python -m benchmarks.accuracy`: quantizes and judges cell after cell, saves tables, bars and a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from .. import report
from ..environments import REPOSITORY
from . import bars, document, networks, picture
from .cells import Cell, prepare_subject
from .settings import BITS, ENGINES
from .subjects import SUBJECTS, WEIGHTS

_WIDTH = 150
_QUICK_SUBJECTS = ("mobilenet", "flowers_plain")
_QUICK_ENGINES = ("icepoint", "onnxruntime_minmax", "nncf_accurate")
_QUICK_BITS = ("8",)


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 1 where a cell failed or a bar does not hold."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    console, about = Console(stderr=True), report.machine(None)
    console.width = max(console.width, _WIDTH)  # a pipe has no width: columns are not cut there
    measured = args.only or (_QUICK_ENGINES if args.quick else [""])
    args.folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, dict[str, Any]] = {}
    for name in args.subjects or (_QUICK_SUBJECTS if args.quick else SUBJECTS):
        facts[name] = _prepared(name, args.folder, console)
    ready = [name for name in facts if "left out" not in facts[name]]
    results: dict[tuple[str, str], dict[str, Any]] = {}
    stem = args.out or REPOSITORY / "benchmarks" / "results" / (
        "quick-accuracy" if args.quick else "accuracy"
    )
    for bits in args.bits or (_QUICK_BITS if args.quick else BITS):
        for name in ready:
            row = results[name, bits] = {}
            for engine in (key for key, found in ENGINES.items() if bits in found.bits):
                cell = Cell(name, engine, bits, args.folder)
                wanted = engine.startswith(tuple(measured))
                found = cell.kept()
                if wanted and (found is None or args.again):
                    with console.status(
                        f"{SUBJECTS[name].title}, {BITS[bits].title}: {ENGINES[engine].title}"
                    ):
                        found = cell.measure()
                if found is not None:
                    row[engine] = found
            console.print(document.table(name, bits, facts[name], results).rich())
            document.save(stem, about, facts, results)
    picture.draw(stem.with_suffix(".png"), facts, results)
    found = bars.bars(results)
    for bar in found:
        print(bar)
    console.print(f"saved {stem}.json, {stem}.md and {stem}.png")
    failed = any("failed" in cell for row in results.values() for cell in row.values())
    return int(failed or any(bar.holds is False for bar in found))


def _prepared(name: str, folder: Path, console: Console) -> dict[str, Any]:
    """The subject's facts, or why it is left out; says so before a network is trained."""
    subject = SUBJECTS[name]
    if why := subject.needs():
        console.print(f"{subject.title}: left out: {why}")
        return {"left out": why}
    if name in networks.TRAINED and not (folder / f"{name}.pt").exists():
        console.print(f"{subject.title}: is trained now, once; takes minutes")
    return prepare_subject(name, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="How many answers icepoint's recipes change, beside other engines' quantization.",
        epilog="example: python -m benchmarks.accuracy --subjects mobilenet --bits 8 --only icepoint",
    )
    some = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--subjects", **some, choices=list(SUBJECTS), help=", ".join(SUBJECTS))
    parser.add_argument("--bits", **some, choices=list(BITS), help=", ".join(BITS))
    parser.add_argument("--only", **some,
                        help="measures the engines whose names begin so, of the others takes what was "
                        f"kept from before: {', '.join(ENGINES)}")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="measures what was kept from before, too")
    parser.add_argument("--quick", action="store_true", help="two networks at 8 bits, few engines: minutes")
    parser.add_argument("--out", type=Path, metavar="STEM", help="writes STEM.json, STEM.md and STEM.png")
    parser.add_argument("--folder", type=Path, default=WEIGHTS, metavar="DIR",
                        help="for trained networks and kept cells; default: build/accuracy")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
