"""icepoint: one of its recipes, frozen, and the file's own answers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

import icepoint

from ...job import Job
from ..settings import Bits
from ..subjects import SUBJECTS
from . import Answer


def quantized(job: Job, bits: Bits, options: Mapping[str, str]) -> Answer:
    icepoint.set_num_threads(job.threads)
    model = SUBJECTS[job.network].network(Path(job.folder).parent)
    batches = [torch.from_numpy(batch) for batch in job.calibration_batches()]
    frozen = icepoint.quantize(
        model, batches[0][:1], batches, num_bits=bits.activations, weight_bits=bits.weights
    ).freeze()

    def answer(x: np.ndarray) -> np.ndarray:
        return frozen(torch.from_numpy(x)).numpy()

    return answer
