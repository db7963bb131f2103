"""What a user can do about an operator that has no integer form here."""

from __future__ import annotations

#: For what cannot be captured, but could be written by hand.
OWN_ROAD = "write this part out of QModules (QAdd, QMul, QConcat join branches) and use icepoint.freeze"

_ON_THE_RESULT = "leave it out of the model and apply it to the float result"
_RELU = "train with ReLU or ReLU6 in its place"
_BEFOREHAND = "do it to the data before the model"

_REMEDIES = {
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax", "argmax", "topk"), _ON_THE_RESULT),
    **dict.fromkeys(("gelu", "silu", "hardswish", "elu", "leaky_relu", "prelu", "softplus", "tanh", "mish",
                     "hardsigmoid", "selu", "celu", "clamp", "clamp_min"), _RELU),
    **dict.fromkeys(("add", "mul"), "fold a constant into the layer before it, expand other shapes"),
    **dict.fromkeys(("sub", "cat", "stack"), OWN_ROAD),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), "train with BatchNorm2d in its place"),
    "hardtanh": _RELU,
    "mean": "average height and width, with nn.AdaptiveAvgPool2d(1) or mean((2, 3))",
    "pad": "give the padding to the convolution or pooling behind it",
    "conv1d": "write it as a Conv2d of height 1",
    **dict.fromkeys(("to", "_to_copy", "div", "permute", "transpose"), _BEFOREHAND),
}  # fmt: skip


def remedy_of(operator: str) -> str:
    """A sentence's end for the operator's short name.

    >>> remedy_of("log_softmax")
    'leave it out of the model and apply it to the float result'
    """
    return _REMEDIES.get(
        operator, "replace it by a supported layer, or quantize with strict=False to keep it float"
    )
