"""torch in float32, eager, as a user runs it; channels_last where the engine's name says NHWC."""

import torch

from .. import networks
from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    """Nothing: the network itself is run."""


def load(job: Job) -> Ready:
    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    layout = torch.channels_last if job.engine.endswith("nhwc") else torch.contiguous_format
    model = networks.float_network(job).to(memory_format=layout)
    x = torch.from_numpy(job.array("input")).contiguous(memory_format=layout)

    def run():
        with torch.inference_mode():
            return model(x)

    return Ready(run, lambda y: y.numpy())
