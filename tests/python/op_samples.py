"""Legal calls of every operator of torch.ops.icepoint, small, from fixed seeds: what torch tests share."""

import json

import torch

import icepoint.ops  # noqa: F401  registers the operators
from icepoint import _C
from oracle_numbers import rng
from random_graphs import random_graph, random_inputs

op = torch.ops.icepoint
HALF = (2**30, 31)  # multiplier and shift of one half


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def float32(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def codes(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(rng(seed).integers(0, 256, shape).astype("uint8"))


def weights(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(rng(seed).integers(-127, 128, shape).astype("int8"))


def floats(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.from_numpy(rng(seed).normal(0, 3, shape).astype("float32"))


def frozen_bytes(seed: int = 7, first: str = "qconv2d") -> bytes:
    graph, tensors = random_graph(seed, first)
    check = random_inputs(seed, graph, 1)
    return _C.encode(json.dumps(graph), tensors, "{}", {"icepoint": "test"}, check)


def frozen(seed: int = 7, first: str = "qconv2d", n: int = 3):
    """A random frozen graph as run takes it: (float inputs, code inputs, bytes as a tensor, key)."""
    data = frozen_bytes(seed, first)
    model = _C.Model(data)
    facts = json.loads(model.describe())
    inputs = [torch.from_numpy(x) for x in random_inputs(seed, facts, n)]
    reals = [(x.float() - q["zero_point"]) * q["scale"] for x, q in zip(inputs, facts["inputs"], strict=True)]
    shapes = [output["shape"] for output in facts["outputs"]]
    return reals, inputs, torch.frombuffer(bytearray(data), dtype=torch.uint8), f"{model.digest}:{shapes}"


_CONV = ([2, 1], [1, 0, 2, 1], [1, 2], 2)  # stride, padding, dilation, groups
_OUT = (7, 3, 250)  # y_zero_point, qmin, qmax
_X, _W = codes(2, 4, 7, 6), weights(6, 2, 3, 2)
_PER_CHANNEL = (int32(*[HALF[0]] * 6), int32(*range(36, 42)))
_TWO = (int32(2**30, 3), int32(31, 54))
_REALS, _CODES, _BYTES, _KEY = frozen()

SAMPLES: dict[str, list[tuple]] = {
    "quantize": [
        (floats(2, 3, 4, 5), float32(0.05), int32(128), 0, 255),
        (floats(2, 3, 4), float32(0.05, 0.1, 0.2), int32(0, -1, 2), -8, 7, 1),
        (floats(), torch.tensor(0.5), torch.tensor(3, dtype=torch.int32), 0, 15),
    ],
    "dequantize": [
        (codes(2, 3, 4, 5), float32(0.05), int32(128)),
        (weights(3, 4), float32(0.1, 0.2, 0.3), int32(0, 0, 1), 0),
        (int32(-(2**31), 2**31 - 1, 5), float32(2.0**-30), int32(0)),
    ],
    "fake_quantize": [
        (floats(2, 3, 4, 5), float32(0.05), int32(128), 0, 255),
        (floats(2, 3, 4, 5), float32(0.05, 0.1, 0.2), float32(0.0, 1.4, -2.6), -8, 7, 1),
    ],
    "fake_quantize_backward": [
        (floats(2, 3, 4, 5, seed=3), floats(2, 3, 4, 5), float32(0.05), int32(128), 0, 255),
        (floats(2, 3, 4, 5, seed=3), floats(2, 3, 4, 5), float32(0.05, 0.1, 0.2), int32(0, 1, -3), -8, 7, 1),
    ],
    "requantize": [
        (int32(-1000, -1, 0, 1, 1000).reshape(1, 5), int32(HALF[0]), int32(HALF[1]), *_OUT),
        (int32(*range(-60, 60)).reshape(2, 3, 4, 5), int32(2**30, 2**30 + 1, 7), int32(30, 31, 54), *_OUT, 1),
    ],
    "conv2d_int32": [
        (_X, 9, _W, int32(0), int32(*range(6)), *_CONV),
        (_X, 9, _W, int32(*range(6)), None, *_CONV),
    ],
    "linear_int32": [(codes(2, 5, 8), 3, weights(4, 8), int32(1), None)],
    "qconv2d": [
        (_X, 9, _W, int32(0), None, int32(HALF[0]), int32(38), *_OUT, *_CONV),
        (_X, 9, _W, int32(*range(6)), int32(*range(6)), *_PER_CHANNEL, *_OUT, *_CONV),
    ],
    "qconv_transpose2d": [
        (_X, 9, weights(4, 3, 2, 3), int32(0), None, int32(HALF[0]), int32(38), *_OUT,
         [2, 1], [1, 0, 0, 1], [1, 0], [1, 2], 1),
        (_X, 9, weights(4, 3, 2, 3), int32(*range(6)), int32(*range(6)), *_PER_CHANNEL, *_OUT,
         [2, 3], [0, 0, 0, 0], [0, 2], [1, 1], 2),
    ],
    "qlinear": [
        (codes(5, 8), 3, weights(4, 8), int32(0), int32(1, 2, 3, 4), int32(HALF[0]), int32(38), *_OUT),
        (codes(2, 3, 5, 8), 3, weights(6, 8), int32(0), None, *_PER_CHANNEL, *_OUT),
    ],
    "qmax_pool2d": [
        (_X, [2, 3], [2, 1], [1, 1, 0, 1], [1, 2], False),
        (_X, [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], True),
    ],
    "qavg_pool2d": [
        (_X, 9, [2, 2], [2, 2], [0, 0, 0, 0], False, True, int32(4), int32(HALF[0]), int32(31), *_OUT),
        (_X, 9, [3, 2], [2, 2], [1, 0, 1, 0], True, False, int32(4, 6), *_TWO, *_OUT),
    ],
    "qadaptive_avg_pool2d": [
        (_X, 9, [1, 1], int32(42), int32(HALF[0]), int32(35), *_OUT),
        (_X, 9, [2, 3], int32(8), int32(HALF[0]), int32(33), *_OUT),
    ],
    "qadd": [
        (_X, 9, 2**20, codes(2, 4, 7, 6, seed=5), 200, -(2**19), 20, *_OUT),
        (_X, 9, 2**20, codes(2, 4, 1, 1, seed=5), 200, 2**19, 20, *_OUT),
        (codes(2, 4, 1, 1, seed=5), 200, 2**19, _X, 9, 2**20, 20, *_OUT),
        (codes(3), 0, 1, codes(3, seed=5), 0, 1, 1, *_OUT),
    ],
    "qmul": [
        (_X, 9, codes(2, 4, 7, 6, seed=5), 200, 2**30, 37, *_OUT),
        (codes(2, 4, 1, 1, seed=5), 200, _X, 9, 2**30, 37, *_OUT),
    ],
    "qaffine": [
        (_X, 9, int32(100, -200, 300, 0), int32(5, 6, 7, 1 << 20), int32(8, 9, 10, 14), *_OUT),
        (codes(3, 2), 9, int32(100, 2**21 - 1), int32(5, 6), int32(8, 30), *_OUT),
    ],
    "lookup": [(_X, codes(256, seed=6)), (_X, codes(4, 256, seed=6)), (codes(3, 2), codes(2, 256, seed=6))],
    "qupsample_bilinear2d": [(_X, [14, 9], False), (_X, [3, 11], True)],
    "qconcat": [
        ([_X, codes(2, 3, 7, 6)], [9, 7], int32(HALF[0], 2**30), int32(31, 30), *_OUT),
        ([_X, codes(2, 4, 7, 2)], [7, 7], int32(2**30), int32(30), 7, 0, 255, -1),
        ([codes(2, 5)], [1], int32(HALF[0]), int32(31), *_OUT, 0),
    ],
    "run": [(_REALS, _BYTES, _KEY)],
    "run_codes": [(_CODES, _BYTES, _KEY)],
}  # fmt: skip

CASES = [(name, args) for name, calls in SAMPLES.items() for args in calls]
CASE_IDS = [f"{name}-{i}" for name, calls in SAMPLES.items() for i in range(len(calls))]
