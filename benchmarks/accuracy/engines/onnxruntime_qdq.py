"""ONNX Runtime: static QDQ with weights per channel and the calibrator of its options, run in its session."""

from collections.abc import Mapping

import numpy as np
from onnxruntime.quantization import CalibrationMethod, QuantType

from ...engines import onnxruntime_int8
from ...engines.onnxruntime_float import open_session
from ...job import Job
from ..settings import Bits
from . import Answer


def quantized(job: Job, bits: Bits, options: Mapping[str, str]) -> Answer:
    weights = {8: QuantType.QInt8, 4: QuantType.QInt4}[bits.weights]
    onnxruntime_int8.prepare(job, getattr(CalibrationMethod, options["method"]), weights)
    session = open_session(job.own(".onnx"), job.threads)
    job.own(".onnx").unlink()

    def answer(x: np.ndarray) -> np.ndarray:
        return session.run(["y"], {"x": x})[0]

    return answer
