"""Frozen models and inputs for the tests of what leaves icepoint."""

import json

import numpy as np
import torch

import icepoint
from icepoint import _C
from random_graphs import random_inputs
from test_golden import GOLDEN

NET = GOLDEN / "net_8bit_per_channel.ice"


def encoded(graph: dict, tensors: dict, functions: list | None = None) -> icepoint.FrozenModel:
    check = random_inputs(1, graph, 2)
    told = json.dumps([f or {} for f in functions]) if functions else ""
    return icepoint.FrozenModel(_C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check, told))


def renamed(graph: dict, tensors: dict, names: list[str]) -> icepoint.FrozenModel:
    """The same model with other names for its operators."""
    old = [op["name"] for op in graph["ops"]]
    new = dict(zip(old, names, strict=True))
    ops = [{**op, "name": new[op["name"]]} for op in graph["ops"]]
    moved = {f"{new[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": a for key, a in tensors.items()}
    return encoded({**graph, "ops": ops}, moved)


def reals(frozen: icepoint.FrozenModel, n: int, seed: int = 0) -> list[torch.Tensor]:
    """Inputs that use all codes of each input and go beyond them."""
    generator = np.random.default_rng(seed)
    found = []
    for q in frozen.describe()["inputs"]:
        codes = generator.uniform(-20, 2 ** q["bits"] + 20, (n, *q["shape"]))
        found.append(torch.from_numpy(((codes - q["zero_point"]) * q["scale"]).astype(np.float32)))
    return found
