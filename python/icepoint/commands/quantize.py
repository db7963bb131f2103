"""`python -m icepoint quantize`: from a float model and a folder of pictures to a frozen file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..accuracy import RECIPES, STEPS
from ..calibration_files import first_image
from ..coverage import coverage
from ..distributed import workers
from ..observers import METHODS
from ..options import OUTPUTS, Bits
from ..quantize import quantize
from ..quantized import QuantizedModel
from ..recipe import FILTERS, Recipe
from ..weights import SCHEMES
from .arguments import Arguments, Commands
from .launched import launched
from .model_names import load_model


def add_to(add: Commands) -> None:
    command = add("quantize", _quantize, "turn a float model into integers, with a report, and freeze it",
                  "torchvision:resnet18 --weights resnet18.pt --data photos/ --input 3,224,224 "
                  "--resize crop:256 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 "
                  "--out resnet18.ice")  # fmt: skip
    add_model(command)
    command.add_argument("--out", type=Path, metavar="FILE.ice", help="default: named after the model")


def add_model(command: argparse.ArgumentParser) -> None:
    """The arguments that say which model becomes which integers, on which data."""
    add_source(command)
    command.add_argument("--data", required=True, metavar="DATA", help="to calibrate on: a folder of "
                         "pictures, or a .npy or .npz of float32 inputs or uint8 pixels")  # fmt: skip
    add_recipe(command)
    command.add_argument("--classes", nargs="+", metavar="NAME", default=(), help="of the outputs, in order")
    command.add_argument("--bits", type=int, default=8, help="of all codes, 2..8; default: %(default)s")
    command.add_argument("--weight-bits", type=_layer_bits, action="append", metavar="[PATTERN=]BITS",
                         help="of the weights where they differ; PATTERN matches layer names, "
                         "as classifier.*=4; may be given several times")  # fmt: skip
    command.add_argument("--activation-bits", type=_layer_bits, action="append", metavar="[PATTERN=]BITS",
                         help="of inputs and results where they differ, as --weight-bits")  # fmt: skip
    add_methods(command)


def add_source(command: argparse.ArgumentParser) -> None:
    """The arguments of load_model."""
    command.add_argument("model", metavar="MODEL", help="torchvision:NAME[:WEIGHTS.pt], file.py:function or "
                         "package.module:function; the function gives an nn.Module")  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE.pt", help="a state_dict for the model")


def add_methods(command: argparse.ArgumentParser) -> None:
    """The arguments that say how integers are chosen, however many bits they have."""
    command.add_argument("--observer", choices=METHODS, help="how ranges are chosen; default: the recipe's")
    command.add_argument("--power-of-two", action="store_true", help="scales that are shifts, for hardware")
    command.add_argument("--outputs", choices=OUTPUTS, default=OUTPUTS[0],
                         help="what the reals of a last convolution or linear layer are made of; "
                         "default: %(default)s")  # fmt: skip
    command.add_argument("--recipe", type=_methods, default="accurate", metavar="RECIPE",
                         help=f"what is done for the accuracy: {', '.join(RECIPES)}, or methods with commas "
                         f"between: {', '.join(STEPS)}; default: %(default)s")  # fmt: skip
    command.add_argument("--scheme", choices=SCHEMES, default=SCHEMES[0],
                         help="of the weights; default: %(default)s")  # fmt: skip


def add_recipe(command: argparse.ArgumentParser) -> None:
    """The arguments that say how pictures become inputs; recipe_of reads them, and --classes."""
    command.add_argument("--input", type=_shape, metavar="C,H,W",
                         help="the shape of one input; default: that of the first image")  # fmt: skip
    command.add_argument(
        "--mean", type=float, nargs="+", help="of the recipe, one a channel: how pixels become inputs"
    )
    command.add_argument("--std", type=float, nargs="+", help="of the recipe, one a channel")
    command.add_argument("--divide", type=int, choices=[1, 255], default=255,
                         help="what pixels are divided by first; default: %(default)s")  # fmt: skip
    command.add_argument("--resize", type=_fit, metavar="FIT",
                         help="how pictures of any size become --input's: letterbox (all of it, top left on "
                         "--fill), crop:SIDE (the shorter side to SIDE, then the centre) or stretch; "
                         "default: they have that size")  # fmt: skip
    command.add_argument("--filter", choices=FILTERS,
                         help="of --resize; default: opencv_linear for letterbox, else torchvision's bilinear"
                         )  # fmt: skip
    command.add_argument("--fill", type=int, metavar="GREY", help="of letterbox, 0..255; default: 114")


def quantized_of(args: Arguments) -> QuantizedModel:
    """The model of add_model's arguments, quantized; tells first what becomes integer, unless for JSON."""
    recipe = recipe_of(args)
    model = load_model(args.model, args.weights)
    example = first_image(args.data, recipe, args.input)
    if not args.json:
        told = coverage(model, example)
        print(f"{told}\n", flush=True)  # before what may take minutes
        if not told.is_complete:
            raise ValueError(f"{args.model} has parts without an integer form, listed above")
    return quantize(
        model, example, args.data, args.bits, args.scheme, args.recipe, input_recipe=recipe,
        weight_bits=_bits_of("--weight-bits", args.weight_bits),
        activation_bits=_bits_of("--activation-bits", args.activation_bits),
        observer=args.observer, power_of_two=args.power_of_two, outputs=args.outputs,
    )  # fmt: skip


