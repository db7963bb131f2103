"""The judge of frozen files: opens one with the safetensors library and runs its graph on codes in int64.

Nothing here is shared with the package: the header is parsed by json, packed weights are unpacked by hand,
every operator is the oracle's. See docs/format.md for the fields and docs/numerics.md for the arithmetic.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

import oracle
import oracle_conv as conv
import oracle_ops as ops
import oracle_pool as pool


@dataclass
class Frozen:
    """One .ice file: its metadata (parsed JSON, digest and version as strings) and its arrays by name."""

    metadata: dict
    tensors: dict[str, np.ndarray]

    @property
    def graph(self) -> dict:
        return self.metadata["graph"]


def open_frozen(data: bytes) -> Frozen:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ice")
        path.write_bytes(data)
        with safe_open(path, "numpy") as file:
            metadata, names = dict(file.metadata()), file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    for key in ("graph", "made_by", "output_recipe", "overflow_proof", "recipe", "self_check"):
        if key != "output_recipe" or key in metadata:  # the one key that may be absent
            metadata[key] = json.loads(metadata[key])
    return Frozen(metadata, tensors)


def file_digest(data: bytes) -> str:
    """SHA-256 of the whole file with the 64 digits of the digest itself read as '0'."""
    start = data.index(b'"digest":"') + len(b'"digest":"')
    return hashlib.sha256(data[:start] + b"0" * 64 + data[start + 64 :]).hexdigest()


def sha256_codes(arrays) -> str:
    """Of uint8 codes, array after array, each (n, ...) in logical order."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a, np.uint8).tobytes() for a in arrays)).hexdigest()


def unpack(packed, row: int, bits: int, signed: bool):
    """(rows, bytes) to (rows, row) codes: little-endian bits, low first, two's complement where signed."""
    bit = np.unpackbits(np.asarray(packed, np.uint8), axis=1, bitorder="little")[:, : row * bits]
    codes = bit.reshape(len(packed), row, bits).astype(np.int64) @ (1 << np.arange(bits))
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes) if signed else codes


def weights(node: dict, tensors: dict, shape: tuple):
    """Weight codes in `shape`, their zero points and the bias (or None) of a conv or linear node."""
    stored, bits = tensors["weight"], node["weight_bits"]
    if bits < 8:
        stored = unpack(stored, int(np.prod(shape[1:])), bits, signed=not node["weight_affine"])
    return stored.astype(np.int64).reshape(shape), tensors.get("weight_zero_point", 0), tensors.get("bias")


# ---- one function an operator: (node, its tensors, codes of its inputs, their qparams, its own) -> codes --


def requantized(node, tensors, acc, y, axis):
    return oracle.Q(
        acc, tensors["multiplier"], tensors["shift"], y["zero_point"], node["lo"], node["hi"], axis
    )


