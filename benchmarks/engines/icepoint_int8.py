"""icepoint: quantize, freeze, and the frozen model called as `frozen(x)`."""

import torch

import icepoint
from icepoint.bench import time_layers
from icepoint.weights import WeightQParam

from .. import networks
from ..job import Job
from . import Ready

_CALIBRATION_BATCH = 16  # not the job's: the file takes any batch, and each batch costs a look at all weights


def prepare(job: Job) -> None:
    x = torch.from_numpy(job.array("input"))
    batches = torch.from_numpy(job.array("calibration")).split(_CALIBRATION_BATCH)
    # "fast": the network as it is, for all engines the same multiply-accumulates; "accurate" may add some.
    quantized = icepoint.quantize(networks.float_network(job), x, batches, recipe="fast")
    if job.engine == "icepoint_w4":
        _four_bits(quantized)
    quantized.freeze().save(job.own(".ice"))


def load(job: Job) -> Ready:
    torch.set_num_threads(job.threads)
    icepoint.set_num_threads(job.threads)
    frozen = icepoint.load(job.own(".ice"))
    x = torch.from_numpy(job.array("input"))
    return Ready(
        lambda: frozen(x), lambda y: y.numpy(), lambda seconds: time_layers(frozen, job.batch, seconds)
    )


def _four_bits(quantized: icepoint.QuantizedModel) -> None:
    """The linear layers' weights in 4 bits, fixed again; activations stay as they were calibrated."""
    for layer in quantized.modules():
        if isinstance(layer, icepoint.QLinear):
            layer.q_weight = WeightQParam(4, "per_channel")
            layer.q_weight.update(*layer.float_weights(), layer.q_in.scale)
    quantized.fix()
