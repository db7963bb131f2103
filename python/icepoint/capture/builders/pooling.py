"""Pools of one and two dimensions, and means and maxima over whole dimensions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from torch import nn

from ..images import on_image
from ..steps import Unsupported
from .common import Arguments, Built, Shape, flat_pair, pair, view, words, x_of


def max_pool2d(a: Arguments, _shape: Shape) -> Built:
    _check_values(a)
    return [nn.MaxPool2d(
        pair(a["kernel_size"]), pair(a["stride"] or a["kernel_size"]), pair(a["padding"]),
        pair(a["dilation"]), ceil_mode=a["ceil_mode"],
    )]  # fmt: skip


def max_pool1d(a: Arguments, shape: Shape) -> Built:
    return on_image(*max_pool2d(_on_height_1(a), shape))


def avg_pool2d(a: Arguments, _shape: Shape) -> Built:
    return [nn.AvgPool2d(
        pair(a["kernel_size"]), pair(a["stride"] or a["kernel_size"]), pair(a["padding"]),
        a["ceil_mode"], a["count_include_pad"], a.get("divisor_override"),
    )]  # fmt: skip


def avg_pool1d(a: Arguments, shape: Shape) -> Built:
    return on_image(*avg_pool2d(_on_height_1(a), shape))


def _on_height_1(a: Arguments) -> Arguments:
    """The arguments of a one-dimensional pool for images of height 1."""
    stride = a["stride"] or a["kernel_size"]
    flat = {"kernel_size": flat_pair(a["kernel_size"], 1), "stride": flat_pair(stride, 1),
            "padding": flat_pair(a["padding"], 0)}  # fmt: skip
    if "dilation" in a:
        flat["dilation"] = flat_pair(a["dilation"], 1)
    return {**a, **flat}


def adaptive_avg_pool2d(a: Arguments, shape: Shape) -> Built:
    # To the size that is there already every window is one element: VGG at 224 x 224.
    return [] if x_of(a).shape[2:] == shape[2:] else [nn.AdaptiveAvgPool2d(tuple(shape[2:]))]


def adaptive_avg_pool1d(a: Arguments, shape: Shape) -> Built:
    same = x_of(a).shape[2:] == shape[2:]
    return [] if same else on_image(nn.AdaptiveAvgPool2d((1, shape[2])))


def adaptive_max_pool(a: Arguments, shape: Shape) -> Built:
    """To a size that divides the input's: windows of one size, as max_pool2d has them."""
    _check_values(a)
    before = x_of(a).shape[2:]
    if before == shape[2:]:
        return []
    if any(i % o for i, o in zip(before, shape[2:], strict=True)):
        raise Unsupported(
            f"it pools {words(x_of(a).shape)} to {words(shape)}; sizes that divide the input's are supported"
        )
    kernel = [i // o for i, o in zip(before, shape[2:], strict=True)]
    return on_image(nn.MaxPool2d((1, *kernel))) if len(kernel) == 1 else [nn.MaxPool2d(tuple(kernel))]


def _check_values(a: Arguments) -> None:
    if a.get("index", 0) != 0:
        raise Unsupported("it gives the indices of the maxima, which codes do not carry")


def mean(a: Arguments, shape: Shape) -> Built:
    if a.get("dtype") is not None:
        raise Unsupported(f"it averages in {a['dtype']}")
    return _reduced(a, shape, "averages", lambda _, left: nn.AdaptiveAvgPool2d(left))


def amax(a: Arguments, shape: Shape) -> Built:
    return _reduced(a, shape, "takes the maximum of", lambda window, _: nn.MaxPool2d(window))


def max_along(a: Arguments, shape: Shape) -> Built:
    _check_values(a)
    return amax(a, shape)


def _reduced(
    a: Arguments, shape: Shape, does: str, pool: Callable[[tuple[int, int], tuple[int, int]], nn.Module]
) -> Built:
    """A pool over neighbouring dimensions; pool(window, size of the result).

    Height and width of an image, or the length of a sequence, as they are; others become the height of
    an image.
    """
    before = x_of(a).shape
    given = a.get("dim")
    given = [given] if isinstance(given, int) else given or range(1, len(before))
    axes = sorted(axis % len(before) for axis in given)
    if axes != list(range(axes[0], axes[0] + len(axes))) or axes[0] == 0 or len(before) > 4:
        raise Unsupported(
            f"it {does} dimensions {axes} of {len(before)}; neighbouring ones behind the batch are supported"
        )
    if axes in ([2, 3], [2]) and axes[-1] == len(before) - 1:
        kept = (*before[:2], *[1] * len(axes))
        window = before[2:] if len(axes) == 2 else (1, before[2])
        whole = [pool(window, (1, 1))]
        return [
            *(whole if len(axes) == 2 else on_image(*whole)),
            *([] if kept == shape else [view(kept, shape)]),
        ]
    first, last = prod(before[1 : axes[0]]), prod(before[axes[-1] + 1 :])
    rows = prod(before[axis] for axis in axes)
    n = before[0]
    return [
        view(before, (n, first, rows, last)),
        pool((rows, 1), (1, last)),
        view((n, first, 1, last), shape),
    ]
