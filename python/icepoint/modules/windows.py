"""Sliding windows: torch's ways of writing sizes and padding, as the ops' pairs and four sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

_MODES = {"reflect": "nn.ReflectionPad2d", "replicate": "nn.ReplicationPad2d", "circular": "none here"}


def pair(value: int | Sequence[int], who: str, least: int = 1) -> list[int]:
    """[height, width] of an int or a pair; ValueError below `least`.

    >>> pair(3, "kernel_size"), pair((1, 2), "stride")
    ([3, 3], [1, 2])
    """
    values = list(value) if isinstance(value, (tuple, list)) else [value, value]
    if len(values) != 2 or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{who}: expected an integer or a pair of integers, found {value!r}")
    if min(values) < least:
        raise ValueError(f"{who}: expected at least {least}, found {value!r}")
    return values


def sides(padding: int | Sequence[int], who: str) -> list[int]:
    """[top, left, bottom, right] of torch's symmetric padding."""
    height, width = pair(padding, who, least=0)
    return [height, width, height, width]


def conv_padding(conv: nn.Conv2d) -> list[int]:
    """[top, left, bottom, right] of a convolution, 'same' and 'valid' included.

    torch puts the odd element of 'same' below and on the right. ValueError for a padding_mode other
    than zeros: an integer convolution pads with the zero point, which is the code of zero.
    """
    if conv.padding_mode != "zeros":
        raise ValueError(
            f"padding_mode: expected 'zeros', found {conv.padding_mode!r}; pad with a layer of its own "
            f"before the convolution ({_MODES.get(conv.padding_mode, 'none here')})"
        )
    if conv.padding == "valid":
        return [0, 0, 0, 0]
    if conv.padding == "same":
        total = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        before = [t // 2 for t in total]
        return [*before, *(t - b for t, b in zip(total, before, strict=True))]
    return sides(conv.padding, "padding")


def conv_fields(conv: nn.Conv2d) -> dict[str, Any]:
    """The convolution's fields of the frozen file."""
    return {
        "out_channels": conv.out_channels,
        "kernel_size": list(conv.kernel_size),
        "stride": list(conv.stride),
        "padding": conv_padding(conv),
        "dilation": list(conv.dilation),
        "groups": conv.groups,
    }
