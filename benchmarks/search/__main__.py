"""`python -m benchmarks.search`: searches network after network; tables, numbers and fronts as pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import icepoint
from icepoint.search_bits.costs import COSTS
from icepoint.search_bits.metric import Metric
from icepoint.search_bits.samples import Samples

from .. import report
from ..accuracy.subjects import WEIGHTS
from ..environments import REPOSITORY
from .document import markdown, table
from .subjects import SUBJECTS

JUDGING = 2000  # images at most; what is left of a data set tells how the found bits do on images unseen


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 1 where a budget was not met."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    console = Console(stderr=True)
    stem = args.out or REPOSITORY / "benchmarks" / "results" / "search"
    rows = json.loads(stem.with_suffix(".json").read_text())["rows"] if args.keep else []
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.subjects or SUBJECTS:
        if why := SUBJECTS[name].needs():
            console.print(f"{SUBJECTS[name].title}: left out: {why}")
            continue
        row = searched(name, args)
        rows = [r for r in rows if (r["subject"], r["cost"]) != (name, args.cost)] + [row]
        document = {"machine": report.machine(None), "rows": rows}
        stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        stem.with_suffix(".md").write_text(markdown(rows))
        console.print(table(rows).rich())
    return int(not all(row["met"] for row in rows))


def searched(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One search: what to_dict() has, the cheapest uniform bits that meet the budget, and images unseen."""
    subject = SUBJECTS[name]
    calibrating, x, labels, recipe = _data(subject)
    model = subject.network(args.folder)
    result = icepoint.search(
        model, (x[:JUDGING], labels[:JUDGING]), max_drop=args.max_drop, calibration_data=[calibrating],
        cost=args.cost, minutes=args.minutes, evaluations=args.evaluations, recipe=args.recipe,
        state=args.folder / f"search-{name}.json", planned=_tell, input_recipe=recipe,
    )  # fmt: skip
    _tell(result)
    result.plot(args.folder / f"search-{name}-{args.cost}.png")
    unseen = None
    if len(x) > JUDGING:
        metric = Metric("top1", Samples.of((x[JUDGING:], labels[JUDGING:])), model)
        unseen = {"images": len(x) - JUDGING, "drop": metric.float_value - metric.of(result.freeze())}
    same = [p for p in result.front if p.found.startswith(("uniform", "most"))]
    cheapest = min((p for p in same if result.budget.met(p.metric)), key=lambda p: p.cost, default=None)
    return {
        "subject": name,
        "title": subject.title,
        **result.to_dict(),
        "uniform": None if cheapest is None else cheapest.to_dict(),
        "unseen": unseen,
    }


def _tell(what: Any) -> None:
    print(what, file=sys.stderr, flush=True)


def _data(subject: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, icepoint.Recipe]:
    images = subject.images()
    calibrating, judging = images.inputs()
    return calibrating, judging, torch.from_numpy(images.labels), images.recipe


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description="Bits for each layer within an accuracy budget, found by icepoint.search_bits.",
        epilog="example: python -m benchmarks.search --subjects resnet20 --minutes 5",
    )
    names = ", ".join(SUBJECTS)
    parser.add_argument("--subjects", nargs="+", metavar="NAME", choices=list(SUBJECTS), help=names)
    parser.add_argument("--max-drop", type=float, default=0.005, help="of top-1; default: %(default)s")
    parser.add_argument("--cost", choices=COSTS, default="bytes", help="default: %(default)s")
    parser.add_argument("--recipe", default="accurate", help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="for each network; default: until it ends")
    parser.add_argument("--evaluations", type=int, default=60, help="for each; default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="adds to the tables that are there")
    parser.add_argument("--out", type=Path, metavar="STEM", help="writes STEM.json and STEM.md")
    parser.add_argument("--folder", type=Path, default=WEIGHTS, metavar="DIR",
                        help="trained networks, states, pictures; default: build/accuracy")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
