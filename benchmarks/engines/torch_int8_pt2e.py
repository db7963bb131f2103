"""torch's compiled int8: torchao's PT2E quantization for x86, TorchInductor with frozen weights (oneDNN)."""

import os
import warnings

import torch
import torch._inductor.config as inductor
import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86
from torch import nn
from torchao.quantization.pt2e import move_exported_model_to_eval
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from .. import networks
from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    example = torch.from_numpy(job.array("input"))
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    with torch.no_grad():
        exported = torch.export.export(_with_own_relus(networks.float_network(job)), (example,))
        model = prepare_pt2e(exported.module(), quantizer)
        for batch in job.calibration_batches():
            model(torch.from_numpy(batch))
        model = convert_pt2e(model)
        move_exported_model_to_eval(model)
        torch.export.save(torch.export.export(model, (example,)), job.own(".pt2"))


def load(job: Job) -> Ready:
    warnings.simplefilter("ignore")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(job.path("inductor")))
    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    inductor.freezing = True
    inductor.cpp_wrapper = True  # no Python between the kernels
    if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
        inductor.cpp.simdlen = 256
    x = torch.from_numpy(job.array("input"))
    with torch.no_grad():
        model = torch.compile(torch.export.load(job.own(".pt2")).module())

    def run():
        with torch.no_grad():
            return model(x)

    return Ready(run, lambda y: y.numpy())


def _with_own_relus(model: nn.Module) -> nn.Module:
    """A ReLU module for each use: the x86 quantizer refuses one that a block uses twice, as ResNet's do."""
    traced = torch.fx.symbolic_trace(model)
    for i, node in enumerate(traced.graph.nodes):
        node.meta.pop("nn_module_stack", None)  # export would take the old module's name from it
        if node.op == "call_module" and isinstance(traced.get_submodule(node.target), nn.ReLU):
            traced.add_submodule(f"own_relu_{i}", nn.ReLU())
            node.target = f"own_relu_{i}"
    traced.recompile()
    return traced