def qconv2d(node, t, xs, qs, y):
    shape = (node["out_channels"], xs[0].shape[1] // node["groups"], *node["kernel_size"])
    w, zw, bias = weights(node, t, shape)
    window = (node["stride"], node["padding"], node["dilation"], node["groups"])
    return requantized(node, t, conv.conv2d(xs[0], qs[0]["zero_point"], w, zw, bias, *window), y, 1)


def qconv_transpose2d(node, t, xs, qs, y):
    shape = (xs[0].shape[1], node["out_channels"] // node["groups"], *node["kernel_size"])
    w, zw, bias = weights(node, t, shape)
    window = (node["stride"], node["padding"], node["output_padding"], node["dilation"], node["groups"])
    return requantized(node, t, conv.conv_transpose2d(xs[0], qs[0]["zero_point"], w, zw, bias, *window), y, 1)


def qlinear(node, t, xs, qs, y):
    w, zw, bias = weights(node, t, (node["out_features"], xs[0].shape[-1]))
    acc = conv.linear(xs[0], qs[0]["zero_point"], w, zw, bias)
    return requantized(node, t, acc, y, acc.ndim - 1)


def channel_axis(x) -> int:
    """With the batch: (n, c, h, w) and (n, f) have axis 1, (n, t, f) has axis 2."""
    return 2 if x.ndim == 3 else 1


def qaffine(node, t, xs, qs, y):
    return ops.affine(xs[0], qs[0]["zero_point"], t["multiplier"], t["offset"], t["shift"], y["zero_point"],
                      node["lo"], node["hi"], channel_axis(xs[0]))  # fmt: skip


def clamp(node, t, xs, qs, y):
    return oracle.clamp(xs[0], node["lo"], node["hi"])


def lookup(node, t, xs, qs, y):
    return ops.lookup(xs[0], t["table"], channel_axis(xs[0]))


def qmax_pool2d(node, t, xs, qs, y):
    fields = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    return pool.max_pool2d(xs[0], *(node[f] for f in fields))


def by_divisor(t) -> dict:
    return {int(d): (m, s) for d, m, s in zip(t["divisors"], t["multiplier"], t["shift"], strict=True)}


def qavg_pool2d(node, t, xs, qs, y):
    fields = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    return pool.avg_pool2d(xs[0], qs[0]["zero_point"], *(node[f] for f in fields), by_divisor(t),
                           y["zero_point"], node["lo"], node["hi"])  # fmt: skip


def qadaptive_avg_pool2d(node, t, xs, qs, y):
    return pool.adaptive_avg_pool2d(xs[0], qs[0]["zero_point"], node["output_size"], by_divisor(t),
                                    y["zero_point"], node["lo"], node["hi"])  # fmt: skip


def qadd(node, t, xs, qs, y):
    return ops.add(xs[0], qs[0]["zero_point"], node["a_multiplier"], xs[1], qs[1]["zero_point"],
                   node["b_multiplier"], node["shift"], y["zero_point"], node["lo"], node["hi"])  # fmt: skip


def qmul(node, t, xs, qs, y):
    return ops.mul(xs[0], qs[0]["zero_point"], xs[1], qs[1]["zero_point"], node["multiplier"], node["shift"],
                   y["zero_point"], node["lo"], node["hi"])  # fmt: skip


def qconcat(node, t, xs, qs, y):
    full = (node["lo"], node["hi"]) == oracle.qrange(y["bits"])
    identity = [full and q == y for q in qs]
    return ops.concat(xs, [q["zero_point"] for q in qs], t["multiplier"], t["shift"], y["zero_point"],
                      node["lo"], node["hi"], node["axis"] + 1, identity)  # fmt: skip


def slice_(node, t, xs, qs, y):
    return ops.slice_axis(xs[0], node["axis"] + 1, node["start"], node["stop"], node["step"])


def permute_channels(node, t, xs, qs, y):
    return ops.permute(xs[0], t["order"], channel_axis(xs[0]))


def reshape(node, t, xs, qs, y):
    return ops.reshape(xs[0], node["shape"])


def pad(node, t, xs, qs, y):
    return ops.pad(xs[0], node["padding"], node["mode"], node["value"], node["channels"])


def upsample_nearest(node, t, xs, qs, y):
    return ops.upsample_nearest(xs[0], node["output_size"])


def upsample_bilinear(node, t, xs, qs, y):
    return ops.upsample_bilinear(xs[0], node["output_size"], node["align_corners"])


OPERATORS = {f.__name__.rstrip("_"): f for f in (
    qconv2d, qconv_transpose2d, qlinear, qaffine, clamp, lookup, qmax_pool2d, qavg_pool2d,
    qadaptive_avg_pool2d, qadd, qmul, qconcat, slice_, permute_channels, reshape, pad,
    upsample_nearest, upsample_bilinear)}  # fmt: skip


# ---- the whole graph --------------------------------------------------------------------------------------


def qparams_of(description: dict) -> dict:
    return {key: description[key] for key in ("scale", "zero_point", "bits")}


def node_tensors(node: dict, tensors: dict) -> dict:
    """The tensors "<name>.<field>" of one node, by field."""
    fields = ("weight", "weight_scale", "weight_zero_point", "bias", "multiplier", "shift", "offset", "table",
              "divisors", "order")  # fmt: skip
    return {f: tensors[f"{node['name']}.{f}"] for f in fields if f"{node['name']}.{f}" in tensors}


def run(graph: dict, tensors: dict, inputs: list) -> list:
    """Codes of every value, the graph's inputs first and then one for each operator, each (n, ...) int64."""
    values = [np.asarray(x, np.int64) for x in inputs]
    qparams = [qparams_of(i) for i in graph["inputs"]]
    for node in graph["ops"]:
        xs, qs = [values[i] for i in node["inputs"]], [qparams[i] for i in node["inputs"]]
        y = qparams_of(node) if "scale" in node else qs[0]
        values.append(OPERATORS[node["op"]](node, node_tensors(node, tensors), xs, qs, y))
        qparams.append(y)
    return values


def bounds(graph: dict, tensors: dict, values: list) -> dict[str, tuple[int, int]]:
    """Least and greatest accumulator of each conv and linear node over its channels: the overflow proof."""
    qparams, result = [qparams_of(i) for i in graph["inputs"]], {}
    for node in graph["ops"]:
        first, x = qparams[node["inputs"][0]], values[node["inputs"][0]]
        qparams.append(qparams_of(node) if "scale" in node else first)
        rows = centred_rows(node, node_tensors(node, tensors), x)
        if rows is None:
            continue
        bias = tensors.get(f"{node['name']}.bias", [0] * len(rows))
        each = [oracle.accumulator_bounds(r, int(b), first["zero_point"], 2 ** first["bits"] - 1)
                for r, b in zip(rows, bias, strict=True)]  # fmt: skip
        result[node["name"]] = (min(lo for lo, _ in each), max(hi for _, hi in each))
    return result


def centred_rows(node: dict, t: dict, x):
    """w' = w - zw as (oc, taps), every tap of a channel; None for operators without weights."""
    if node["op"] == "qconv2d":
        w, zw, _ = weights(
            node, t, (node["out_channels"], x.shape[1] // node["groups"], *node["kernel_size"])
        )
    elif node["op"] == "qlinear":
        w, zw, _ = weights(node, t, (node["out_features"], x.shape[-1]))
    elif node["op"] == "qconv_transpose2d":
        groups, ic, oc = node["groups"], x.shape[1], node["out_channels"]
        w, zw, _ = weights(node, t, (ic, oc // groups, *node["kernel_size"]))
        w = w.reshape(groups, ic // groups, oc // groups, -1).swapaxes(1, 2).reshape(oc, -1)
    else:
        return None
    return conv.centre(w, zw).reshape(len(w), -1)
