"""`python -m icepoint evaluate`: accuracy and confusion over labelled pictures, as `icepoint eval`."""

from __future__ import annotations

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .. import frozen, get_num_threads, isa, set_num_threads
from ..evaluate import Evaluation, evaluate_folder, evaluate_idx
from .arguments import Arguments, Commands, positive
from .launched import launched

_MOST_CLASSES, _MOST_MISTAKES = 20, 20


def add_to(add: Commands) -> None:
    command = add("evaluate", _evaluate, "count a frozen file's right answers over folders of pictures",
                  "flowers.ice flowers/val")  # fmt: skip
    command.add_argument("file", metavar="FILE.ice")
    command.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="with a folder of pictures for each class"
    )
    command.add_argument("--idx", nargs=2, metavar=("IMAGES", "LABELS"), help="IDX files instead of a folder")
    command.add_argument("--batch", type=positive, default=64, help="images at once; default: %(default)s")
    command.add_argument("--threads", type=positive, help="default: all CPUs, or ICEPOINT_THREADS; of "
                         "each worker under torchrun one")  # fmt: skip


@launched
def _evaluate(args: Arguments) -> int:
    if (args.folder is None) == (args.idx is None):
        raise ValueError("expected either a folder of class folders or --idx IMAGES LABELS")
    model = frozen.load(args.file)
    if args.threads:
        set_num_threads(args.threads)
    run = evaluate_idx(model, *args.idx, args.batch) if args.idx else evaluate_folder(
        model, args.folder, args.batch
    )  # fmt: skip
    if args.json:
        print(json.dumps(_json(args, model.digest, run)))
        return 0
    print(f"accuracy   {100 * run.accuracy:.2f} %  ({run.correct:,} of {run.images:,})")
    print(f"speed      {run.images_per_second:,.0f} images/s  ({isa()}, threads {get_num_threads()}, "
          f"batch {args.batch})")  # fmt: skip
    print(f"outputs    SHA-256 {run.output_sha256}\n")
    console = Console()
    console.width = max(console.width, 110)
    console.print(_table(run))
    return 0


def _json(args: Arguments, digest: str, run: Evaluation) -> dict[str, Any]:
    return {
        "model": args.file,
        "digest": digest,
        "isa": isa(),
        "threads": get_num_threads(),
        "images": run.images,
        "correct": run.correct,
        "accuracy": run.accuracy,
        "images_per_second": run.images_per_second,
        "output_sha256": run.output_sha256,
        "classes": run.classes,
        "confusion": run.confusion.tolist(),
    }


def _table(run: Evaluation) -> Table:
    """The confusion matrix, or the commonest mistakes where there are many classes."""
    table = Table(box=SIMPLE_HEAD)
    if len(run.classes) <= _MOST_CLASSES:
        table.add_column("truth \\ answer")
        for name in run.classes:
            table.add_column(name, justify="right")
        for name, row in zip(run.classes, run.confusion.tolist(), strict=True):
            table.add_row(name, *(str(count) if count else "." for count in row))
        return table
    for title in ("truth", "taken for", "times"):
        table.add_column(title, justify="right" if title == "times" else "left")
    for truth, answer, count in run.mistakes()[:_MOST_MISTAKES]:
        table.add_row(run.classes[truth], run.classes[answer], str(count))
    return table
