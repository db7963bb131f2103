"""`python -m icepoint search`: bits for each layer within an accuracy budget, and the file made with them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..search_bits import SearchPlan, search
from ..search_bits.costs import COSTS
from ..search_bits.metric import METRICS
from ..search_bits.samples import labelled
from .arguments import Arguments, Commands, positive
from .model_names import load_model
from .quantize import add_methods, add_recipe, add_source, recipe_of

_MOST_MINUTES = 7 * 24 * 60


def add_to(add: Commands) -> None:
    command = add("search", _search, "find the bits of each layer that keep the accuracy within a budget",
                  "torchvision:resnet18 --weights resnet18.pt --data val/ --input 3,224,224 "
                  "--resize crop:256 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 --max-drop 0.005 "
                  "--minutes 10 --state search.json --out resnet18.ice --plot front.png")  # fmt: skip
    add_source(command)
    command.add_argument("--data", required=True, metavar="DATA", help="with labels: a folder of class "
                         "folders, or a .npz with x (float32 inputs or uint8 pixels) and y")  # fmt: skip
    command.add_argument("--calibrate", metavar="DATA", help="what calibrates, as --data of quantize; "
                         "default: every fifth image of --data, which then does not judge")  # fmt: skip
    add_recipe(command)
    command.add_argument("--classes", nargs="+", metavar="NAME", default=(), help="of the outputs, in order")
    command.add_argument("--metric", choices=METRICS, default=METRICS[0],
                         help="right answers, or answers equal to float's; default: %(default)s"
                         )  # fmt: skip
    command.add_argument("--max-drop", type=_drop, default=0.005, metavar="DROP",
                         help="of the metric below float's, 0.005 is half a point; default: %(default)s"
                         )  # fmt: skip
    command.add_argument("--cost", choices=COSTS, default=COSTS[0],
                         help="what is to be least: bytes of the file, milliseconds of an image here, or "
                         "MACs x bits x bits; default: %(default)s")  # fmt: skip
    command.add_argument("--weight-bits", type=positive, nargs="+", default=range(2, 9), metavar="BITS",
                         help="of weights, to choose from; default: 2 to 8")  # fmt: skip
    command.add_argument("--activation-bits", type=positive, nargs="+", default=range(4, 9), metavar="BITS",
                         help="of inputs and results, to choose from; default: 4 to 8")  # fmt: skip
    add_methods(command)
    command.add_argument("--minutes", type=_minutes, metavar="M", help="to search; default: until it ends")
    command.add_argument("--evaluations", type=positive, default=60, metavar="N",
                         help="models to evaluate at most; default: %(default)s")  # fmt: skip
    command.add_argument("--state", type=Path, metavar="FILE.json",
                         help="remembers what was measured: the same command goes on there")  # fmt: skip
    command.add_argument("--out", type=Path, metavar="FILE.ice", help="default: named after the model")
    command.add_argument("--plot", type=Path, metavar="FILE", help="draws accuracy against size and time")


def _search(args: Arguments) -> int:
    recipe = recipe_of(args)
    model = load_model(args.model, args.weights)
    data = labelled(args.data, recipe, args.input)
    out = args.out or Path(args.model.split(":")[1]).with_suffix(".ice")

    def planned(plan: SearchPlan) -> None:
        if not args.json:
            print(f"{plan}\n", flush=True)  # before what may take minutes

    found = search(
        model, data, args.metric, args.max_drop, calibration_data=args.calibrate, cost=args.cost,
        minutes=args.minutes, evaluations=args.evaluations, recipe=args.recipe, weights=args.scheme,
        weight_bits=args.weight_bits, activation_bits=args.activation_bits, input_recipe=recipe,
        state=args.state, planned=planned,
    )  # fmt: skip
    frozen = found.freeze()
    frozen.save(out)
    if args.plot:
        found.plot(args.plot)
    if args.json:
        paths = {"model": args.model, "out": str(out), "plot": str(args.plot) if args.plot else None}
        print(json.dumps(paths | {"digest": frozen.digest} | found.to_dict()))
        return 0
    print(found)
    print(f"digest {frozen.digest}\nsaved  {out}, {len(frozen.file_bytes):,} bytes")
    if args.plot:
        print(f"saved  {args.plot}")
    return 0


def _drop(text: str) -> float:
    return _number(text, 0.0, float("inf"), "a number from 0 on")


def _minutes(text: str) -> float:
    return _number(text, 1e-6, _MOST_MINUTES, "a number of minutes above 0, a week at most")


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