@launched
def _quantize(args: Arguments) -> int:
    quantized = quantized_of(args)
    if workers().rank:  # all have made the same integers
        return 0
    out = args.out or Path(args.model.split(":")[1]).with_suffix(".ice")
    report = quantized.measure(remedies=False)
    frozen = quantized.freeze()
    frozen.save(out)
    size = len(frozen.file_bytes)
    if args.json:
        found = {"model": args.model, "out": str(out), "bytes": size, "digest": frozen.digest}
        print(json.dumps(found | report.to_dict()))
        return 0
    print(report)
    print(f"digest {frozen.digest}\nsaved  {out}, {size:,} bytes")
    return 0


def recipe_of(args: Arguments) -> Recipe | None:
    """The input recipe of add_recipe's arguments; ValueError where they do not fit together."""
    resize = _resize(args)
    if args.mean is None and args.std is None:
        for option, given in (("--classes", args.classes), ("--resize", resize)):
            if given:
                raise ValueError(f"{option}: it belongs to a recipe; give --mean and --std too")
        return None
    if args.mean is None or args.std is None:
        raise ValueError("expected both --mean and --std, or neither")
    size = tuple(args.input[-2:]) if resize else None
    return Recipe(args.mean, args.std, args.classes, args.divide, resize, size)


def _resize(args: Arguments) -> dict[str, Any] | None:
    """The recipe's member of --resize, --filter and --fill."""
    fit = (args.resize or {}).get("fit")
    for option, given, owners in (
        ("--fill", args.fill, ("letterbox",)),
        ("--filter", args.filter, ("letterbox", "crop", "stretch")),
    ):
        if given is not None and fit not in owners:
            raise ValueError(f"{option}: it belongs to --resize {' or '.join(owners)}")
    if fit is None:
        return None
    if args.input is None or len(args.input) != 3:
        raise ValueError("--resize: expected the size that pictures get, --input C,H,W")
    found = {**args.resize, "filter": args.filter or ("opencv_linear" if fit == "letterbox" else "bilinear")}
    return found | ({"fill": 114 if args.fill is None else args.fill} if fit == "letterbox" else {})


def _bits_of(option: str, given: list[tuple[str, int]] | None) -> Bits:
    given = given or []
    plain = [bits for pattern, bits in given if not pattern]
    if len(plain) > 1 or (plain and len(given) > 1):
        raise ValueError(f"{option}: expected one number, or patterns alone")
    return plain[0] if plain else dict(given) or None


def _methods(text: str) -> str | list[str]:
    return text if text in RECIPES else text.split(",")


def _layer_bits(text: str) -> tuple[str, int]:
    pattern, _, bits = text.rpartition("=")
    if not (bits.isascii() and bits.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither BITS nor PATTERN=BITS")
    return pattern, int(bits)


def _fit(text: str) -> dict[str, Any]:
    fit, _, side = text.partition(":")
    if text in ("letterbox", "stretch"):
        return {"fit": text}
    if fit == "crop" and side.isascii() and side.isdigit():
        return {"fit": "crop", "shorter_side": int(side)}
    raise argparse.ArgumentTypeError(f"{text!r} is neither letterbox nor stretch nor crop:SIDE, as crop:256")


def _shape(text: str) -> tuple[int, ...]:
    sides: list[Any] = text.split(",")
    if not all(side.isascii() and side.isdigit() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is no shape of positive numbers, as 3,224,224")
    return tuple(int(side) for side in sides)
