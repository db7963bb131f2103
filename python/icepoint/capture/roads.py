"""The roads from a model to a graph of ATen operators: torch.export, and make_fx where that refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx

from .contexts import without_contexts
from .reads import RealConstants, SizeReads
from .refusals import Refusal, in_words, refusals
from .rules import rules_of
from .sizes import Sizes, expression_of, symbols_of
from .steps import Road
from .structure import Structure

_BATCH = 13  # a prime, so that it is not taken for another dimension
_READS = "the network's own code reads its sizes"

Examples = Sequence[torch.Tensor]


@dataclass
class Trace:
    """A graph of ATen operators with fake values in meta["val"].

    `inputs` are the placeholders of what the model takes, `constants` the tensors behind other nodes,
    `outputs` nodes or constants. `batch` is the first dimension of a batch: the expression of any
    number of images, or the number that was tried.
    """

    graph: fx.Graph
    inputs: list[fx.Node]
    constants: dict[fx.Node, Any]
    outputs: list[Any]
    gives: Structure
    batch: Any
    sizes: Sizes
    road: Road


def trace(model: nn.Module, takes: Structure, examples: Examples, any_size: bool = False) -> Trace:
    """What `model` computes in eval mode, by the first road that leads there.

    1. torch.export for any number of images; 2. torch.export for 13 images; 3. make_fx under fake
    tensors for 13 images, where the model's own parameters and buffers are real: code that reads their
    values can be followed. A road for 13 images counts only where 2 images give the same operators.
    ValueError naming the user's line.

    Where the user's code reads a height or width the graph holds for the example's; with `any_size` it
    is traced for all, as far as torch.export can: symbolic sizes take several times as long.
    """
    examples = [x.detach()[:1].repeat(_BATCH, *[1] * (x.dim() - 1)) for x in examples]
    refused: list[Refusal] = []
    with _at_rest(model):
        with contextlib.suppress(NotImplementedError):  # the module of an exported program has one mode
            model.eval()  # _at_rest puts it back
        called = _Called(model, takes, any_size)
        for road in (_any_batch, _one_batch, _fake_tensors):
            try:
                found = road(called, examples)
            except Refusal as refusal:
                refused.append(refusal)
                if refusal.final:
                    break
            else:
                told = dict.fromkeys(f"refused before: {refusal}" for refusal in refused)
                found.road = Road(found.road.name, (*told, *found.road.refused))
                return found
    raise ValueError(in_words(model, refused)) from refused[-1].__cause__


class _Noted:
    """What the last run returned, as a nesting, and whether it read sizes."""

    gives: Structure
    reads: bool


class _Called(nn.Module):
    """The model as a function of tensors alone, flat in and flat out."""

    def __init__(self, model: nn.Module, takes: Structure, any_size: bool):
        super().__init__()
        self.model, self.takes, self.any_size = model, takes, any_size
        self.noted = _Noted()
        self.real = False  # whether what no input reaches is computed and not traced

    def forward(self, *xs: torch.Tensor) -> list[Any]:
        args, kwargs = self.takes.rebuild(xs)
        with RealConstants() if self.real else contextlib.nullcontext(), SizeReads() as reads:
            result = self.model(*args, **kwargs)
        try:
            gives = Structure.of(result)
        except ValueError as error:
            raise Refusal(f"what it returns: {error}", final=True) from error
        self.noted.gives, self.noted.reads = gives, reads.found
        return gives.leaves(result)


# torch.export.


def _any_batch(called: _Called, examples: Examples) -> Trace:
    batch = Dim("batch")
    program, reasons = _export(called, examples, [{0: batch} for _ in examples]), []
    reads = called.noted.reads and any(x.dim() > 2 for x in examples)
    if reads and called.any_size:
        free = [{0: batch} | dict.fromkeys(range(2, x.dim()), Dim.AUTO) for x in examples]
        try:
            program = _export(called, examples, free)
        except Refusal as refusal:
            reasons.append(f"height and width as in the example: {refusal}")
    found = _of_program(
        called, program, examples, Road("torch.export for any number of images", tuple(reasons))
    )
    found.batch = expression_of(found.inputs[0].meta["val"].shape[0])
    if reads:
        found.sizes.fix("; ".join([_READS, *reasons]), but=found.sizes.symbols.values())
    return found


def _one_batch(called: _Called, examples: Examples) -> Trace:
    program = _export(called, examples, None)
    _check_batch(program.graph, lambda two: _export(called, two, None).graph, called, examples)
    found = _of_program(called, program, examples, Road(f"torch.export for {_BATCH} images"))
    if called.noted.reads:
        found.sizes.fix(_READS)
    return found


def _export(called: _Called, examples: Examples, dynamic: Any) -> ExportedProgram:
    with refusals(), torch.no_grad():
        program = torch.export.export(called, tuple(examples), dynamic_shapes=dynamic and (tuple(dynamic),))
        without_contexts(program.graph_module)
    return program


def _of_program(called: _Called, program: ExportedProgram, examples: Examples, road: Road) -> Trace:
    tensors = {**program.constants, **program.state_dict}
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs}
    given = [node for node in program.graph.nodes if node.op == "placeholder"]
    constants = {n: tensors[targets[n.name]] for n in given if targets[n.name] in tensors}
    inputs = [n for n in given if n not in constants]
    # Before the results come the buffers that the model writes.
    outputs = list(program.graph.output_node().args[0])[-called.noted.gives.count() or None :]
    values = [node.meta["val"] for node in inputs]
    sizes = Sizes([tuple(x.shape) for x in examples], symbols_of(values))
    sizes.rules = rules_of(values, sizes.symbols)
    return Trace(program.graph, inputs, constants, outputs, called.noted.gives, _BATCH, sizes, road)


# make_fx.


def _fake_tensors(called: _Called, examples: Examples) -> Trace:
    module = _make_fx(called, examples)
    _check_batch(module.graph, lambda two: _make_fx(called, two).graph, called, examples)
    nodes = list(module.graph.nodes)
    found = Trace(
        module.graph, [n for n in nodes if n.op == "placeholder"],
        {n: fx.graph_module._get_attr(module, n.target) for n in nodes if n.op == "get_attr"},
        list(nodes[-1].args[0]), called.noted.gives, _BATCH, Sizes([tuple(x.shape) for x in examples]),
        Road(f"make_fx under fake tensors for {_BATCH} images"),
    )  # fmt: skip
    if called.noted.reads:
        found.sizes.fix(_READS)
    return found


def _make_fx(called: _Called, examples: Examples) -> fx.GraphModule:
    for module in called.model.modules():  # _at_rest puts the model's own back
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.clone()
    called.real = True
    object.__setattr__(called, "_orig_mod", called)  # where make_fx looks for the modules' names
    with refusals(), torch.no_grad():
        module = make_fx(
            called, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True,
            record_module_stack=True, record_stack_traces=True,
        )(*examples)  # fmt: skip
        without_contexts(module)
    return module


# What the roads share.


def _check_batch(
    graph: fx.Graph, again: Callable[[Examples], fx.Graph], called: _Called, examples: Examples
) -> None:
    """A graph for 13 images stands for all numbers of them only where 2 give the same operators."""
    gives = called.noted.gives
    two = again([x[:2] for x in examples])
    if _kinds(two) != _kinds(graph) or called.noted.gives != gives:
        line = _batch_line(called, examples)
        raise Refusal(f"its forward does something else for another number of images{line}", final=True)


def _kinds(graph: fx.Graph) -> list[str]:
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


def _batch_line(called: _Called, examples: Examples) -> str:
    """Where the number of images steers, as far as torch.export can tell."""
    try:
        program = _export(called, examples, [{0: Dim.AUTO} for _ in examples])
    except Refusal:
        return ""
    values = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"]
    values = [x for x in values if isinstance(x, torch.Tensor)]
    lines = dict.fromkeys(rule.where for rule in rules_of(values, symbols_of(values)))
    return f" ({'; '.join(lines)})" if lines else ""


@contextlib.contextmanager
def _at_rest(model: nn.Module) -> Iterator[None]:
    """The model is only read: attributes that its forward sets under the trace are set back."""
    tables = ("_parameters", "_buffers", "_modules")
    # A TorchScript module keeps its state in C++, where no Python code reaches it.
    modules = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    kept = [(m, dict(m.__dict__), {t: dict(m.__dict__[t]) for t in tables}) for m in modules]
    try:
        yield
    finally:
        for module, attributes, contents in kept:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for name, content in contents.items():
                module.__dict__[name].clear()
                module.__dict__[name].update(content)
