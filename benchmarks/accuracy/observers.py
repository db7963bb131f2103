"""The table of docs/observers.md: what each method of choosing ranges is worth on one network.

python -m benchmarks.accuracy.observers [mobilenet [accurate]]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from icepoint import quantize
from icepoint.observers import METHODS, Observer, Percentile

from .score import score
from .subjects import SUBJECTS

_BITS = (8, 6, 4)  # of the activations; weights keep 8
_OBSERVERS: tuple[str | Observer, ...] = (*METHODS, Percentile(99.9))


def main(name: str = "mobilenet", recipe: str = "fast") -> None:
    subject = SUBJECTS[name]
    if missing := subject.needs():
        sys.exit(missing)
    images, model = subject.images(), subject.network(Path.cwd())
    calibration, evaluation = images.inputs()
    with torch.no_grad():
        expected = torch.cat([model(x) for x in evaluation.split(32)]).numpy()
    print(f"{subject.title}, {recipe}, at {_BITS} bits: answers changed, SQNR of the logits, CPU seconds")
    for observer in _OBSERVERS:
        cells = []
        for bits in _BITS:
            started = time.process_time()
            q = quantize(
                model, calibration[:1], calibration, recipe=recipe, observer=observer, activation_bits=bits
            )
            seconds = time.process_time() - started  # of quantize as a whole
            with torch.no_grad():
                found = torch.cat([q(x) for x in evaluation.split(32)]).numpy()
            scores = score(expected, found, images.labels)
            cells.append(f"{scores['changed']:4d} {scores['sqnr_db']:6.2f} dB {seconds:5.1f} s")
        print(f"{observer!s:32} {' | '.join(cells)}", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    main(*sys.argv[1:])
