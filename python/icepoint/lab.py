"""The flower lab's main program: float inference, calibration, freezing, integer inference, line by line."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import flowers, set_num_threads
from .drawn_flowers import write_drawn_flowers
from .exit_code import exit_code
from .frozen import FrozenModel
from .models import Vgg
from .state_dicts import load_state
from .vision import pixels_to_input, prepare_pixels, read_image

CHECKPOINT = Path(__file__).resolve().parents[2] / "ckpt" / "flowers_vgg.pt"
_CALIBRATION_PHOTOS = 25  # a class

Dataset = Sequence[tuple[str, int]]


def resize_image(image: np.ndarray, target_size: tuple[int, int]) -> np.ndarray:
    """uint8 (h, w, 3) scaled to fit `target_size` (height, width) and laid top left on grey 114.

    Both sides shrink or grow by the same factor, with OpenCV's INTER_LINEAR.

    >>> resize_image(np.zeros((20, 10, 3), np.uint8), (4, 4))[0, :, 0]
    array([  0,   0, 114, 114], dtype=uint8)
    """
    height, width = target_size
    return prepare_pixels(image, flowers.RECIPE, height, width)[0]


def process_image(path: str | Path, size: int = 224) -> torch.Tensor:
    """float32 (1, 3, size, size): the picture in RGB by resize_image, normalized.

    ValueError for what is no PNG or JPEG, OSError where there is no file.
    """
    return pixels_to_input(resize_image(read_image(path), (size, size)), flowers.RECIPE)


def full_inference(model: nn.Module, dataset: Dataset) -> np.ndarray:
    """Prints each picture's probabilities by the float model; returns them, float32 (pictures, classes)."""
    return _infer(model, model, dataset, "Start full inference")


def direct_quantize(model: nn.Module, dataset: Dataset) -> np.ndarray:
    """Calibrates: as full_inference, by `model.quantize_forward`, which observes the ranges."""
    return _infer(model, model.quantize_forward, dataset, "Start quantize")


def quantize_inference(model: nn.Module, dataset: Dataset) -> np.ndarray:
    """As full_inference, by `model.quantize_inference`: integers from the input's codes to the logits'."""
    return _infer(model, model.quantize_inference, dataset, "Start quantize inference")


def _infer(
    model: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor], dataset: Dataset, title: str
) -> np.ndarray:
    size = getattr(model, "image_size", 224)
    found = []
    print("*" * 50)
    print(title)
    for path, label in dataset:
        print(f"Start inference: {path}")
        with torch.no_grad():
            probabilities = forward(process_image(path, size)).softmax(dim=1).numpy()
        with np.printoptions(suppress=True):
            print(f"Predict probability: {np.around(probabilities, 4)}")
        print(f"Inference result: {bool(probabilities.argmax() == label)}\n")
        found.append(probabilities)
    return np.concatenate(found)


def run(
    net: Vgg,
    dataset: Dataset,
    calibration: Dataset | None = None,
    num_bits: int = 8,
    classes: Sequence[str] = flowers.CLASSES,
) -> tuple[np.ndarray, np.ndarray, FrozenModel]:
    """The lab from its third step on: full inference, calibration, freezing, integer inference.

    `calibration` stands for the pictures that show the ranges; without it, as in the lab, `dataset`.
    `classes` name the answers in the frozen model.
    Returns the float and the integer probabilities, (pictures, classes) each, and the frozen model.
    """
    full = full_inference(net, dataset)
    net.quantize(num_bits=num_bits)
    direct_quantize(net, dataset if calibration is None else calibration)
    frozen = net.freeze(recipe=replace(flowers.RECIPE, classes=classes))
    return full, quantize_inference(net, dataset), frozen


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m icepoint.lab`; returns the exit code: 0, or 1 with one line on stderr."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    set_num_threads(1)

    def run_in_scratch() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            _run(args, Path(scratch))

    return exit_code("icepoint.lab", run_in_scratch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m icepoint.lab",
        description="The VGG16 flower lab: float inference, calibration, freezing, integer inference.",
        epilog="example: python -m icepoint.lab --data flower_photos --all --out build/flowers.ice",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help=f"a folder with the folders {', '.join(flowers.CLASSES)}, or with one for each class of other "
        "--weights, in the order of their names; default: ../shared/data/flowers/val, or else drawn flowers",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", default=CHECKPOINT,
        help="a state_dict of icepoint.models.Vgg, of any width and any number of classes; "
        "default: the committed narrow network",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="every picture instead of one a class")
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR",
        help=f"calibrate on {_CALIBRATION_PHOTOS} pictures a class of this folder; "
        "default: on the pictures themselves, as the lab does",
    )  # fmt: skip
    parser.add_argument("--num-bits", type=int, default=8, choices=range(2, 9), metavar="2..8",
                        help="default: %(default)s")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE.ice", help="save the frozen network")
    return parser


def _run(args: argparse.Namespace, scratch: Path) -> None:
    if args.out and not args.out.parent.is_dir():
        raise FileNotFoundError(f"--out {args.out}: there is no folder {args.out.parent}")
    net, per_class = _network(args.weights), None if args.all else 1
    folder = args.data or flowers.photographs("val")
    if folder is None:
        print("No photographs are at hand (--data DIR): these flowers are drawn.")
        folder = scratch
        write_drawn_flowers(folder, per_class or 10)
    classes = flowers.classes_of(folder, net.fullyconnect3.out_features)
    dataset = flowers.pictures_of(folder, per_class, classes)
    calibration = args.calibration and flowers.pictures_of(args.calibration, _CALIBRATION_PHOTOS, classes)

    full, quantized, frozen = run(net, dataset, calibration, args.num_bits, classes)
    if args.out:
        frozen.save(args.out)
    if args.all:
        labels = np.array([label for _, label in dataset])
        right = [int((found.argmax(1) == labels).sum()) for found in (full, quantized)]
        print(f"Right of {len(labels)}: float {right[0]}, integers {right[1]}")


def _network(path: Path) -> Vgg:
    """ValueError, with the path, for a file that holds no weights of a Vgg."""
    state = load_state(path)
    try:
        return Vgg.of(state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
