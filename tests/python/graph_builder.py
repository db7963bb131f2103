"""Grows a frozen graph node by node, as the JSON and the tensors that icepoint._C.encode takes."""

import numpy as np

import oracle
import oracle_pool as pool
from oracle_numbers import rng

MAX_NUMEL = 3000  # of one value: keeps the oracle quick


def pack(codes, bits: int):
    """(rows, row) codes to (rows, bytes): little-endian bits, low first, each row padded with 0 to a byte."""
    bit = (np.asarray(codes, np.int64)[..., None] >> np.arange(bits)) & 1
    return np.packbits(bit.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little")


class Builder:
    """Grows one graph; a value is its shape and its qparams."""

    def __init__(self, seed: int):
        self.rng = rng(seed)
        self.graph = {"arithmetic": 1, "inputs": [], "ops": [], "outputs": []}
        self.tensors: dict[str, np.ndarray] = {}
        self.values: list[tuple[tuple[int, ...], dict]] = []
        self.read: set[int] = set()

    def integer(self, lo: int, hi: int) -> int:
        return int(self.rng.integers(lo, hi + 1))

    def chance(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, items):
        return items[self.integer(0, len(items) - 1)]

    def qparams(self) -> dict:
        bits = 8 if self.chance() else self.integer(2, 8)
        zero_point = self.integer(0, 2**bits - 1)
        if self.chance(0.3):
            zero_point = self.choice((0, 2**bits - 1))
        return {"scale": oracle.f32(np.exp(self.rng.uniform(-4, 1))), "zero_point": zero_point, "bits": bits}

    def code_range(self, q: dict) -> dict:
        """The full range, or one that a fused activation has narrowed."""
        qmax, zero_point = 2 ** q["bits"] - 1, q["zero_point"]
        if self.chance(0.6):
            return {"lo": 0, "hi": qmax}
        if zero_point < qmax and self.chance():
            return {"lo": zero_point, "hi": qmax}
        lo, hi = sorted((self.integer(0, qmax), self.integer(0, qmax)))
        return {"lo": lo, "hi": hi}

    def ratio(self, x: int, q: dict) -> float:
        """Codes of q for one code of x: factors times this use the whole range."""
        return (2 ** q["bits"] - 1) / (2 ** self.values[x][1]["bits"] - 1)

    def requants(self, factors) -> dict:
        pairs = [oracle.quantize_multiplier(float(M)) for M in np.atleast_1d(factors)]
        return {
            k: np.array(v, np.int32)
            for k, v in zip(("multiplier", "shift"), zip(*pairs, strict=True), strict=True)
        }

    def input(self, rank: int) -> int:
        image = (self.integer(1, 40), self.integer(1, 12), self.integer(1, 12))
        while np.prod(image) > MAX_NUMEL // 2:
            image = (self.integer(1, 40), self.integer(1, 12), self.integer(1, 12))
        shape = ((self.integer(1, 40),), (self.integer(1, 6), self.integer(1, 20)), image)[rank - 1]
        q = self.qparams()
        name = f"in{len(self.values)}"
        self.graph["inputs"].append({"name": name, "shape": list(shape), **q})
        self.values.append((shape, q))
        return len(self.values) - 1

    def add(
        self, op: str, inputs: list[int], shape, q: dict | None, fields: dict, tensors: dict | None = None
    ) -> int:
        """One node; q None keeps the qparams of its first input."""
        name = f"{op}_{len(self.graph['ops'])}"
        node = {"op": op, "name": name, "inputs": inputs, **fields, **(q or {})}
        self.graph["ops"].append(node)
        self.tensors.update({f"{name}.{field}": array for field, array in (tensors or {}).items()})
        self.values.append((tuple(shape), q or self.values[inputs[0]][1]))
        self.read.update(inputs)
        return len(self.values) - 1

    def channels(self, x: int) -> int:
        """(c, h, w) and (f) have their channels on axis 0, (t, f) on axis 1."""
        shape = self.values[x][0]
        return shape[1] if len(shape) == 2 else shape[0]

    def weights(self, x: int, q: dict, rows: int, row_shape: tuple, oc: int, taps: int) -> tuple[dict, dict]:
        """Fields and tensors of a layer with weights; its factor suits sums of `taps` products."""
        bits, affine, count = self.integer(2, 8), self.chance(), self.choice((1, oc))
        lo, hi = oracle.qrange(bits) if affine else oracle.symmetric_range(bits)
        codes = self.rng.integers(lo, hi + 1, (rows, *row_shape))
        if self.chance(0.2):
            codes = np.where(self.chance(), lo, hi) + 0 * codes
        if bits < 8:
            weight = pack(codes.reshape(rows, -1), bits)
        else:
            weight = codes.astype(np.uint8 if affine else np.int8)
        typical = 60 * 2 ** (bits - 1) * taps**0.5
        tensors = {
            "weight": weight,
            "weight_scale": np.exp(self.rng.uniform(-6, 0, count)).astype(np.float32),
            **self.requants(np.exp(self.rng.uniform(-1, 1, count)) * 100 * self.ratio(x, q) / typical),
        }
        if affine:
            tensors["weight_zero_point"] = self.rng.integers(lo, hi + 1, count).astype(np.int32)
        if self.chance():
            tensors["bias"] = self.rng.integers(-int(typical) - 1, int(typical) + 2, oc).astype(np.int32)
        return {"weight_bits": bits, "weight_affine": affine}, tensors

    def window(self, x: int, pads_below_kernel: bool, dilated: bool = True) -> dict:
        """kernel_size, stride, padding, dilation of which at least one window fits."""
        _, h, w = self.values[x][0]
        while True:
            kernel, stride = (
                [self.integer(1, 4), self.integer(1, 4)],
                [self.integer(1, 3), self.integer(1, 3)],
            )
            dilation = [self.integer(1, 2), self.integer(1, 2)] if dilated else [1, 1]
            padding = [self.integer(0, k // 2 if pads_below_kernel else 3) for k in (*kernel, *kernel)]
            spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
            if spans[0] <= h + padding[0] + padding[2] and spans[1] <= w + padding[1] + padding[3]:
                return {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def windows_of(builder: Builder, x: int, window: dict, ceil_mode: bool):
    _, h, w = builder.values[x][0]
    (kh, kw), (sh, sw), (top, left, bottom, right), (dh, dw) = (
        window[k] for k in ("kernel_size", "stride", "padding", "dilation")
    )
    return pool.windows(h, kh, sh, top, bottom, dh, ceil_mode), pool.windows(
        w, kw, sw, left, right, dw, ceil_mode
    )
