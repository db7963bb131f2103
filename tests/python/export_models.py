"""Frozen models and inputs for the tests of what leaves icepoint."""

import json

import numpy as np
import torch

import icepoint
from file_writer import spell, with_metadata
from icepoint import _C
from random_graphs import random_graph, random_inputs
from test_golden import GOLDEN
from test_output_functions import function_of

NET = GOLDEN / "net_8bit_per_channel.ice"


def encoded(graph: dict, tensors: dict, functions: list | None = None) -> icepoint.FrozenModel:
    check = random_inputs(1, graph, 2)
    told = json.dumps([f or {} for f in functions]) if any(functions or []) else ""
    return icepoint.FrozenModel(_C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check, told))


def of_sums(frozen: icepoint.FrozenModel) -> icepoint.FrozenModel:
    """The same model; each output that may be has the reals of its layer's accumulators."""
    functions, outputs = frozen.output_functions, range(len(frozen.output_functions))

    def told(chosen: list[int], ends: tuple) -> icepoint.FrozenModel:
        recipe = [({"accumulators": True} if i in chosen else {}) | (ends[i] or {}) for i in outputs]
        return icepoint.FrozenModel(with_metadata(frozen.file_bytes, output_recipe=spell(recipe)))

    allowed = []
    for i in outputs:
        try:
            told([i], (None,) * len(outputs))
        except icepoint.ModelFileError:  # a sum, a narrowed layer, one that others read
            continue
        allowed.append(i)
    return told(allowed, functions) if allowed else frozen


def one_layer_of_sums(seed: int, op: str, kind: str | None) -> icepoint.FrozenModel | None:
    """One random layer whose accumulators leave it, behind a function; None where they may not."""
    graph, tensors = random_graph(seed, op, length=1)
    rank = len(encoded(graph, tensors).describe()["outputs"][0]["shape"])
    function = kind and function_of(kind, seed % rank, keepdim=seed % 2 == 0)
    frozen = of_sums(encoded(graph, tensors, [function, *[None] * (len(graph["outputs"]) - 1)]))
    return frozen if frozen.output_accumulators[0] else None


def single(found) -> tuple:
    """What a model gave, one or several, as a tuple."""
    return found if isinstance(found, tuple) else (found,)


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
