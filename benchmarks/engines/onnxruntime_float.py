"""ONNX Runtime, CPU provider; the float network, and the session that the int8 engine uses too."""

from pathlib import Path

import numpy as np
import onnxruntime

from ..job import Job
from . import Ready


def prepare(job: Job) -> None:
    """Nothing: float.onnx is there."""


def load(job: Job) -> Ready:
    return session(job.path("float.onnx"), job)


def session(model: Path, job: Job) -> Ready:
    loaded = open_session(model, job.threads)
    feed = {loaded.get_inputs()[0].name: job.array("input")}
    return Ready(lambda: loaded.run(None, feed)[0], np.asarray)


def open_session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    """The model with all of the runtime's optimizations on so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
