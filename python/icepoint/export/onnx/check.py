"""An exported ONNX file in ONNX Runtime beside the engine: which codes differ, by how much, and why."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...progress import progress_bar
from ..interpreter import Integers, run_layer
from .file import DIGEST, VALUES
from .graph import import_package
from .reals import judged
from .result import LayerCheck, OnnxCheck, mode
from .ties import Causes, causes

if TYPE_CHECKING:
    from ...frozen import FrozenModel

Pair = tuple[np.ndarray, np.ndarray]  # an input's codes, and what the runtime gets

_ELEMENTS = 1 << 22  # of the largest value of the images that run at a time


def check_onnx(frozen: FrozenModel, path: str | os.PathLike[str], inputs: Sequence[Any]) -> OnnxCheck:
    """FrozenModel.check_onnx."""
    onnx = import_package("onnx", "check_onnx")
    runtime = import_package("onnxruntime", "check_onnx")
    model, told = _read(onnx, path)
    if told.get(DIGEST) != frozen.digest or VALUES not in told:
        raise ValueError(
            f"check_onnx: {os.fspath(path)} is of another model: expected digest {frozen.digest[:12]}, found "
            f"{str(told.get(DIGEST))[:12]}; export it again"
        )
    tensors = tuple(map(torch.as_tensor, inputs))
    for x in tensors:
        if x.dtype != torch.float32:
            raise ValueError(f"check_onnx: expected float32 inputs, found {x.dtype}")
    codes = [x.contiguous().numpy() for x in frozen._input_codes(tensors)]
    reals = [x.contiguous().numpy() for x in tensors]
    names, integers = json.loads(told[VALUES]), frozen.integers()
    known, sums = {output.name for output in model.graph.output}, _of_sums(integers)
    for name, k in {name: k for k, name in enumerate(names)}.items():
        dtype = onnx.TensorProto.FLOAT if k in sums else onnx.TensorProto.UINT8
        if name not in known:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, dtype, None))
    data = model.SerializeToString()
    layers, histograms = [], {}
    for optimized in (False, True):
        session = _session(runtime, data, optimized)
        found, histogram = _compare(
            frozen, integers, session, names, list(zip(codes, reals, strict=True)), optimized
        )
        layers += found
        histograms[optimized] = dict(sorted(histogram.items()))
    return OnnxCheck(f"ONNX Runtime {runtime.__version__}", len(codes[0]), layers, histograms)


def _read(onnx: Any, path: str | os.PathLike[str]) -> tuple[Any, dict[str, str]]:
    """The ModelProto and its metadata."""
    try:
        model = onnx.load(os.fspath(path))
    except OSError:
        raise
    except Exception as error:  # protobuf's own, which is no ValueError
        raise ValueError(f"check_onnx: {os.fspath(path)} is no ONNX file; {error}") from error
    return model, {prop.key: prop.value for prop in model.metadata_props}


def _session(runtime: Any, data: bytes, optimized: bool) -> Any:
    options = runtime.SessionOptions()
    levels = runtime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums in one order
    options.log_severity_level = 3
    return runtime.InferenceSession(data, options, ["CPUExecutionProvider"])


def _of_sums(integers: Integers) -> dict[int, int]:
    """By value, which output leaves as the reals of its layer's sums."""
    return {q["value"]: i for i, q in enumerate(integers.outputs) if "accumulators" in q}


def _compare(
    frozen: FrozenModel,
    integers: Integers,
    session: Any,
    names: list[str],
    inputs: list[Pair],
    optimized: bool,
) -> tuple[list[LayerCheck], Counter[int]]:
    ops = [("input", q["name"]) for q in integers.inputs] + [(x["op"], name) for name, x in integers.items()]
    checks = [LayerCheck(name, op, optimized) for op, name in ops]
    histogram: Counter[int] = Counter()
    images, sums = len(inputs[0][0]), _of_sums(integers)
    with progress_bar(f"ONNX Runtime, optimizations {mode(optimized)}", images) as advance:
        for part in _parts(integers, images):
            codes, reals = ([pair[side][part] for pair in inputs] for side in (0, 1))
            given = {q["name"]: x for q, x in zip(integers.inputs, reals, strict=True)}
            engine = [value for _, value in frozen._native().trace(codes)]  # first: it refuses in words
            found = session.run(names, given)
            exact = frozen._native().both(codes)[1] if sums else []
            _compare_values(checks, integers, found, engine, {k: exact[i] for k, i in sums.items()})
            for output in integers.outputs:
                k = output["value"]
                histogram.update((found[k].astype(np.int64) - engine[k]).reshape(-1).tolist())
            advance(len(codes[0]))
    return checks, histogram


def _compare_values(
    checks: list[LayerCheck],
    integers: Integers,
    found: list[np.ndarray],
    engine: list[np.ndarray],
    reals: dict[int, np.ndarray],
) -> None:
    """Every value of some images: what the runtime found beside the engine, and beside its own inputs.

    `reals`: the engine's of values that leave the runtime as such; in `found` their codes take their place.
    """
    first, same = len(integers.inputs), []
    for k, check in enumerate(checks):
        layer, exact, cause = None, engine[k], None
        if k >= first:
            layer = integers[check.layer]
            xs = [found[i] for i in layer["inputs"]]
            if not all(same[i] for i in layer["inputs"]):
                exact = run_layer(layer, *xs)
        if k in reals:
            differ, told = found[k] != reals[k], judged(layer, xs, found[k])
            found[k] = told.codes
            check.add_reals(differ, told, told.codes != exact)
        own = found[k].astype(np.int64) - exact
        if own.any():
            cause = causes(layer, xs, own) if layer else Causes(0, 0, int(np.count_nonzero(own)), 0.0)
        check.add(found[k].astype(np.int64) - engine[k], own, cause)
        same.append(np.array_equal(found[k], engine[k]))


def _parts(integers: Integers, images: int) -> Iterator[slice]:
    """The images, as many at a time as memory likes."""
    largest = max(int(np.prod(layer["shape"])) for layer in integers.values())
    step = max(1, _ELEMENTS // largest)
    return (slice(begin, begin + step) for begin in range(0, images, step))
