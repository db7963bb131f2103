"""The operators of random_graphs.py: one function each adds a node that reads value x, with random fields."""

import numpy as np

import oracle
import oracle_conv as conv
import oracle_pool as pool
from graph_builder import MAX_NUMEL, Builder, windows_of


def small_enough(*shape: int) -> bool:
    return 0 < int(np.prod(shape)) <= MAX_NUMEL and min(shape) > 0


def qconv2d(b: Builder, x: int) -> int:
    c, h, w = b.values[x][0]
    groups = b.choice([g for g in range(1, c + 1) if c % g == 0])
    while True:
        window, oc = b.window(x, pads_below_kernel=False), groups * b.integer(1, max(1, 12 // groups))
        (kh, kw), (sh, sw), p, (dh, dw) = (
            window[k] for k in ("kernel_size", "stride", "padding", "dilation")
        )
        oh = conv.conv_output(h, kh, sh, p[0], p[2], dh)
        ow = conv.conv_output(w, kw, sw, p[1], p[3], dw)
        if small_enough(oc, oh, ow):
            break
    q = b.qparams()
    fields, tensors = b.weights(x, q, oc, (c // groups, kh, kw), oc, c // groups * kh * kw)
    fields |= {"out_channels": oc, "groups": groups, **window, **b.code_range(q)}
    return b.add("qconv2d", [x], (oc, oh, ow), q, fields, tensors)


def qconv_transpose2d(b: Builder, x: int) -> int:
    c, h, w = b.values[x][0]
    groups = b.choice([g for g in range(1, c + 1) if c % g == 0])
    while True:
        kernel, stride, dilation = ([b.integer(1, 3), b.integer(1, 3)] for _ in range(3))
        padding = [b.integer(0, 2) for _ in range(4)]
        extra = [b.integer(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)]
        oc = groups * b.integer(1, max(1, 8 // groups))
        oh, ow = (
            (size - 1) * stride[a]
            + dilation[a] * (kernel[a] - 1)
            + 1
            + extra[a]
            - padding[a]
            - padding[a + 2]
            for a, size in enumerate((h, w))
        )
        if oh > 0 and ow > 0 and small_enough(oc, oh, ow):
            break
    q = b.qparams()
    fields, tensors = b.weights(x, q, c, (oc // groups, *kernel), oc, c // groups * kernel[0] * kernel[1])
    fields |= {
        "out_channels": oc, "groups": groups, "kernel_size": kernel, "stride": stride, "dilation": dilation,
        "padding": padding, "output_padding": extra, **b.code_range(q),
    }  # fmt: skip
    return b.add("qconv_transpose2d", [x], (oc, oh, ow), q, fields, tensors)


def qlinear(b: Builder, x: int) -> int:
    *rows, features = b.values[x][0]
    out, q = b.integer(1, 20), b.qparams()
    fields, tensors = b.weights(x, q, out, (features,), out, features)
    return b.add("qlinear", [x], (*rows, out), q, fields | {"out_features": out, **b.code_range(q)}, tensors)


def qaffine(b: Builder, x: int) -> int:
    q, rows = b.qparams(), []
    for _ in range(b.channels(x)):
        gain, offset = b.rng.normal(0, 1.5) * b.ratio(x, q), b.rng.normal(0, 2 ** q["bits"] / 6)
        rows.append(oracle.quantize_affine(float(gain), float(offset), 0, 8, q["zero_point"], q["bits"]))
    names = ("multiplier", "offset", "shift")
    tensors = {n: np.array(v, np.int32) for n, v in zip(names, zip(*rows, strict=True), strict=True)}
    return b.add("qaffine", [x], b.values[x][0], q, b.code_range(q), tensors)


def clamp(b: Builder, x: int) -> int:
    shape, q = b.values[x]
    return b.add("clamp", [x], shape, None, b.code_range(q))


def lookup(b: Builder, x: int) -> int:
    q, shape = b.qparams(), b.choice(((256,), (b.channels(x), 256)))
    table = b.rng.integers(0, 2 ** q["bits"], shape).astype(np.uint8)
    return b.add("lookup", [x], b.values[x][0], q, {"function": "random-1_x"}, {"table": table})


def qmax_pool2d(b: Builder, x: int) -> int:
    ceil_mode = b.chance()
    while True:
        window = b.window(x, pads_below_kernel=True)
        rows, cols = windows_of(b, x, window, ceil_mode)
        if all(taps for taps, _ in rows + cols):
            break
    shape = (b.values[x][0][0], len(rows), len(cols))
    return b.add("qmax_pool2d", [x], shape, None, {**window, "ceil_mode": ceil_mode})


def divisor_tensors(b: Builder, x: int, q: dict, divisors: list[int]) -> dict:
    factors = np.exp(b.rng.uniform(-1, 1, len(divisors))) * b.ratio(x, q) / divisors
    return {"divisors": np.array(divisors, np.int32), **b.requants(factors)}


def qavg_pool2d(b: Builder, x: int) -> int:
    c, h, w = b.values[x][0]
    window, q = b.window(x, pads_below_kernel=True, dilated=False), b.qparams()
    ceil_mode, include, override = b.chance(), b.chance(), b.choice((0, 0, b.integer(1, 9)))
    rows, cols = windows_of(b, x, window, ceil_mode)
    del window["dilation"]
    divisors = pool.avg_pool2d_divisors(h, w, *window.values(), ceil_mode, include, override)
    fields = {"ceil_mode": ceil_mode, "count_include_pad": include, "divisor_override": override}
    fields |= window | b.code_range(q)
    return b.add("qavg_pool2d", [x], (c, len(rows), len(cols)), q, fields, divisor_tensors(b, x, q, divisors))


def qadaptive_avg_pool2d(b: Builder, x: int) -> int:
    c, h, w = b.values[x][0]
    out, q = b.choice(([1, 1], [b.integer(1, 7), b.integer(1, 7)])), b.qparams()
    tensors = divisor_tensors(b, x, q, pool.adaptive_avg_pool2d_divisors(h, w, out))
    return b.add("qadaptive_avg_pool2d", [x], (c, *out), q, {"output_size": out, **b.code_range(q)}, tensors)


def partner(b: Builder, x: int) -> list[int]:
    """x and a value that can be added to it: itself, one of its shape, one made now, or (c, 1, 1)."""
    shape = b.values[x][0]
    alike = [v for v, (other, _) in enumerate(b.values) if other == shape]
    if len(shape) == 3 and b.chance(0.3):
        return [x, pooled(b, x)]
    return b.choice(([x, b.choice(alike)], [x, lookup(b, x)], [qaffine(b, x), x]))


def pooled(b: Builder, x: int) -> int:
    (c, h, w), q = b.values[x][0], b.qparams()
    fields = {"output_size": [1, 1], **b.code_range(q)}
    return b.add("qadaptive_avg_pool2d", [x], (c, 1, 1), q, fields, divisor_tensors(b, x, q, [h * w]))


def qadd(b: Builder, x: int) -> int:
    inputs, q = partner(b, x), b.qparams()
    m = oracle.quantize_add(*(float(b.rng.uniform(-2, 2) * b.ratio(i, q)) for i in inputs))
    fields = dict(zip(("a_multiplier", "b_multiplier", "shift"), m, strict=True)) | b.code_range(q)
    return b.add("qadd", inputs, b.values[inputs[0]][0], q, fields)


def qmul(b: Builder, x: int) -> int:
    inputs, q = partner(b, x), b.qparams()
    multiplier, shift = oracle.quantize_multiplier(
        float(np.exp(b.rng.uniform(-1, 1)) * b.ratio(inputs[0], q) / 2 ** b.values[inputs[1]][1]["bits"])
    )
    fields = {"multiplier": multiplier, "shift": shift, **b.code_range(q)}
    return b.add("qmul", inputs, b.values[inputs[0]][0], q, fields)


def qconcat(b: Builder, x: int) -> int:
    """Sometimes with the qparams of an input, which then moves unchanged."""
    shape = b.values[x][0]
    axis = b.integer(0, len(shape) - 1)
    inputs = [x] + [slice_(b, x, axis) if b.chance() else lookup(b, x) for _ in range(b.integer(0, 2))]
    keep = b.chance()
    q = dict(b.values[x][1]) if keep else b.qparams()
    limits = {"lo": 0, "hi": 2 ** q["bits"] - 1} if keep else b.code_range(q)
    factors = [1.0 if b.values[i][1] == q else np.exp(b.rng.uniform(-1, 1)) * b.ratio(i, q) for i in inputs]
    out = list(shape)
    out[axis] = sum(b.values[i][0][axis] for i in inputs)
    return b.add("qconcat", inputs, out, q, {"axis": axis, **limits}, b.requants(factors))


def slice_(b: Builder, x: int, axis: int | None = None) -> int:
    shape = list(b.values[x][0])
    axis = b.integer(0, len(shape) - 1) if axis is None else axis
    start = b.integer(0, shape[axis] - 1)
    stop, step = b.integer(start + 1, shape[axis]), b.integer(1, 3)
    shape[axis] = len(range(start, stop, step))
    return b.add("slice", [x], shape, None, {"axis": axis, "start": start, "stop": stop, "step": step})


def permute_channels(b: Builder, x: int) -> int:
    order = b.rng.permutation(b.channels(x)).astype(np.int32)
    return b.add("permute_channels", [x], b.values[x][0], None, {}, {"order": order})


def reshape(b: Builder, x: int) -> int:
    """To any rank, in a random factorization."""
    rest, shape = int(np.prod(b.values[x][0])), []
    for _ in range(b.integer(0, 2)):
        shape.append(b.choice([d for d in range(1, rest + 1) if rest % d == 0]))
        rest //= shape[-1]
    shape = [int(d) for d in b.rng.permutation([*shape, rest])]
    return b.add("reshape", [x], shape, None, {"shape": shape})


def pad(b: Builder, x: int) -> int:
    (c, h, w), q = b.values[x]
    mode = b.choice(("constant", "reflect", "replicate"))
    most = (h - 1, w - 1, h - 1, w - 1) if mode == "reflect" else (3, 3, 3, 3)
    padding, channels = [b.integer(0, min(3, m)) for m in most], [0, 0]
    if mode == "constant" and b.chance():
        channels = [b.integer(0, 2), b.integer(0, 2)]
    value = b.choice((q["zero_point"], b.integer(0, 2 ** q["bits"] - 1))) if mode == "constant" else 0
    shape = (c + sum(channels), h + padding[0] + padding[2], w + padding[1] + padding[3])
    return b.add(
        "pad", [x], shape, None, {"mode": mode, "padding": padding, "channels": channels, "value": value}
    )


def output_size(b: Builder, x: int) -> list[int]:
    """Twice the size, or any that stays small."""
    c, h, w = b.values[x][0]
    while True:
        out = [b.choice((2 * h, b.integer(1, 15))), b.choice((2 * w, b.integer(1, 15)))]
        if small_enough(c, *out):
            return out


def upsample_nearest(b: Builder, x: int) -> int:
    c = b.values[x][0][0]
    out = output_size(b, x)
    return b.add("upsample_nearest", [x], (c, *out), None, {"output_size": out})


def upsample_bilinear(b: Builder, x: int) -> int:
    c = b.values[x][0][0]
    out = output_size(b, x)
    return b.add("upsample_bilinear", [x], (c, *out), None, {"output_size": out, "align_corners": b.chance()})


ADDERS = {f.__name__.rstrip("_"): f for f in (
    qconv2d, qconv_transpose2d, qlinear, qaffine, clamp, lookup, qmax_pool2d, qavg_pool2d,
    qadaptive_avg_pool2d, qadd, qmul, qconcat, slice_, permute_channels, reshape, pad,
    upsample_nearest, upsample_bilinear)}  # fmt: skip
