"""icepoint: one of its recipes, frozen, and the file's own answers."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

import icepoint
from icepoint.capture.operators import Reshape
from icepoint.modules import QMaxPooling2d, QPad, QSlice

from ...job import Job
from ..settings import Bits
from ..subjects import SUBJECTS
from . import Answer

_FULL = 8  # bits of what enters no layer with weights
_MOVES = (QMaxPooling2d, QPad, QSlice, Reshape)  # these keep the codes that they get


def quantized(job: Job, bits: Bits, options: Mapping[str, str]) -> Answer:
    torch.set_num_threads(job.threads)
    icepoint.set_num_threads(job.threads)
    model = SUBJECTS[job.network].network(Path(job.folder).parent)
    batches = [torch.from_numpy(batch) for batch in job.calibration_batches()]
    edges = list(json.loads(job.path("facts.json").read_text()).values())
    edge_weights, edge_activations = bits.edge_bits
    weights = {"*": bits.weights} | dict.fromkeys(edges, edge_weights)
    activations = {"*": _FULL}
    if (bits.activations, edge_activations) != (_FULL, _FULL):
        activations |= _entering(
            model, batches[0][:1], bits.activations, dict.fromkeys(edges, edge_activations)
        )
    q = icepoint.quantize(
        model, batches[0][:1], batches, recipe=options["recipe"],
        weight_bits=weights, activation_bits=activations,
    )  # fmt: skip
    frozen = q.freeze()

    def answer(x: np.ndarray) -> np.ndarray:
        return frozen(torch.from_numpy(x)).numpy()

    return answer


def _entering(model: nn.Module, x: torch.Tensor, bits: int, edges: Mapping[str, int]) -> dict[str, int]:
    """Bits of the results that a layer with weights reads, through moves too, by the name of their layer.

    Results that only a sum, a mean or the caller reads are not among them: a peer leaves those in float.
    """
    stages = icepoint.quantize(model, x, [x], recipe="fast").stages
    makers = {stage.output: stage for stage in stages}
    found: dict[str, int] = {}
    for reader in (stage for stage in stages if hasattr(stage.layer, "q_weight")):
        stage = reader
        while stage is reader or isinstance(stage.layer, _MOVES):
            stage = makers[stage.inputs[0]]
            if not isinstance(stage.layer, Reshape):  # which has no codes of its own
                found[stage.name] = max(edges.get(reader.name, bits), found.get(stage.name, 0))
    return found
