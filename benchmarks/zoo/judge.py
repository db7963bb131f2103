"""One network of the zoo in a process of its own: quantized, frozen, replayed, compared, timed.

`python -m benchmarks.zoo.judge TASK`, TASK as JSON: name, quick, weights, folder, executable. Writes lines of
JSON: {"step": "what begins"} on the way, in the end {"result": {...}}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import icepoint
from icepoint.report import Report

from .. import summary, worker
from . import onnx_peer, speed, subjects
from .families import BATCH
from .replay import differing_bytes

_REPLAYED = 2  # photos whose codes are compared byte by byte
_BEHIND_DB = 1.0  # what icepoint may lose against ONNX Runtime


def judge(task: dict[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
    """What stands in the network's row; `failures` says in words what must not be."""
    folder = Path(task["folder"])
    step("float")
    subject = subjects.subject(task["name"], task["quick"], task["weights"])
    expected = _batched(subject.answer, subject.photos)
    found: dict[str, Any] = {
        "photos": len(subject.photos),
        "size": subject.photos.shape[-1],
        "float_bytes": sum(t.numel() * t.element_size() for t in subject.model.state_dict().values()),
        "answers": _count_answers(expected),
        "failures": [],
    }
    step("quantize")
    batches = subject.calibration.split(BATCH)
    try:
        quantized = icepoint.quantize(
            subject.model, subject.photos[:1], batches, recipe=subject.recipe, strict=False
        )
    except ValueError as error:  # what could not even stay float
        found["failures"].append(str(error))
        return found
    report = quantized.report(remedies=False)  # which the log gets too
    found |= _coverage(report)
    if report.missing:
        found["failures"].append(f"not integer: {len(report.missing)} operators")
        return found
    step("freeze")
    frozen = quantized.freeze()
    path = frozen.save(folder / f"{task['name']}.ice")
    found |= {"file_bytes": path.stat().st_size, "operators": len(frozen.layers())}
    step("equal bytes")
    found |= differing_bytes(quantized, frozen, path, subject.photos[:_REPLAYED], task["executable"])
    if found["differing_bytes"]:
        found["failures"].append(f"{found['differing_bytes']} bytes differ: {', '.join(found['differing'])}")
    step("answers")
    answers = _batched(lambda x: subjects.tensor_of(frozen(x)), subject.photos)
    found["icepoint"] = _against(expected, answers)
    step("speed against torch")
    found |= speed.compare(subject.model, frozen, subject.photos[:1])
    step("ONNX Runtime")
    peer = onnx_peer.answers(
        subjects.Plain(subject.model), task["name"], subject.calibration, subject.photos, folder
    )
    found["onnxruntime"] = _against(expected, peer)
    found["peak_memory"] = worker.peak_memory()
    found["failures"] += behind(found["icepoint"]["sqnr_db"], found["onnxruntime"]["sqnr_db"])
    return found


def behind(ours: float | None, theirs: float | None) -> list[str]:
    """The sentence that says so where ours is more than 1 dB lower; None is an answer without error."""
    if ours is None or (theirs is not None and theirs - ours <= _BEHIND_DB):
        return []
    return [
        f"SQNR is {ours:.1f} dB, ONNX Runtime's {'without end' if theirs is None else f'{theirs:.1f} dB'}"
    ]


def _coverage(report: Report) -> dict[str, Any]:
    return {
        "not_integer": [str(item) for item in report.missing],
        "layers": len(report.rows),
        "integer_percent": 100.0 * sum(row.integer for row in report.rows) / len(report.rows),
        "integer_macs_percent": report.integer_macs_percent,
        "layer_sqnr_db": {row.layer: row.sqnr_db for row in report.rows},
    }


def _batched(run: Callable[[torch.Tensor], torch.Tensor], photos: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return np.concatenate([run(x).numpy() for x in photos.split(BATCH)])


def _against(expected: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """SQNR of all answers in dB, and for which share of them (photos or pixels) the greatest is the same."""
    agree = float((expected.argmax(1) == found.argmax(1)).mean())
    return {"sqnr_db": summary.sqnr(expected, found), "agreement_percent": 100.0 * agree}


def _count_answers(expected: np.ndarray) -> int:
    """Different classes among the float answers: were they one, agreement would say nothing."""
    return len(np.unique(expected.argmax(1)))


def main(text: str) -> int:
    replies = worker.own_stdout()
    torch.set_num_threads(1)
    icepoint.set_num_threads(1)
    found = judge(json.loads(text), lambda step: worker.reply(replies, {"step": step}))
    worker.reply(replies, {"result": found})
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
