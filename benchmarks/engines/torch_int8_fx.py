"""torch's eager int8 kernels: FX graph mode quantization, the onednn engine, per-channel weights."""

import warnings

import torch

from .. import networks
from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    warnings.simplefilter("ignore")
    torch.backends.quantized.engine = "onednn"
    example = torch.from_numpy(job.array("input"))
    model = prepare_fx(networks.float_network(job), get_default_qconfig_mapping("onednn"), (example,))
    with torch.no_grad():
        for batch in job.calibration_batches():
            model(torch.from_numpy(batch))
        # Traced and frozen: without Python between the operators, which is this engine's best.
        traced = torch.jit.freeze(torch.jit.trace(convert_fx(model), example).eval())
    torch.jit.save(traced, str(job.own(".pt")))


def load(job: Job) -> Ready:
    warnings.simplefilter("ignore")
    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    torch.backends.quantized.engine = "onednn"
    model = torch.jit.load(str(job.own(".pt")))
    x = torch.from_numpy(job.array("input"))

    def run():
        with torch.inference_mode():
            return model(x)

    return Ready(run, lambda y: y.numpy())
