"""What docs/corrections.md and decision 30 say of the methods: each on one network, alone and in pairs.

python -m benchmarks.accuracy.methods [mobilenet [per_channel]]
"""

from __future__ import annotations

import sys

import torch

from .one_network import OneNetwork

_BITS = ((8, 8), (6, 8), (4, 8), (4, 4))  # of weights, of activations
_RECIPES: tuple[tuple[str, ...], ...] = (
    (),
    ("clip_weights",),
    ("equalize",),
    ("smooth",),
    ("correct_bias_analytic",),
    ("reestimate_batchnorm",),
    ("correct_bias",),
    ("round_weights",),
    ("equalize", "correct_bias"),
    ("smooth", "correct_bias"),
    ("reestimate_batchnorm", "correct_bias"),
    ("equalize", "round_weights"),
    ("smooth", "round_weights"),
)


def main(name: str = "mobilenet", weights: str = "per_channel") -> None:
    network = OneNetwork(name)
    print(
        f"{network.title}, {weights}, ranges by mse, bits (weights, activations) {_BITS}: answers changed, "
        "SQNR of the logits, CPU seconds"
    )
    for recipe in _RECIPES:
        cells = [
            network.cell(recipe=recipe, observer="mse", weights=weights, weight_bits=w, activation_bits=a)
            for w, a in _BITS
        ]
        print(f"{' + '.join(recipe) or 'none':36} {' | '.join(cells)}", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    main(*sys.argv[1:])
