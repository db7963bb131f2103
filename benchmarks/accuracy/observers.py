"""The table of docs/observers.md: what each method of choosing ranges is worth on one network.

python -m benchmarks.accuracy.observers [mobilenet [accurate]]
"""

from __future__ import annotations

import sys

import torch

from icepoint.observers import METHODS, Observer, Percentile

from .one_network import OneNetwork

_BITS = (8, 6, 4)  # of the activations; weights keep 8
_OBSERVERS: tuple[str | Observer, ...] = (*METHODS, Percentile(99.9))


def main(name: str = "mobilenet", recipe: str = "fast") -> None:
    network = OneNetwork(name)
    print(f"{network.title}, {recipe}, at {_BITS} bits: answers changed, SQNR of the logits, CPU seconds")
    for observer in _OBSERVERS:
        cells = [network.cell(recipe=recipe, observer=observer, activation_bits=bits) for bits in _BITS]
        print(f"{observer!s:32} {' | '.join(cells)}", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    main(*sys.argv[1:])
