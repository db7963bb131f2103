"""torchao's PT2E: the x86 quantizer with its histogram observers narrowed to fewer bits, run in eager torch.

What convert_pt2e gives quantizes and dequantizes in place and multiplies floats: integers exactly, where a
compiled int8 kernel would round once more. Operators that the x86 quantizer leaves alone stay float, as do
the logits.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from ...job import Job
from ..settings import Bits
from . import Answer


def quantized(job: Job, bits: Bits, options: Mapping[str, str]) -> Answer:
    quantizer = x86.X86InductorQuantizer().set_global(_narrowed(bits.weights, bits.activations))
    if bits.edge:
        for name in json.loads(job.path("facts.json").read_text()).values():
            quantizer.set_module_name_qconfig(name, _narrowed(bits.edge, bits.edge))
    with torch.no_grad():
        model = prepare_pt2e(torch.export.load(job.path("float.pt2")).module(), quantizer)
        for batch in job.calibration_batches():
            model(torch.from_numpy(batch))
        model = convert_pt2e(model)

    def answer(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(x)).numpy()

    return answer


def _narrowed(weights: int, activations: int) -> x86.QuantizationConfig:
    """The default configuration with codes of so many bits: 0..2^a - 1 and -2^(w-1)..2^(w-1) - 1."""
    config = x86.get_default_x86_inductor_quantization_config()
    activation = replace(config.input_activation, quant_min=0, quant_max=2**activations - 1)
    half = 2 ** (weights - 1)
    weight = replace(config.weight, quant_min=-half, quant_max=half - 1)
    return replace(config, input_activation=activation, output_activation=activation, weight=weight)
