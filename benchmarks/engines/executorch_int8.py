"""ExecuTorch with XNNPACK in 8 bits, per-channel weights; in an environment of its own."""

import torch
from executorch.extension.pybindings import portable_lib

from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    example = torch.from_numpy(job.array("input"))
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    model = prepare_pt2e(torch.export.load(job.path("float.pt2")).module(), quantizer)
    with torch.no_grad():
        for batch in job.calibration_batches():
            model(torch.from_numpy(batch))
        program = torch.export.export(convert_pt2e(model), (example,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    job.own(".pte").write_bytes(lowered.to_executorch().buffer)


def load(job: Job) -> Ready:
    portable_lib._unsafe_reset_threadpool(job.threads)  # there is no public call for it
    if portable_lib._threadpool_get_thread_count() != job.threads:
        raise RuntimeError(f"ExecuTorch keeps {portable_lib._threadpool_get_thread_count()} threads")
    module = portable_lib._load_for_executorch(str(job.own(".pte")))
    x = [torch.from_numpy(job.array("input"))]
    return Ready(lambda: module.forward(x)[0], lambda y: y.numpy())
