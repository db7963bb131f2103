"""Trains the lab's VGG16 on flower photographs, for few bits too: `python -m icepoint.training.flowers`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import executable, flowers
from ..exit_code import exit_code
from ..lab import CHECKPOINT, resize_image
from ..models import Vgg
from ..progress import progress_bar
from ..quantize import quantize
from ..vision import pixels_to_input, read_image
from .augment import augment, mixed
from .classifier import accuracy, save_checkpoint
from .epochs import run_epochs
from .judged import Judged
from .learned import LearnedRange
from .prepare import prepare

_LOADED = 224  # pixels; augmentation samples smaller pictures out of these
_BATCH, _LEARNING_RATE, _WEIGHT_DECAY, _SMOOTHING = 32, 1e-3, 0.05, 0.1
_EPOCHS = 160
# With few bits a trained network is trained on, from where calibration alone ends. Start, rates and loss were
# compared on train pictures kept from training (docs/training.md).
_BITS_EPOCHS, _BITS_RATE, _BITS_START = 12, 3e-4, "accurate"
_RANGES_FASTER = 10  # an Adam step moves a range by its rate of itself, and 12 epochs are only 384 steps
# Pixels come in 8 bits. Fewer would throw away what no later layer can bring back: DoReFa (2016), PACT (2018)
# and LSQ (2020) mean by "4 bits" that pixels keep theirs, too.
_INPUT, _INPUT_BITS = "x", 8


def load_pictures(folder: str | Path, size: int) -> tuple[np.ndarray, torch.Tensor]:
    """The pictures of four class folders by the lab's resize: uint8 (n, size, size, 3), int64 (n,)."""
    pairs = flowers.pictures_of(folder)
    pixels = np.stack([resize_image(read_image(path), (size, size)) for path, _ in pairs])
    return pixels, torch.tensor([label for _, label in pairs])


def initialize(net: Vgg, seed: int) -> None:
    """He's initialization, without which the signal fades over sixteen layers; small last weights."""
    generator = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
    nn.init.normal_(net.fullyconnect3.weight, std=0.01, generator=generator)


