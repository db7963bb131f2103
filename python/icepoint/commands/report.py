"""`python -m icepoint report`: quantizes as `quantize` does, and says what each layer costs."""

from __future__ import annotations

import json
from pathlib import Path

from ..report.gains import SECONDS
from .arguments import Arguments, Commands, seconds
from .quantize import add_model, quantized_of


def add_to(add: Commands) -> None:
    command = add("report", _report, "say layer by layer what quantization costs, why, and what would help",
                  "torchvision:resnet18 --weights resnet18.pt --data photos/ --input 3,224,224 "
                  "--resize crop:256 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 "
                  "--html report.html")  # fmt: skip
    add_model(command)
    command.add_argument("--on", metavar="DATA", help="measure on these data, in place of the first "
                         "images of --data: what calibration did not cover shows there")  # fmt: skip
    command.add_argument("--seconds", type=seconds, default=SECONDS, metavar="S",
                         help="for trying remedies; default: %(default)s")  # fmt: skip
    command.add_argument("--no-remedies", action="store_true", help="try none")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots too")


def _report(args: Arguments) -> int:
    quantized = quantized_of(args)
    report = quantized.measure(args.on, 0.0 if args.no_remedies else args.seconds)
    if args.html:
        report.to_html(args.html)
    if args.json:
        page = {"html": str(args.html)} if args.html else {}
        print(json.dumps({"model": args.model, **page} | report.to_dict()))
        return 0
    print(report)
    if args.html:
        print(f"saved  {args.html}")
    return 0
