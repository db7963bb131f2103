"""`python -m icepoint compare`: two models on the same data, frozen files or float ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from .. import frozen
from ..calibration_data import Batches
from ..calibration_files import first_image
from ..compare import Comparison, compare
from ..recipe import Recipe
from ..report.outputs import sqnr_text
from .arguments import Arguments, Commands
from .model_names import load_model
from .quantize import add_recipe, recipe_of


def add_to(add: Commands) -> None:
    command = add("compare", _compare, "say how far the answers of two models lie apart",
                  "torchvision:resnet18:resnet18.pt resnet18.ice --data photos/")  # fmt: skip
    for name, what in (("a", "what is taken for the truth"), ("b", "what is compared with it")):
        command.add_argument(name, metavar=name.upper(), help=f"{what}: FILE.ice, or a float "
                             "model, torchvision:NAME[:WEIGHTS.pt] or file.py:function")  # fmt: skip
    command.add_argument("--data", required=True, metavar="DATA", help="a folder of pictures, or a .npy or "
                         ".npz of float32 inputs or uint8 pixels")  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE.pt", help="a state_dict for the float model")
    command.set_defaults(classes=())
    add_recipe(command)


def _compare(args: Arguments) -> int:
    models = [_model(name, args) for name in (args.a, args.b)]
    recipe = _recipe(args, models)
    example = _example(args, models, recipe)
    found = compare(*models, Batches(args.data, [example], recipe, who="--data"))
    if args.json:
        print(json.dumps({"a": args.a, "b": args.b} | found.to_dict()))
    else:
        print(_told(args, found))
    return 0


def _model(name: str, args: Arguments) -> nn.Module:
    return frozen.load(name) if name.endswith(".ice") else load_model(name, args.weights)


def _recipe(args: Arguments, models: list[nn.Module]) -> Recipe | None:
    """How pictures become inputs: as the arguments say, or as the files do."""
    given = recipe_of(args)
    if given is not None:
        return given
    recipes = [m.recipe for m in models if isinstance(m, frozen.FrozenModel)]
    known = [recipe for recipe in recipes if recipe is not None]
    if len({replace(recipe, classes=()) for recipe in known}) > 1:
        raise ValueError(f"{args.a} and {args.b} prepare pictures differently; give --mean and --std")
    return known[0] if known else None


def _example(args: Arguments, models: list[nn.Module], recipe: Recipe | None) -> torch.Tensor:
    for model in models:
        if isinstance(model, frozen.FrozenModel):
            inputs = model.describe()["inputs"]
            if len(inputs) != 1:
                raise ValueError(f"compare: expected models of one input, found {len(inputs)}")
            return torch.zeros(1, *inputs[0]["shape"])
    return first_image(args.data, recipe, args.input)


def _told(args: Arguments, found: Comparison) -> str:
    lines = [f"{args.a} against {args.b} on {found.images:,} images"]
    if found.agreement is not None:
        lines.append(f"answers    {found.changed:,} of {found.answers:,} changed, "
                     f"{100 * found.agreement:.2f} % agree")  # fmt: skip
    lines.append(f"outputs    {sqnr_text(found.sqnr_db)}, greatest difference {found.greatest:.4g}")
    if found.code_difference is not None:
        plural = "" if found.code_difference == 1 else "s"
        lines.append(
            f"codes      greatest difference {found.code_difference} step{plural} of the output's scale"
        )
    if found.layers_compared:
        first = found.first_difference
        if first is None:
            lines.append(f"layers     {found.layers_compared} have one name, and the same codes")
        else:
            own = ", ".join(first.numbers) or "none of its own numbers"
            lines.append(f"layers     the first of {found.layers_compared} that differs is {first.layer}: "
                         f"{first.codes:,} of {first.of:,} codes, by up to {first.greatest}; "
                         f"it has other values of: {own}")  # fmt: skip
    return "\n".join(lines)
