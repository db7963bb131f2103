"""What only moves values: joins, cuts, views, permutations, padding, up-sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F

from ..images import on_image
from ..operators import Concat, Pad, PermuteChannels, Resize, Slice
from ..rearrange import Rearrange
from ..steps import Input, Unsupported
from .common import Arguments, Built, Shape, number, view, words, x_of


def cat(a: Arguments, shape: Shape) -> Built:
    tensors: Sequence[Any] = a["tensors"]
    if not all(isinstance(x, Input) for x in tensors):
        raise Unsupported("it joins a constant; results of operators are supported")
    if a["dim"] % len(shape) == 0 or any(len(x.shape) != len(shape) for x in tensors):
        raise Unsupported("it joins along the batch, or tensors of different rank")
    return [Concat(a["dim"] % len(shape))]


# Cuts.


def slice_(a: Arguments, _shape: Shape) -> Built:
    x = x_of(a)
    axis = a["dim"] % len(x.shape)
    start, stop, step = slice(a.get("start"), a.get("end"), a.get("step")).indices(x.shape[axis])
    return _cut(x.shape, axis, start, stop, step)


def narrow(a: Arguments, _shape: Shape) -> Built:
    x = x_of(a)
    axis = a["dim"] % len(x.shape)
    start = int(a["start"]) % x.shape[axis]
    return _cut(x.shape, axis, start, start + a["length"])


def select(a: Arguments, shape: Shape) -> Built:
    x = x_of(a)
    axis = a["dim"] % len(x.shape)
    index = a["index"] % x.shape[axis]
    kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return [*_cut(x.shape, axis, index, index + 1), view(kept, shape)]


def chunk(a: Arguments, _shape: Shape) -> Built:
    x = x_of(a)
    size = x.shape[a["dim"] % len(x.shape)]
    return _part(a, [math.ceil(size / a["chunks"])] * size)


def split(a: Arguments, _shape: Shape) -> Built:
    sizes = a.get("split_size", a.get("split_sizes"))
    x = x_of(a)
    return _part(a, [sizes] * x.shape[a["dim"] % len(x.shape)] if isinstance(sizes, int) else sizes)


def tensor_split(a: Arguments, _shape: Shape) -> Built:
    x = x_of(a)
    size = x.shape[a["dim"] % len(x.shape)]
    if "sections" in a:
        each, more = divmod(size, a["sections"])
        return _part(a, [each + (i < more) for i in range(a["sections"])])
    ends = [0, *a["indices"], size]
    return _part(a, [stop - start for start, stop in pairwise(ends)])


def unbind(_a: Arguments, _shape: Shape) -> Built:
    raise Unsupported("it takes a tensor apart along a whole dimension")


def _part(a: Arguments, sizes: Sequence[int]) -> Built:
    """The part number a["index"] of parts of `sizes`; the last one ends with the tensor."""
    x = x_of(a)
    axis = a["dim"] % len(x.shape)
    start = sum(sizes[: a["index"]])
    return _cut(x.shape, axis, start, min(start + sizes[a["index"]], x.shape[axis]))


def _cut(shape: Shape, axis: int, start: int, stop: int, step: int = 1) -> Built:
    if axis == 0 and (start, stop, step) != (0, shape[0], 1):
        raise Unsupported("it takes a part of the batch")
    if start >= stop:
        raise Unsupported("it takes an empty part")
    return [] if (start, stop, step) == (0, shape[axis], 1) else [Slice(axis, start, stop, step)]


def index(a: Arguments, shape: Shape) -> Built:
    """x[:, [2, 0, 1]]: a constant permutation of the channels."""
    indices = a["indices"]
    constants = [i for i in indices if i is not None]
    if len(indices) != 2 or indices[0] is not None or len(constants) != 1:
        raise Unsupported("it indexes by tensors; one constant list of channels, x[:, [...]], is supported")
    return _permuted(x_of({"self": a["self"]}), constants[0], shape)


def index_select(a: Arguments, shape: Shape) -> Built:
    if a["dim"] % len(shape) != 1:
        raise Unsupported(f"it selects along dimension {a['dim']}; the channels, dimension 1, are supported")
    return _permuted(x_of({"self": a["self"]}), a["index"], shape)


def _permuted(x: Input, order: Any, shape: Shape) -> Built:
    if isinstance(order, Input) or order.dim() != 1 or order.dtype == torch.bool:
        raise Unsupported("it indexes by what is computed, or by a mask; a constant list is supported")
    order = [i % x.shape[1] for i in order.tolist()]
    if sorted(order) != list(range(x.shape[1])):
        raise Unsupported(f"it takes channels {order[:8]}...; a permutation of all of them is supported")
    shuffle = PermuteChannels(order)
    return on_image(shuffle) if len(shape) == 3 else [shuffle]


# Views and permutations.


def reshape(a: Arguments, shape: Shape) -> Built:
    if a.get("dtype") is not None:
        raise Unsupported(f"it reads the bytes as {a['dtype']}")
    before = x_of(a).shape
    return [] if before == shape else [view(before, shape)]


def permute(a: Arguments, _shape: Shape) -> Built:
    return _rearranged(x_of(a).shape, a["dims"])


def transpose(a: Arguments, _shape: Shape) -> Built:
    before = x_of(a).shape
    axes = list(range(len(before)))
    pair = [v % len(before) for k, v in a.items() if not isinstance(v, Input)]
    axes[pair[0]], axes[pair[1]] = axes[pair[1]], axes[pair[0]]
    return _rearranged(before, axes)


def _rearranged(before: Shape, axes: Sequence[int]) -> Built:
    axes = [axis % len(before) for axis in axes]
    if axes[0] != 0:
        raise Unsupported("it moves the batch to another dimension")
    return [] if axes == sorted(axes) else [Rearrange(before[1:], [("permute", tuple(axes[1:]))])]


def pixel_shuffle(a: Arguments, _shape: Shape) -> Built:
    before, r = x_of(a).shape, a["upscale_factor"]
    c, h, w = before[1] // (r * r), *before[2:]
    moves = [("view", (c, r, r, h, w)), ("permute", (1, 4, 2, 5, 3)), ("view", (c, h * r, w * r))]
    return [Rearrange(before[1:], moves)]


def pixel_unshuffle(a: Arguments, _shape: Shape) -> Built:
    before, r = x_of(a).shape, a["downscale_factor"]
    c, h, w = before[1], before[2] // r, before[3] // r
    moves = [("view", (c, h, r, w, r)), ("permute", (1, 3, 5, 2, 4)), ("view", (c * r * r, h, w))]
    return [Rearrange(before[1:], moves)]


def channel_shuffle(a: Arguments, shape: Shape) -> Built:
    groups, c = a["groups"], shape[1]
    order = [g * (c // groups) + i for i in range(c // groups) for g in range(groups)]
    shuffle = PermuteChannels(order)
    return on_image(shuffle) if len(shape) == 3 else [shuffle]


# Padding and up-sampling.


def pad(a: Arguments, shape: Shape) -> Built:
    x = x_of(a)
    given, mode = list(a.get("pad", a.get("padding"))), a.get("mode", "constant")
    value = 0.0 if a.get("value") is None else number(a["value"])
    if value is None or not math.isfinite(value):
        raise Unsupported(f"it pads with {a['value']}; finite numbers are supported")
    if min(given) < 0:
        raise Unsupported("it cuts by negative padding; slice in its place")
    if len(x.shape) not in (2, 3, 4) or len(given) > 2 * len(x.shape) - 2:
        raise Unsupported(f"it pads {words(x.shape)} by {given}")
    if not any(given):
        return []
    # Pairs from the last dimension on; of a sequence there is no height, of (n, f) no height and width.
    given += [0] * (2 * len(x.shape) - 2 - len(given))
    if len(x.shape) == 2:
        n, f = x.shape
        flat = Pad((0, 0, 0, 0), mode, value, given)
        return [view(x.shape, (n, f, 1, 1)), flat, view((n, f + sum(given), 1, 1), shape)]
    height = given[2:4] if len(x.shape) == 4 else [0, 0]
    layer = Pad((height[0], given[0], height[1], given[1]), mode, value, given[-2:])
    if mode != "constant" and any(given[-2:]):
        raise Unsupported(f"it pads channels by {mode}")
    return on_image(layer) if len(x.shape) == 3 else [layer]


def padding_of(mode: str) -> Any:
    """The builder of reflection_pad and replication_pad, whose name is their mode."""
    return lambda a, shape: pad({**a, "mode": mode}, shape)


def nearest(mode: str) -> Any:
    """The builder of nearest up-sampling in one or two dimensions; `mode` is torch's."""

    def build(a: Arguments, shape: Shape) -> Built:
        x = x_of(a)
        for axis, scale in enumerate(_scales(a, len(shape) - 2), 2):
            line = torch.arange(x.shape[axis], dtype=torch.float32)[None, None]
            size = {"size": shape[axis]} if scale is None else {"scale_factor": scale}
            theirs = F.interpolate(line, **size, mode=mode)
            if not torch.equal(theirs, F.interpolate(line, size=shape[axis], mode="nearest")):
                raise Unsupported(
                    f"it takes other neighbours than the sizes {x.shape[axis]} to {shape[axis]} give "
                    f"({mode}, scale_factor {scale}); give the size, mode nearest"
                )
        return _resized(x.shape, shape, "nearest", False)

    return build


def linear_upsampling(a: Arguments, shape: Shape) -> Built:
    x, corners = x_of(a), bool(a["align_corners"])
    for axis, scale in enumerate(_scales(a, len(shape) - 2), 2):
        if (
            scale is not None
            and not corners
            and abs(x.shape[axis] * scale - shape[axis]) > 1e-6 * shape[axis]
        ):
            raise Unsupported(
                f"its scale_factor {scale:g} is not the ratio of the sizes {x.shape[axis]} and "
                f"{shape[axis]}; give the size"
            )
    return _resized(x.shape, shape, "bilinear", corners)


def _resized(before: Shape, after: Shape, mode: str, corners: bool) -> Built:
    if before == after:
        return []
    size = after[2:] if len(after) == 4 else (1, after[2])
    layer = Resize(size, mode, corners)
    return on_image(layer) if len(after) == 3 else [layer]


def _scales(a: Arguments, count: int) -> list[float | None]:
    """scale_factor of each dimension, None where the size was given."""
    if "scale_factors" in a:
        return list(a["scale_factors"] or [None] * count)
    return [a.get("scales")] if count == 1 else [a.get("scales_h"), a.get("scales_w")]
