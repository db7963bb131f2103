"""One engine on one subject at one bit setting, in a process of its own.

`python -m benchmarks.accuracy.worker ENGINE BITS JOB`, JOB as JSON: writes the logits of all images
that judge as the job's own .npy, and as its .json the seconds that quantizing took.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings

import numpy as np

from ..job import Job
from .settings import BATCH, BITS, ENGINES


def main(name: str, bits: str, text: str) -> int:
    warnings.simplefilter("ignore")
    job, engine = Job.from_json(text), ENGINES[name]
    module = importlib.import_module(f"benchmarks.accuracy.engines.{engine.module}")
    start = time.perf_counter()
    answer = module.quantized(job, BITS[bits], engine.options)
    seconds = time.perf_counter() - start
    images = job.array("evaluation")
    found = [np.array(answer(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
    np.save(job.own(".npy"), np.concatenate(found))
    job.own(".json").write_text(json.dumps({"seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
