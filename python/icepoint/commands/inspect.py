"""`python -m icepoint inspect` and `verify`: what a frozen file holds, and its self-check."""

from __future__ import annotations

import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .. import frozen, isa
from .arguments import Arguments, Commands


def add_to(add: Commands) -> None:
    inspect = add("inspect", _inspect, "show what a frozen file holds", "build/demo/Net.ice")
    inspect.add_argument("file", metavar="FILE.ice")
    verify = add("verify", _verify, "replay a frozen file's self-check on this machine", "build/demo/Net.ice")
    verify.add_argument("file", metavar="FILE.ice")


def _inspect(args: Arguments) -> int:
    found = frozen.load(args.file).describe()
    if args.json:
        print(json.dumps(found))
        return 0
    columns = ("layer", "operator", "output", "bits", "scale", "zero point", "MACs", "bytes")
    table = Table(title=f"{args.file}, {found['file_bytes']:,} bytes", title_justify="left", box=SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < 3 else "right", no_wrap=True)
    for value in [*found["inputs"], *found["ops"]]:
        shape = " x ".join(map(str, value["shape"]))
        bits, scale, zero_point = (value[key] for key in ("bits", "scale", "zero_point"))
        cost = (f"{value[key]:,}" if value.get(key) else "" for key in ("macs", "weight_bytes"))
        op = value.get("op", "input")
        table.add_row(value["name"], op, shape, str(bits), f"{scale:.4g}", str(zero_point), *cost)
    console = Console()
    console.width = max(console.width, 110)  # a pipe has no width: names are not cut there
    console.print(table)

    totals, recipe = found["totals"], found["recipe"]
    print(f"digest     {found['digest']}")
    for output in found["outputs"]:
        if "function" in output:
            function, axis = output["function"], output["function"].get("axis")
            over = "" if axis is None else f" over axis {axis}"
            print(f"output     {output['name']}: {function['function']}{over}")
    print(f"MACs       {totals['macs']:,} an image, {totals['params']:,} parameters")
    memory = totals["arena_bytes"], totals["packed_bytes"]
    print(f"memory     {memory[0]:,} bytes of activations an image, {memory[1]:,} of packed weights")
    spare = found["overflow"]["headroom_bits"]
    if spare is not None:
        print(f"overflow   impossible: {spare} spare bits in the fullest accumulator")
    if recipe:
        form = f"{recipe['channels']} x {recipe['height']} x {recipe['width']}"
        mean, std = (", ".join(f"{value:.6g}" for value in recipe[key]) for key in ("mean", "std"))
        print(f"input      {form} pixels; (pixel / {recipe['divide']} - mean) / std, mean {mean}, std {std}")
    if "resize" in recipe:
        rest = (
            f"{name.replace('_', ' ')} {value}" for name, value in recipe["resize"].items() if name != "fit"
        )
        print(f"pictures   of any size: {', '.join((recipe['resize']['fit'], *rest))}")
    if recipe.get("classes"):
        print(f"classes    {', '.join(recipe['classes'])}")
    print(f"made by    {', '.join(f'{name} {version}' for name, version in found['made_by'].items())}")
    return 0


def _verify(args: Arguments) -> int:
    model = frozen.load(args.file)
    model.verify()
    if args.json:
        print(json.dumps({"file": args.file, "digest": model.digest, "isa": isa(), "passed": True}))
    else:
        print(f"{args.file}: the self-check passed on {isa()}")
    return 0