def train(
    net: nn.Module,
    pixels: np.ndarray,
    labels: torch.Tensor,
    epochs: int,
    seed: int,
    size: int,
    precision: torch.dtype = torch.bfloat16,
    learning_rate: float = _LEARNING_RATE,
    weight_decay: float = _WEIGHT_DECAY,
    teacher: nn.Module | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Trains in place on uint8 (n, h, w, 3) as pictures of size x size; returns the mean loss of each epoch.

    AdamW (Loshchilov and Hutter, 2019), one cycle of the learning rate, smoothed labels. Nothing is
    chosen by looking at other pictures: the network after the last step is the result. With
    bfloat16 the layers multiply in it, and sums, weights and steps stay float32.

    With a `teacher`, the float network, there are no labels: pictures are mixed, and the loss is the squared
    distance of the scores from the teacher's (J. Ba, R. Caruana, "Do deep nets really need to be deep?",
    2014). On its own training pictures its probabilities are all but 0 and 1 and say little; its scores
    for what lies between two pictures say how it decides (L. Beyer et al., "Knowledge distillation: a good
    teacher is patient and consistent", 2022).
    """
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (flowers.RECIPE.mean, flowers.RECIPE.std))
    stored = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    steps = epochs * -(-len(stored) // _BATCH)
    ranges = {p for m in net.modules() if isinstance(m, LearnedRange) for p in m.parameters()}
    others = [p for p in net.parameters() if p not in ranges]
    rates = [learning_rate, learning_rate * _RANGES_FASTER]
    groups = [{"params": others}, {"params": [p for p in net.parameters() if p in ranges]}]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=0.15)

    def loss_of(places: torch.Tensor) -> torch.Tensor:
        x = (augment(stored[places], size, generator) - mean) / std
        if teacher is not None:
            x = mixed(x, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            scores = net(x.contiguous(memory_format=torch.channels_last))
        if teacher is None:
            return F.cross_entropy(scores.float(), labels[places], label_smoothing=_SMOOTHING)
        with torch.no_grad():
            wanted = teacher(x)
        return F.mse_loss(scores.float(), wanted)

    net.train().to(memory_format=torch.channels_last)
    losses = run_epochs(len(stored), epochs, _BATCH, generator, loss_of, optimizer, schedule, progress)
    net.eval().to(memory_format=torch.contiguous_format)
    return losses


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, writes the float16 checkpoint and judges it; returns 0, or 1 with one line on stderr."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    return exit_code("icepoint.training.flowers", lambda: _run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m icepoint.training.flowers",
        description="Train the lab's VGG16 on folders of flower photographs, deterministically, on one core.",
    )
    data = flowers.photographs("train")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=data and data.parent, required=data is None,
        help="a folder with train/ and val/, each with a folder a class; default: ../shared/data/flowers",
    )  # fmt: skip
    parser.add_argument("--width", type=float, default=0.25, help="of the convolutions; default: %(default)s")
    parser.add_argument("--image-size", type=int, default=96, help="pixels; default: %(default)s")
    parser.add_argument("--hidden", type=int, default=256, help="of the linear layers; default: %(default)s")
    parser.add_argument(
        "--bits", type=int, metavar="N",
        help="train the float network of --weights on with weights and activations of N bits (2..8), "
        f"pixels of {_INPUT_BITS}, and save FILE.ice",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=Path, default=CHECKPOINT, metavar="FILE.pt", help="for --bits; default: %(default)s"
    )
    parser.add_argument("--epochs", type=int, help=f"default: {_EPOCHS}, with --bits {_BITS_EPOCHS}")
    parser.add_argument("--seed", type=int, default=1, help="of everything random; default: %(default)s")
    parser.add_argument(
        "--precision", choices=["bfloat16", "float32"], default="bfloat16",
        help="float32 where the CPU has no AVX512-BF16; takes twice as long; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"default: {CHECKPOINT}, with --bits build/flowers_Nbits.ice"
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    if args.bits is not None:
        _run_for_bits(args)
    else:
        _run_in_float(args)


def _run_for_bits(args: argparse.Namespace) -> None:
    net = Vgg.of(torch.load(args.weights, weights_only=True)).eval()
    pixels, truth = load_pictures(args.data / "val", net.image_size)
    pictures = pixels_to_input(pixels, flowers.RECIPE)
    calibration = pixels_to_input(load_pictures(args.data / "train", net.image_size)[0][::10], flowers.RECIPE)

    def right(network: nn.Module) -> int:
        return round(len(truth) * accuracy(network, pictures, truth, batch_size=60))

    out = args.out or Path("build") / f"flowers_{args.bits}bits.ice"
    out.parent.mkdir(parents=True, exist_ok=True)
    given = net, pictures[:1], calibration, args.bits
    chosen: dict[str, Any] = {
        "recipe": _BITS_START, "input_recipe": flowers.RECIPE, "activation_bits": {_INPUT: _INPUT_BITS},
    }  # fmt: skip
    untrained = right(quantize(*given, **chosen))
    qat = prepare(*given, **chosen)
    losses, seconds = _train_with_bar(
        qat, args, args.epochs or _BITS_EPOCHS, net.image_size,
        learning_rate=_BITS_RATE, weight_decay=0.0, teacher=net,
    )  # fmt: skip
    qat.freeze().save(out)
    program = executable.program()
    share = program and executable.call(program, "eval", out, args.data / "val")["accuracy"]
    counted = None if share is None else round(len(truth) * share)
    integers = f"weights and activations of {args.bits} bits, pixels of {_INPUT_BITS}"
    print(Judged(integers, len(truth), right(net), untrained, right(qat), counted, seconds, losses[-1]))
    print(f"saved {out}")


def _train_with_bar(
    net: nn.Module, args: argparse.Namespace, epochs: int, size: int, **options: Any
) -> tuple[list[float], float]:
    """The mean loss of each epoch, and seconds."""
    pixels, labels = load_pictures(args.data / "train", _LOADED)
    start = time.monotonic()
    with progress_bar("training Vgg", epochs * len(pixels)) as advance:
        losses = train(
            net, pixels, labels, epochs, args.seed, size, getattr(torch, args.precision),
            progress=lambda count, loss: advance(count, f"loss {loss:.3f}"), **options,
        )  # fmt: skip
    return losses, time.monotonic() - start


def _run_in_float(args: argparse.Namespace) -> None:
    net = Vgg(len(flowers.CLASSES), args.width, args.image_size, args.hidden)
    initialize(net, args.seed)
    epochs, out = args.epochs or _EPOCHS, args.out or CHECKPOINT
    losses, seconds = _train_with_bar(net, args, epochs, net.image_size)
    save_checkpoint(net.half(), out)

    stored = Vgg.of(torch.load(out, weights_only=True))
    pixels, labels = load_pictures(args.data / "val", args.image_size)
    right = accuracy(stored, pixels_to_input(pixels, flowers.RECIPE), labels, batch_size=60) * len(labels)
    print(f"{epochs} epochs in {seconds:.0f} s, seed {args.seed}, mean loss of the last {losses[-1]:.4f}")
    print(f"right on {right:.0f} of {len(labels)} other photographs: {100 * right / len(labels):.1f} %")
    print(f"saved {out}, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
