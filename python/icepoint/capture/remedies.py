"""What a user can do about an operator that has no integer form here."""

from __future__ import annotations

#: For what cannot be captured, but could be written by hand.
OWN_ROAD = "write this part out of QModules (QAdd, QMul, QConcat join branches) and use icepoint.freeze"

_BATCH_FIRST = "keep one image behind the other, x.view(x.shape[0], ...), and join and reduce behind that"
_NOT_RANDOM = "take it out of the model, or give it what is drawn as one more input"
_KEEP_A_DIMENSION = "keep a dimension behind n, as (n, 1), and squeeze the result"

_ON_THE_RESULT = "move it to the network's end, or apply it to the float result"
_NORM = "train with BatchNorm2d in its place"
_SHAPES = "bring both to one shape, or one of them to one value a channel, (n, c, 1, 1)"
_MOVES = "keep the order (n, c, h, w); channels may be permuted, and pixels shuffled into them and back"
_CUT = "take the part that you need by a slice, x[:, a:b], and flatten what is left"
_RESIZE = "use nearest or bilinear up-sampling to a whole multiple, without antialias"
_MATRICES = "multiply by constant matrices only, from the right"
_SPREAD = "leave it out where a sum or product spreads (n, c, 1, 1); torch.cat([x] * c, 1) repeats channels"

_REMEDIES = {
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax", "argmax", "topk"), _ON_THE_RESULT),
    **dict.fromkeys(("add", "sub", "rsub", "mul"), _SHAPES),
    **dict.fromkeys(("cat", "stack"), "join results of operators by torch.cat, not along the batch"),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm", "batch_norm"), _NORM),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "swapdims", "movedim", "mT", "flip"), _MOVES),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _MOVES),
    **dict.fromkeys(("unbind", "index", "index_select", "select", "slice", "narrow", "gather"), _CUT),
    **dict.fromkeys(("upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d", "upsample_nearest2d",
                     "upsample_nearest1d", "_upsample_nearest_exact2d", "_upsample_bilinear2d_aa"), _RESIZE),
    **dict.fromkeys(("expand", "expand_as", "repeat", "tile"), _SPREAD),
    **dict.fromkeys(("mean", "amax", "max"), "take it over neighbouring dimensions, as mean((2, 3))"),
    **dict.fromkeys(("maximum", "minimum"), "write it by ReLU: max(a, b) = a + relu(b - a)"),
    **dict.fromkeys(("bmm", "matmul", "scaled_dot_product_attention"), _MATRICES),
    **dict.fromkeys(("to", "_to_copy"), "do it to the data before the model"),
    "div": "multiply by a constant, or write the quotient as a function of one value",
    "glu": "write it out: a, b = x.chunk(2, 1); a * torch.sigmoid(b)",
    "adaptive_max_pool2d": "pool to 1, or to a size that divides the input's",
    "pad": "pad with a finite constant or by reflection, behind the channels",
}  # fmt: skip


def remedy_of(operator: str, reason: str = "", broken: bool = False) -> str:
    """A sentence's end for the operator's short name.

    `reason` is why it has no integer form, `broken` whether it cannot stay float either.

    >>> remedy_of("log_softmax")
    "move it to the network's end, or apply it to the float result"
    """
    known = _REMEDIES.get(operator)
    if "draws random numbers" in reason:
        return _NOT_RANDOM
    if "batch as the first dimension" in reason and known in (None, _MOVES):
        return _BATCH_FIRST
    if "makes the shape (n,)" in reason:
        return _KEEP_A_DIMENSION
    if broken:
        return OWN_ROAD
    return known or "replace it by a supported layer, or quantize with strict=False to keep it float"
