"""Trains on real digits, turns three networks into integers, replays them and compares every byte."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import nn

from .. import data, freeze, isa, set_num_threads
from ..executable import accuracy_on_idx
from ..idx import write_idx
from ..models import Net, NetBN
from ..progress import progress_bar
from ..training import accuracy, train_classifier
from . import measure
from .own import OwnNet
from .picture import draw
from .result import Result

EPOCHS, SEED, CALIBRATION_DIGITS = 12, 1, 400
BATCHES = 1, 250
FOLDER, PROGRAM = Path("build/demo"), Path("build/icepoint")

# Each network, and where its float output stands that a frozen layer replaces.
NETWORKS: list[tuple[Callable[[], nn.Module], measure.Taps]] = [
    (
        Net,
        {
            "qconv1": lambda out: out["conv1"],
            "qconv2": lambda out: out["conv2"],
            "qfc": lambda out: out["fc"],
        },
    ),
    (
        NetBN,
        {
            "qconv1": lambda out: F.relu(out["bn1"]),
            "qconv2": lambda out: F.relu(out["bn2"]),
            "qfc": lambda out: out["fc"],
        },
    ),
    (
        OwnNet,
        {
            "qstem": lambda out: F.relu(out["stem_bn"]),
            "qdepth": lambda out: F.relu(out["depth_bn"]),
            "qpoint": lambda out: out["point"],
            "qadd": lambda out: F.relu(out["stem_bn"]) + out["point"],
            "qdown": lambda out: F.relu(out["down_bn"]),
            "qwide": lambda out: F.relu(out["wide_bn"]),
            "qpool": lambda out: F.adaptive_avg_pool2d(F.relu(out["wide_bn"]), 2),
            "qfc": lambda out: out["fc"],
        },
    ),
]


def main() -> int:
    """Returns 0, or 1 where two roads disagree in a single byte."""
    console = Console()
    start = time.monotonic()
    if not PROGRAM.exists():
        print(f"demo: {PROGRAM} is not built; run it with: make demo", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    digits = data.load("mnist", embedded=True)
    console.print(f"Real handwritten digits: {digits.source}.")
    if len(data.load("mnist").train_images) < 60_000:
        console.print("The full MNIST is not on this machine; the demo does not need it.")
    write_idx(FOLDER / "images.idx", digits.test_images)
    write_idx(FOLDER / "labels.idx", digits.test_labels)

    results = [demonstrate(make, taps, digits) for make, taps in NETWORKS]
    picture = FOLDER / "demo.png"
    draw(results, digits.test_images, digits.test_labels, picture)
    console.print(table(results, len(digits.test_labels)))
    console.print(f"One picture: {picture}. Frozen files: {FOLDER}/*.ice. {time.monotonic() - start:.0f} s.")
    for result in results:
        if not result.agree:
            print(f"demo: {result.name}: the roads disagree: {result.digests}", file=sys.stderr)
    return 0 if all(result.agree for result in results) else 1


def demonstrate(make: Callable[[], nn.Module], taps: Mapping, digits: data.Dataset) -> Result:
    """Trains one network in float, freezes it and measures it on every road."""
    images, labels = data.normalize(digits.train_images), torch.from_numpy(digits.train_labels).long()
    test_images, test_labels = data.normalize(digits.test_images), torch.from_numpy(digits.test_labels).long()
    torch.manual_seed(SEED)
    net = make()
    name = type(net).__name__
    with progress_bar(f"training {name}", EPOCHS * len(images)) as advance:
        train_classifier(
            net, images, labels, epochs=EPOCHS, seed=SEED,
            progress=lambda count, loss: advance(count, f"loss {loss:.3f}"),
        )  # fmt: skip
    float_bytes = sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())

    net.quantize(num_bits=8)
    with torch.no_grad():
        # Every tenth digit: all ten classes, in the order of the file.
        net.quantize_forward(images[:: len(images) // CALIBRATION_DIGITS])
    frozen = freeze(net, images[:1], recipe=data.RECIPES["mnist"])
    path = frozen.save(FOLDER / f"{name}.ice")

    with progress_bar(f"replaying {name}", 3) as advance:
        codes = {"QModules": measure.road_codes(net, test_images)}
        advance(1)
        codes["frozen"] = frozen.codes(test_images).numpy()
        advance(1)
        codes["executable"] = measure.executable_codes(PROGRAM, path, FOLDER / "images.idx")
        advance(1)
    scores = {"float": net(test_images).detach(), "frozen": frozen(test_images)}
    shares = {"float": accuracy(net, test_images, test_labels)}
    shares["QModules"] = accuracy(net.quantize_inference, test_images, test_labels)
    shares["frozen"] = accuracy(frozen, test_images, test_labels)
    shares["executable"] = accuracy_on_idx(PROGRAM, path, FOLDER / "images.idx", FOLDER / "labels.idx")
    times = {batch: latencies(net, frozen, test_images[:batch]) for batch in BATCHES}
    return Result(
        name=name,
        accuracy=shares,
        digests={who: measure.sha256(found) for who, found in codes.items()},
        float_bytes=float_bytes,
        file_bytes=path.stat().st_size,
        float_us={batch: found["float"] for batch, found in times.items()},
        frozen_us={batch: found["frozen"] for batch, found in times.items()},
        sqnr=measure.layer_sqnr(net, taps, frozen, test_images),
        float_scores=scores["float"].numpy(),
        integer_scores=scores["frozen"].numpy(),
    )


def latencies(net: nn.Module, frozen: nn.Module, x: torch.Tensor) -> dict[str, float]:
    """Microseconds an image of the float and of the frozen network, each on one thread."""
    with torch.inference_mode():
        return measure.microseconds({"float": lambda: net(x), "frozen": lambda: frozen(x)}, len(x))


def table(results: list[Result], count: int) -> Table:
    """One column a network."""
    title = f"{count:,} test digits, one thread, {isa()} kernels"
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    found.add_column("", no_wrap=True)
    for result in results:
        found.add_column(result.name, justify="right", no_wrap=True)

    def row(name: str, cell: Callable[[Result], str], end: bool = False) -> None:
        found.add_row(name, *map(cell, results), end_section=end)

    roads = {"QModules": "QModule by QModule", "frozen": "frozen, Python", "executable": "frozen, executable"}
    row("accuracy, float", lambda r: f"{r.accuracy['float']:.1%}")
    for who, name in roads.items():
        row(f"accuracy, {name}", lambda r, who=who: f"{r.accuracy[who]:.1%}", end=who == "executable")
    for who, name in roads.items():
        row(f"SHA-256, {name}", lambda r, who=who: f"{r.digests[who][:10]}…")
    row("all output bytes", lambda r: "[green]equal[/]" if r.agree else "[bold red]DIFFER[/]", end=True)
    row("kB, float parameters", lambda r: f"{r.float_bytes / 1000:.1f}")
    row("kB, frozen file", lambda r: f"{r.file_bytes / 1000:.1f}", end=True)
    for batch in BATCHES:
        row(f"µs an image, batch {batch}, float", lambda r, batch=batch: f"{r.float_us[batch]:.1f}")
        row(f"µs an image, batch {batch}, frozen", lambda r, batch=batch: f"{r.frozen_us[batch]:.1f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
