"""`python -m benchmarks`: which networks, engines and settings; runs them, shows and saves what came out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from . import report, tables
from .calibration import Calibrator
from .engine_list import CAPS, ENGINES, engines_for
from .environments import REPOSITORY
from .interleave import Effort
from .measure import measure
from .network_list import NETWORKS

_WIDTH = 160
_QUICK = Effort(enough=5, fewest=3, seconds=15.0, burst=0.05)
_QUICK_NETWORKS = ("mnist", "mobilenet_v2", "resnet18", "resnet50")


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 1 where icepoint itself did not run or answered too far from the float network."""
    args = _parser().parse_args(argv)
    networks = args.networks or (_QUICK_NETWORKS if args.quick else list(NETWORKS))
    threads = args.threads or ([1] if args.quick else [t for t in (1, 2) if t <= (os.cpu_count() or 1)])
    effort = _QUICK if args.quick else Effort(seconds=args.seconds)
    args.folder.mkdir(parents=True, exist_ok=True)
    console, calibrator, results = Console(stderr=True), Calibrator(args.folder), []
    console.width = max(console.width, _WIDTH)  # a pipe has no width: columns are not cut there
    stem = args.out or _default_stem(args)
    about = report.machine(args.isa)
    configurations = [
        (network, batch, count)
        for network in networks
        for batch in args.batches or NETWORKS[network].batches[: 1 if args.quick else None]
        for count in threads
    ]
    with console.status("") as status:
        for i, (network, batch, count) in enumerate(configurations, 1):
            what = f"{i} of {len(configurations)}: {NETWORKS[network].title}, batch {batch}, threads {count}"
            engines = engines_for(network, args.isa, args.quick, args.engines)
            results.append(
                measure(
                    network, batch, count, args.isa, engines, args.folder, calibrator, effort,
                    lambda step, what=what: status.update(f"{what}: {step}"),
                )
            )  # fmt: skip
            console.print(tables.engine_table(results[-1]).rich())
            report.save(stem, about, results)
    calibrator.close()
    if args.json:
        print(json.dumps({"machine": about, "results": results}))
    else:
        Console(width=console.width).print(tables.ratio_table(results).rich())
    console.print(f"saved {stem}.json and {stem}.md")
    return int(any(r["warnings"] or any("failed" in row for row in _ours(r)) for r in results))


def _ours(result: dict) -> list[dict]:
    return [row for name, row in result["engines"].items() if not ENGINES[name].is_peer]


def _default_stem(args: argparse.Namespace) -> Path:
    parts = ["quick" if args.quick else "full", *([args.isa] if args.isa else [])]
    return REPOSITORY / "benchmarks" / "results" / "-".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures icepoint beside the engines a user could pick instead, interleaved in one run.",
        epilog="example: python -m benchmarks --networks resnet50 --batches 1 --threads 1 --isa avx2",
    )
    some = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--networks", **some, choices=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--engines", **some, choices=list(ENGINES), help=", ".join(ENGINES))
    numbers = {"nargs": "+", "metavar": "N", "type": _positive}
    parser.add_argument("--batches", **numbers, help="default: 1 and 8, of MNIST Net 1 and 256")
    parser.add_argument("--threads", **numbers, help="default: 1 and 2")
    parser.add_argument("--isa", choices=list(CAPS), help="forced on icepoint and torch; the others stay out")
    parser.add_argument("--seconds", type=float, default=Effort.seconds,
                        help="to measure one configuration, at most; default: %(default)s")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="batch 1, one thread, fewer rounds, no VGG16")
    parser.add_argument("--out", type=Path, metavar="STEM", help="writes STEM.json and STEM.md")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "bench", metavar="DIR",
                        help="for prepared networks; default: build/bench")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")
    return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
