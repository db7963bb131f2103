"""Random frozen graphs: every operator, ranks 1 to 3, bits 2 to 8, packed weights, chains and small DAGs.

random_graph(seed, first) is a sound graph whose first operator is `first`; scales and multipliers are such
that codes do not all saturate, zero points and code ranges are anything that a file may hold.
"""

import numpy as np

from graph_builder import MAX_NUMEL, Builder
from oracle_numbers import rng
from random_ops import ADDERS

RANK_3 = {
    "qconv2d", "qconv_transpose2d", "qmax_pool2d", "qavg_pool2d", "qadaptive_avg_pool2d", "pad",
    "upsample_nearest", "upsample_bilinear",
}  # fmt: skip


def random_graph(seed: int, first: str, length: int = 6) -> tuple[dict, dict[str, np.ndarray]]:
    """graph JSON (as a dict) and tensors; the same for the same arguments."""
    builder = Builder(seed)
    flat = first == "qlinear"
    builder.input(3 if first in RANK_3 else builder.integer(1, 2) if flat else builder.integer(1, 3))
    if builder.chance(0.3):
        builder.input(builder.integer(1, 3))
    ADDERS[first](builder, 0)
    while len(builder.graph["ops"]) < length:
        small = [v for v, (shape, _) in enumerate(builder.values) if np.prod(shape) <= MAX_NUMEL // 2]
        x = builder.choice((small[-1], builder.choice(small)))
        rank = len(builder.values[x][0])
        fits = [op for op in ADDERS if (op not in RANK_3 or rank == 3) and (op != "qlinear" or rank < 3)]
        ADDERS[builder.choice(fits)](builder, x)
    for unread in range(len(builder.graph["inputs"])):
        if unread not in builder.read:
            ADDERS["clamp"](builder, unread)
    last = [v for v in range(len(builder.values)) if v not in builder.read]
    nodes = range(len(builder.graph["inputs"]), len(builder.values))
    also = [v for v in nodes if v in builder.read and builder.chance(0.15)]
    builder.graph["outputs"] = last + also
    return builder.graph, builder.tensors


def random_inputs(seed: int, graph: dict, n: int) -> list[np.ndarray]:
    """Codes of a batch of n for each graph input: random, and image 0 all extreme."""
    generator, inputs = rng(seed), []
    for description in graph["inputs"]:
        qmax = 2 ** description["bits"] - 1
        x = generator.integers(0, qmax + 1, (n, *description["shape"])).astype(np.uint8)
        x[:1] = generator.choice((0, qmax), x[:1].shape)
        inputs.append(x)
    return inputs
