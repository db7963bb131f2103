"""icepoint.freeze: runs a hand-written quantize_inference once and turns what it saw into a frozen model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from . import tracing
from .frozen import FrozenModel
from .modules import QModule
from .output_functions import OutputFunction
from .recipe import Recipe
from .road import RoadTracer

Tensor = torch.Tensor


def freeze(
    module: nn.Module,
    example_input: Tensor | Sequence[Tensor],
    recipe: Recipe | dict[str, Any] | None = None,
    output_functions: Sequence[OutputFunction | None] | None = None,
) -> FrozenModel:
    """The frozen model of a network written out of QModules.

    `module.quantize_inference(*example_input)` runs once. The graph is what it did: which QModule
    saw which codes, with view, reshape, flatten, squeeze, unsqueeze and torch.cat (of equal qparams)
    between them. Where a QModule is not frozen yet and the network has a `freeze()` of its own, that
    runs first. `example_input`: one float32 batch (n, ...), or one for each argument; only its shape
    matters, and its first image joins the file's self-check. Moves no observer.

    `output_functions`: for each output None, {"function": "softmax" | "log_softmax", "axis": k},
    {"function": "sigmoid"} or {"function": "argmax", "axis": k, "keepdim": False}, with axes that do not
    count the batch: what the frozen model computes from the output in double. Argmax gives int64.

    ValueError, with the line, for anything that integers would not do: arithmetic on codes between
    QModules, float work before quantization or behind dequantization, values that steer Python.

    >>> from icepoint import QLinear
    >>> net = nn.Module(); net.fc = QLinear(nn.Linear(4, 2)); _ = net.fc(torch.randn(8, 4))
    >>> net.quantize_inference = lambda x: net.fc.q_out.dequantize_tensor(
    ...     net.fc.quantize_inference(net.fc.q_in.quantize_tensor(x)))
    >>> net.fc.freeze(); freeze(net, torch.zeros(1, 4))(torch.randn(3, 4)).shape
    torch.Size([3, 2])
    """
    if not callable(getattr(module, "quantize_inference", None)):
        raise ValueError(
            f"freeze: {type(module).__name__} has no quantize_inference: write the network out of QModules, "
            "or give a float model to icepoint.quantize"
        )
    examples = [example_input] if isinstance(example_input, Tensor) else list(example_input)
    _check_examples(examples)
    recipe = Recipe.of(recipe)
    _check_calibrated(module)
    if any(isinstance(m, QModule) and not m.frozen for m in module.modules()):
        _freeze_modules(module)
    with torch.no_grad():
        # Two images at least: a view that swallows the batch would pass unseen with one.
        twice = [(torch.cat([x, x]) if len(x) == 1 else x).contiguous() for x in examples]
        trace = RoadTracer(module, twice)
        with tracing.listening(trace), trace:
            result = module.quantize_inference(*twice)
        outputs = trace.outputs(result)
    graph = trace.graph
    examples = [codes[:1] for codes in trace.input_codes]
    return FrozenModel(graph.encode(outputs, recipe, examples, output_functions))


def _check_examples(examples: Sequence[Any]) -> None:
    if not examples:
        raise ValueError("freeze.example_input: expected at least one tensor, found none")
    for x in examples:
        if not isinstance(x, Tensor) or x.dtype != torch.float32 or x.dim() < 2 or len(x) < 1:
            found = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"freeze.example_input: expected a float32 batch (n, ...), n >= 1, found {found}"
            )


def _check_calibrated(module: nn.Module) -> None:
    for name, child in module.named_modules():
        for role, own in (("q_in", "has_qin"), ("q_out", "has_qout")):
            if isinstance(child, QModule) and getattr(child, own) and getattr(child, role).scale is None:
                raise ValueError(f"calibrate first: {name} ({type(child).__name__}).{role} has seen no data")


_freezing: set[int] = set()  # networks whose own freeze() runs now: it may end by calling us


def _freeze_modules(module: nn.Module) -> None:
    own = getattr(module, "freeze", None)
    if not callable(own) or id(module) in _freezing:
        return
    _freezing.add(id(module))
    try:
        own()
    finally:
        _freezing.discard(id(module))
