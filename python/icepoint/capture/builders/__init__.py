"""ATen operators as float modules: the one table of what a captured graph may hold."""

from __future__ import annotations

from . import moving, pointwise, pooling, weighted
from .common import Builder, nothing

#: The short name and the builder of every supported operator: builder(arguments, result's shape).
BUILDERS: dict[str, Builder] = {
    "conv1d": weighted.conv1d,
    "conv2d": weighted.conv2d,
    "conv_transpose1d": weighted.conv_transpose1d,
    "conv_transpose2d": weighted.conv_transpose2d,
    "linear": weighted.linear,
    "matmul": weighted.matmul,
    "batch_norm": weighted.batch_norm,
    "max_pool1d": pooling.max_pool1d,
    "max_pool2d": pooling.max_pool2d,
    "avg_pool1d": pooling.avg_pool1d,
    "avg_pool2d": pooling.avg_pool2d,
    "adaptive_avg_pool1d": pooling.adaptive_avg_pool1d,
    "adaptive_avg_pool2d": pooling.adaptive_avg_pool2d,
    "mean": pooling.mean,
    "amax": pooling.amax,
    "relu": pointwise.relu,
    "relu6": pointwise.relu6,
    "hardtanh": pointwise.clamp("min_val", "max_val"),
    "clamp": pointwise.clamp("min", "max"),
    "clip": pointwise.clamp("min", "max"),
    "clamp_min": pointwise.clamp("min", ""),
    "clamp_max": pointwise.clamp("", "max"),
    "maximum": pointwise.maximum,
    "minimum": pointwise.minimum,
    **{name: pointwise.unary(name) for name in pointwise.UNARY},
    "prelu": pointwise.prelu,
    "rrelu": pointwise.rrelu,
    "pow": pointwise.power,
    "add": pointwise.add,
    "sub": pointwise.sub,
    "rsub": pointwise.rsub,
    "mul": pointwise.mul,
    "div": pointwise.div,
    "neg": pointwise.neg,
    **dict.fromkeys(("cat", "concat", "concatenate"), moving.cat),
    "slice": moving.slice_,
    "narrow": moving.narrow,
    "select": moving.select,
    "index": moving.index,
    "index_select": moving.index_select,
    **dict.fromkeys(
        ("flatten", "unflatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze"), moving.reshape
    ),
    "permute": moving.permute,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), moving.transpose),
    "pixel_shuffle": moving.pixel_shuffle,
    "pixel_unshuffle": moving.pixel_unshuffle,
    "channel_shuffle": moving.channel_shuffle,
    **dict.fromkeys(("pad", "constant_pad_nd"), moving.pad),
    **{f"reflection_pad{d}d": moving.padding_of("reflect") for d in (1, 2)},
    **{f"replication_pad{d}d": moving.padding_of("replicate") for d in (1, 2)},
    **{f"upsample_nearest{d}d": moving.nearest("nearest") for d in (1, 2)},
    **{f"_upsample_nearest_exact{d}d": moving.nearest("nearest-exact") for d in (1, 2)},
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d"), moving.linear_upsampling),
    **dict.fromkeys(
        ("dropout", "feature_dropout", "contiguous", "clone", "detach", "alias", "lift_fresh_copy"), nothing
    ),
}

#: Of operators with several results: the builder of the result number arguments["index"].
SEVERAL: dict[str, Builder] = {
    "chunk": moving.chunk,
    **dict.fromkeys(("split", "split_with_sizes"), moving.split),
    "tensor_split": moving.tensor_split,
    "unbind": moving.unbind,
    **dict.fromkeys(("max_pool1d_with_indices",), pooling.max_pool1d),
    "max_pool2d_with_indices": pooling.max_pool2d,
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), pooling.adaptive_max_pool),
    "max": pooling.max_along,
}
