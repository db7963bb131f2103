"""ATen operators as float modules: the one table of what a captured graph may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from .steps import Add, Concat, Input, Mul, Reshape, Unsupported

Arguments = dict[str, Any]  # by the schema's names; Input stands for a tensor that is computed
Shape = tuple[int, ...]  # of the result, with the batch
Built = list[nn.Module]  # to run one behind the other; empty where the result is the input itself


def _shell(make: Callable[[], nn.Module], **tensors: Any) -> Built:
    """A module around existing tensors: parameters and buffers are shared, nothing is allocated."""
    for name, tensor in tensors.items():
        _own(tensor, name)
    with torch.device("meta"):
        module = make()
    for name, tensor in tensors.items():
        kind = module._buffers if name in module._buffers else module._parameters
        kind[name] = tensor
    return [module.eval()]


def _own(tensor: Any, name: str) -> Any:
    if isinstance(tensor, Input):
        raise Unsupported(f"its {name} is computed in forward; only the model's own parameters are followed")
    return tensor


def conv2d(a: Arguments, _shape: Shape) -> Built:
    weight, bias, padding = _own(a["weight"], "weight"), a["bias"], a["padding"]
    return _shell(
        lambda: nn.Conv2d(
            weight.shape[1] * a["groups"], weight.shape[0], tuple(weight.shape[2:]), _pair(a["stride"]),
            padding if isinstance(padding, str) else _pair(padding),
            _pair(a["dilation"]), a["groups"], bias is not None,
        ),
        weight=weight, bias=bias,
    )  # fmt: skip


def linear(a: Arguments, _shape: Shape) -> Built:
    weight, bias = _own(a["weight"], "weight"), a["bias"]
    return _shell(
        lambda: nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight=weight, bias=bias
    )


def batch_norm(a: Arguments, shape: Shape) -> Built:
    if a["training"]:
        raise Unsupported("it normalizes by the batch's own statistics; call eval() on the model first")
    if len(shape) != 4:
        raise Unsupported(f"it normalizes a tensor of rank {len(shape)}; integers have (n, c, h, w) only")
    return _shell(
        lambda: nn.BatchNorm2d(shape[1], a["eps"], affine=a["weight"] is not None),
        weight=a["weight"], bias=a["bias"], running_mean=a["running_mean"], running_var=a["running_var"],
    )  # fmt: skip


def relu(_a: Arguments, _shape: Shape) -> Built:
    return [nn.ReLU()]


def _clamp(low: str, high: str) -> Callable[[Arguments, Shape], Built]:
    """The builder of a clamp whose ends are the arguments `low` and `high`."""

    def clamp(a: Arguments, _shape: Shape) -> Built:
        ends = a.get(low), a.get(high)
        if any(isinstance(end, (Input, torch.Tensor)) for end in ends) or ends not in ((0, None), (0, 6)):
            raise Unsupported(f"it clamps to {ends[0]}..{ends[1]}; ReLU and ReLU6 are supported")
        return [nn.ReLU() if ends[1] is None else nn.ReLU6()]

    return clamp


def relu6(_a: Arguments, _shape: Shape) -> Built:
    return [nn.ReLU6()]


def sigmoid(_a: Arguments, _shape: Shape) -> Built:
    return [nn.Sigmoid()]


def max_pool2d(a: Arguments, _shape: Shape) -> Built:
    return [nn.MaxPool2d(
        _pair(a["kernel_size"]), _pair(a["stride"] or a["kernel_size"]), _pair(a["padding"]),
        _pair(a["dilation"]), ceil_mode=a["ceil_mode"],
    )]  # fmt: skip


def avg_pool2d(a: Arguments, _shape: Shape) -> Built:
    return [nn.AvgPool2d(
        _pair(a["kernel_size"]), _pair(a["stride"] or a["kernel_size"]), _pair(a["padding"]),
        a["ceil_mode"], a["count_include_pad"], a["divisor_override"],
    )]  # fmt: skip


def adaptive_avg_pool2d(a: Arguments, shape: Shape) -> Built:
    # To the size that is there already every window is one element: VGG at 224 x 224.
    return [] if a["self"].shape[2:] == shape[2:] else [nn.AdaptiveAvgPool2d(_pair(a["output_size"]))]


def mean(a: Arguments, shape: Shape) -> Built:
    rank = len(a["self"].shape)
    axes = sorted(axis % rank for axis in a.get("dim") or range(rank))
    if rank != 4 or axes != [2, 3] or a.get("dtype") is not None:
        raise Unsupported(
            f"it averages dimensions {axes} of {rank}; the mean over height and width is supported"
        )
    return [nn.AdaptiveAvgPool2d(1)] + ([] if len(shape) == 4 else [Reshape(shape[1:])])


def reshape(_a: Arguments, shape: Shape) -> Built:
    if not 2 <= len(shape) <= 4:
        raise Unsupported(f"it makes the shape {_words(shape)}; integers have 1 to 3 dimensions behind n")
    return [Reshape(shape[1:])]


def add(a: Arguments, _shape: Shape) -> Built:
    _check_join(a["self"], a["other"], "adds")
    if a["alpha"] != 1:
        raise Unsupported(f"it multiplies the second term by alpha={a['alpha']}")
    return [Add()]


def mul(a: Arguments, _shape: Shape) -> Built:
    _check_join(a["self"], a["other"], "multiplies by")
    return [Mul()]


def _check_join(a: Any, b: Any, does: str) -> None:
    """Integers join equal shapes, or one value a channel with an image; nothing else."""
    if not (isinstance(a, Input) and isinstance(b, Input)):
        raise Unsupported(f"it {does} a constant; two results of operators are supported")
    spread = (
        len(a.shape) == len(b.shape) == 4
        and a.shape[:2] == b.shape[:2]
        and (1, 1) in (a.shape[2:], b.shape[2:])
    )
    if a.shape != b.shape and not spread:
        raise Unsupported(
            f"it broadcasts {_words(a.shape)} and {_words(b.shape)}; "
            "equal shapes, or (n, c, 1, 1) over (n, c, h, w), are supported"
        )


def cat(a: Arguments, shape: Shape) -> Built:
    tensors: Sequence[Any] = a["tensors"]
    if not all(isinstance(x, Input) for x in tensors):
        raise Unsupported("it joins a constant; results of operators are supported")
    if a["dim"] % len(shape) == 0 or any(len(x.shape) != len(shape) for x in tensors):
        raise Unsupported("it joins along the batch, or tensors of different rank")
    return [Concat(a["dim"] % len(shape))]


def nothing(_a: Arguments, _shape: Shape) -> Built:
    """Dropout in eval mode, and what only copies."""
    return []


def _words(shape: Shape) -> str:
    return f"(n, {', '.join(map(str, shape[1:]))})" if shape else "()"


def _pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


#: The short name and the builder of every supported operator: builder(arguments, result's shape).
BUILDERS: dict[str, Callable[[Arguments, Shape], Built]] = {
    "conv2d": conv2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "relu": relu,
    "relu6": relu6,
    "hardtanh": _clamp("min_val", "max_val"),
    "clamp": _clamp("min", "max"),
    "clamp_min": _clamp("min", ""),
    "sigmoid": sigmoid,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "mean": mean,
    "add": add,
    "mul": mul,
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    **dict.fromkeys(
        ("flatten", "unflatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze"), reshape
    ),
    **dict.fromkeys(
        ("dropout", "feature_dropout", "contiguous", "clone", "detach", "alias", "lift_fresh_copy"), nothing
    ),
}
