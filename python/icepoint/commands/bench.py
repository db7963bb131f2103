"""`python -m icepoint bench`: times a frozen file from Python."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from .. import bench, frozen, isa, set_num_threads
from .arguments import Arguments, Commands, positive, seconds


def add_to(add: Commands) -> None:
    timed = add("bench", _bench, "time a frozen file, called from Python with float32 in and out",
                "build/demo/Net.ice --batch 16 --per-layer")  # fmt: skip
    timed.add_argument("file", metavar="FILE.ice")
    timed.add_argument("--batch", type=positive, default=1, help="images at once; default: %(default)s")
    timed.add_argument("--threads", type=positive, help="default: all CPUs, or ICEPOINT_THREADS")
    timed.add_argument("--seconds", type=seconds, default=2.0, help="to measure; default: %(default)s")
    timed.add_argument("--per-layer", action="store_true", help="the time of each layer too")


def _bench(args: Arguments) -> int:
    model = frozen.load(args.file)
    if args.threads:
        set_num_threads(args.threads)
    found: dict[str, Any] = {"model": args.file, "digest": model.digest, "isa": isa(), "batch": args.batch}
    found |= bench.time_calls(model, args.batch, args.seconds)
    if args.per_layer:
        found["layers"] = bench.time_layers(model, args.batch, args.seconds)
    if args.json:
        print(json.dumps(found))
        return 0
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    print(f"{args.file}: batch {args.batch}, {threads}, {isa()} kernels, {found['runs']:,} calls")
    times = ", ".join(f"{name} {found[f'{name}_us']:,.1f}" for name in ("min", "median", "p90", "p99"))
    print(f"microseconds a batch: {times}; {found['images_per_second']:,.0f} images a second")
    if args.per_layer:
        console = Console()
        console.width = max(console.width, 110)
        console.print(bench.layer_table(found["layers"]))
    return 0
