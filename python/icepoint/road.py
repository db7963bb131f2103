"""Follows one run of a hand-written quantize_inference and builds the graph of what it did."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name

from . import tracing
from .graph import GraphBuilder
from .modules import QConcat, QModule
from .qparams import QParam

Tensor = torch.Tensor

# Operations that only move or rename codes: the result's shape says all that a graph needs.
_RESHAPES = {Tensor.view, Tensor.reshape, Tensor.flatten, Tensor.unsqueeze, Tensor.squeeze, Tensor.unflatten,
             Tensor.view_as, Tensor.reshape_as, torch.reshape, torch.flatten, torch.unsqueeze, torch.squeeze,
             torch.unflatten}  # fmt: skip
_CASTS = {Tensor.to, Tensor.type, Tensor.byte, Tensor.char, Tensor.short, Tensor.int, Tensor.long}
_SAME = {Tensor.contiguous, Tensor.clone, Tensor.detach, torch.clone, torch.detach}
_CONCATS = {torch.cat, torch.concat, torch.concatenate}
# What would let the codes' values, and not their shapes, steer the network or leave it unseen.
_READS = {"item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__",
          "__contains__", "equal", "allclose", "is_nonzero", "data_ptr", "__iter__"}  # fmt: skip


class RoadTracer(TorchFunctionMode):
    """Follows tensors through one run: float inputs, codes by their value's number, float outputs."""

    def __init__(self, module: nn.Module, examples: Sequence[Tensor]):
        super().__init__()
        self.graph = GraphBuilder()
        self.names = {child: name for name, child in module.named_modules() if isinstance(child, QModule)}
        self.method = tracing.place_of(module.quantize_inference)
        self.examples = list(examples)
        self.input_codes: list[np.ndarray] = [np.empty(0)] * len(examples)
        self._input_of: dict[int, int] = {}  # position of a float input -> its value
        self._codes: dict[int, tuple[Tensor, int]] = {}  # id -> the tensor, which keeps its id, and its value
        self._floats: dict[int, tuple[Tensor, int]] = {}  # dequantized outputs
        self._busy = 0

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    # What qparams.py and the QModules tell.

    def quantized(self, x: Tensor, codes: Tensor, qparams: tuple[float, int, int]) -> None:
        position = next((i for i, example in enumerate(self.examples) if example is x), None)
        if position is None:
            if id(x) in self._floats:
                self._refuse("quantizes again what was dequantized; QModules pass codes on")
            return  # a weight or a constant of the user's own: no part of the graph unless codes meet it
        q = QParam.of_scale(*qparams)
        if position in self._input_of:
            value = self._input_of[position]
            if not self.graph.values[value].q.same_as(q):
                self._refuse("quantizes an input a second time, with other qparams")
        else:
            if position != len(self._input_of):
                self._refuse("quantizes the inputs in another order than quantize_inference takes them")
            name = "x" if len(self.examples) == 1 else f"x{position}"
            value = self.graph.add_input(name, x.shape[1:], q)
            self._input_of[position] = value
            self.input_codes[position] = codes.to(torch.uint8).numpy()
        self._codes[id(codes)] = codes, value

    def dequantized(self, codes: Tensor, x: Tensor, qparams: tuple[float, int]) -> None:
        if id(codes) not in self._codes:
            return
        value = self._codes[id(codes)][1]
        q = self.graph.values[value].q
        if (q.scale, q.zero_point) != qparams:
            self._refuse(f"dequantizes codes of scale {q.scale:g} and zero point {q.zero_point} with "
                         f"scale {qparams[0]:g} and zero point {qparams[1]}")  # fmt: skip
        self._floats[id(x)] = x, value

    def ran(self, module: nn.Module, xs: Sequence[Any], y: Tensor) -> None:
        name = self.names.get(module, type(module).__name__.lower())
        inputs = [self._value(x, name) for x in _flat(xs)]
        if not inputs or not isinstance(module, QModule):
            self._refuse(f"runs {name} on no codes")
        for value, wanted in zip(inputs, getattr(module, "q_ins", None) or [module.q_in], strict=True):
            q = self.graph.values[value].q
            if not q.same_as(wanted):
                self._refuse(f"feeds {name}, which was frozen for {wanted}, codes of {q}")
        self._follow(y, module.emit(self.graph, name, inputs))

    # What torch tells.

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._busy:
            return func(*args, **kwargs)
        tensors = [x for x in _flat((*args, *kwargs.values())) if isinstance(x, Tensor)]
        ours = [x for x in tensors if id(x) in self._codes or id(x) in self._floats or self._is_example(x)]
        result = func(*args, **kwargs)
        if not ours:
            return result
        codes = [x for x in ours if id(x) in self._codes]
        name = getattr(func, "__name__", "")
        if result is None:
            self._refuse(f"writes into a tensor ({name}); codes are only read")
        if name in _READS:
            self._refuse(f"reads the values of a tensor ({name}); a frozen graph cannot depend on them")
        made = [x for x in _flat((result,)) if isinstance(x, Tensor)]
        if not made:
            return result  # a size, a dtype, a stride
        if len(codes) != len(ours) or len(made) != 1:
            where = "in float, outside the integers" if len(codes) != len(ours) else "with several results"
            self._refuse(f"calls {_name_of(func)} {where}; a frozen model begins at quantize_tensor "
                         "and ends at dequantize_tensor")  # fmt: skip
        self._follow(made[0], self._moved(func, args, kwargs, codes, made[0]))
        return result

    def _moved(self, func: Any, args: Any, kwargs: Any, codes: Sequence[Tensor], result: Tensor) -> int:
        """The value of codes that an operation of torch's moved; refuses an operation that computes."""
        x, value = codes[0], self._codes[id(codes[0])][1]
        integral = not result.is_floating_point() and result.dtype != torch.bool
        if func in _CASTS and integral and result.shape == x.shape:
            if result.dtype == torch.int8:
                self._refuse("makes codes int8, which holds no code above 127")
            return value
        if func in _SAME:
            return value
        if func in _RESHAPES and len(codes) == 1:
            if len(result) != len(x):
                self._refuse("moves codes from one image to another; keep dimension 0, as view(-1, ...) does")
            if result.shape == x.shape:
                return value
            if not 2 <= result.dim() <= 4:
                self._refuse(
                    f"gives codes the shape {tuple(result.shape)}; a graph holds 1 to 3 dimensions behind n"
                )
            flat = result.dim() == 2
            return self.graph.add(
                "reshape", "flatten" if flat else "reshape", [value], {"shape": list(result.shape[1:])}
            )
        if func in _CONCATS:
            return self._concatenated(args, kwargs, codes)
        self._refuse(
            f"calls {_name_of(func)} on codes; QModules compute, between them codes are only reshaped"
        )

    def _concatenated(self, args: Any, kwargs: Any, codes: Sequence[Tensor]) -> int:
        axis = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0))
        values = [self._codes[id(x)][1] for x in codes]
        q = self.graph.values[values[0]].q
        if any(not self.graph.values[v].q.same_as(q) for v in values):
            self._refuse("joins codes of different scales with torch.cat; use a QConcat")
        if axis % codes[0].dim() == 0:
            self._refuse("joins codes along the batch")
        joined = QConcat(axis, num_bits=q.num_bits)
        joined.q_out = q
        joined.freeze(q_in=[q] * len(values))
        return joined.emit(self.graph, "concat", values)

    def outputs(self, result: Any) -> list[int]:
        """Value numbers of what quantize_inference returned."""
        returned = list(result) if isinstance(result, (tuple, list)) else [result]
        for x in returned:
            if not isinstance(x, Tensor) or id(x) not in self._floats:
                found = "codes" if id(x) in self._codes else type(x).__name__
                raise ValueError(
                    f"freeze: cannot follow {self.method}: it must return what q_out.dequantize_tensor gave "
                    f"(one tensor, or a tuple of them), found {found}"
                )
        missing = len(self.examples) - len(self._input_of)
        if missing:
            raise ValueError(
                f"freeze: cannot follow {self.method}: {missing} of {len(self.examples)} inputs "
                "were never quantized"
            )
        found: list[int] = []
        for x in returned:
            value = self._floats[id(x)][1]
            found.append(self._copied(value) if value in found else value)
        return found

    def _copied(self, value: int) -> int:
        """A value of its own for an output that is listed twice: the softmax of another output, say."""
        known = self.graph.values[value]
        copy = self.graph.add("reshape", "copy", [value], {"shape": list(known.shape)})
        self.graph.values[copy].shape = known.shape
        return copy

    # Helpers.

    def _follow(self, y: Tensor, value: int) -> None:
        known = self.graph.values[value]
        if not known.shape:
            known.shape = tuple(y.shape[1:])
        self._codes[id(y)] = y, value

    def _value(self, x: Any, name: str) -> int:
        if not isinstance(x, Tensor) or id(x) not in self._codes:
            self._refuse(f"gives {name} a tensor that did not come from quantize_tensor or a QModule")
        return self._codes[id(x)][1]

    def _is_example(self, x: Tensor) -> bool:
        return any(x is example for example in self.examples)

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"freeze: cannot follow {tracing.user_line()}: it {what}")


def _flat(xs: Any) -> list[Any]:
    """Arguments with lists and tuples opened, one level and deeper."""
    return [y for x in xs for y in (_flat(x) if isinstance(x, (list, tuple)) else [x])]


def _name_of(func: Any) -> str:
    return resolve_name(func) or getattr(func, "__name__", str(func))
