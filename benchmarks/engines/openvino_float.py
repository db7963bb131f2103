"""OpenVINO: float32 forced, or the precision that it picks by itself (bfloat16 where the CPU has it)."""

from pathlib import Path

import numpy as np
import openvino

from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    """Nothing: float.onnx is read as it is."""


def load(job: Job) -> Ready:
    hints = {"INFERENCE_PRECISION_HINT": "f32"} if job.engine == "openvino_f32" else {}
    return compiled(job.path("float.onnx"), job, hints)


def compiled(model: Path, job: Job, hints: dict[str, str]) -> Ready:
    found = compile_model(str(model), job.threads, hints)
    request = found.create_infer_request()
    x = [job.array("input")]
    # Shared inputs and outputs: its fastest call, without a copy on either side.
    return Ready(lambda: request.infer(x, share_inputs=True, share_outputs=True), lambda y: np.array(y[0]))


def compile_model(
    model: str | openvino.Model, threads: int, hints: dict[str, str] | None = None
) -> openvino.CompiledModel:
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    return openvino.Core().compile_model(model, "CPU", {**options, **(hints or {})})
