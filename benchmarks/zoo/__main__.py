"""`python -m benchmarks.zoo`: judges network after network, prints each row at once, saves the table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import environments, process, report
from . import pictures, rows
from .families import ZOO

_GENERATED = "no photographs in ../shared/data/photos: generated pictures (natural_images) stand for them"


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 1 where a network is not all integer, bytes differ, or ONNX Runtime is 1 dB better."""
    parser = _parser()
    args = parser.parse_args(argv)
    if unknown := [name for name in args.networks if name not in ZOO]:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(ZOO)}")
    names = args.networks or list(ZOO)
    console, results = Console(stderr=True), []
    about = report.machine(None)
    about["versions"] = {name: metadata.version(name) for name in ("icepoint", "torch", "onnxruntime")}
    about["pictures"] = "photographs" if pictures.files(1) else _GENERATED
    about["weights"] = "torchvision's" if args.weights else "seeded"
    if not pictures.files(1):
        console.print(_GENERATED)
    print(rows.heading(), flush=True)
    with console.status("") as status, tempfile.TemporaryDirectory() as folder:
        for i, name in enumerate(names, 1):
            what = f"{i} of {len(names)}: {name}"
            task = {
                "name": name, "quick": args.quick, "weights": args.weights, "folder": folder,
                "executable": str(args.executable),
            }  # fmt: skip
            begin = time.perf_counter()
            found = _judged(task, lambda step, what=what: status.update(f"{what}: {step}"))
            results.append({"network": name, "seconds": time.perf_counter() - begin, **found})
            print(rows.line(results[-1]), flush=True)
            rows.save(args.out or _default_stem(args), about, results)
    return int(any(result["failures"] for result in results))


def _judged(task: dict[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
    """The result of benchmarks.zoo.judge in a process of its own; where that ends early, how it failed."""
    log = Path(task["folder"]) / "judge.log"
    last, found = "start", None
    with log.open("w") as errors:
        judge = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.zoo.judge", json.dumps(task)],
            cwd=environments.REPOSITORY,
            env=environments.variables(None, threads=1),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with judge:
            for text in judge.stdout:
                told = json.loads(text)
                found = told.get("result", found)
                last = told.get("step", last)
                step(last)
    if found is None:
        found = {"failures": [f"{last}: {process.last_line(log)}"]}
    for path in Path(task["folder"]).iterdir():  # of this network; the next one writes its own
        path.unlink()
    return found


def _default_stem(args: argparse.Namespace) -> Path:
    whole = not (args.networks or args.quick or args.weights)
    folder = environments.REPOSITORY / ("benchmarks/results" if whole else "build")
    return folder / "zoo"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zoo",
        description="torchvision's networks as integers: coverage, bytes, error beside ONNX Runtime, speed.",
        epilog="example: python -m benchmarks.zoo resnet18 googlenet --quick",
    )
    parser.add_argument("networks", nargs="*", metavar="NAME", help=f"default: all of {', '.join(ZOO)}")
    parser.add_argument(
        "--quick", action="store_true", help="pictures of 96 x 96 pixels where the network takes them"
    )
    parser.add_argument("--weights", action="store_true", help="torchvision's own, which it downloads")
    parser.add_argument("--executable", type=Path, default=environments.REPOSITORY / "build" / "icepoint",
                        metavar="FILE", help="default: build/icepoint")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="STEM",
                        help="writes STEM.json and STEM.md; default: benchmarks/results/zoo for a whole run, "
                        "build/zoo for a part of one")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
