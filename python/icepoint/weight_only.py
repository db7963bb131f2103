"""Weight-only quantization: a model a quarter or an eighth as large that still computes in float."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import nn
from torch.nn.utils import parametrize

from . import _C
from .codes import check_num_bits
from .layer_bits import LayerBits, check_patterns
from .packed_weight import PackedWeight
from .weight_report import WeightReport, WeightRow
from .weights import check_scheme

#: The layers whose weight is quantized, with the dimension of their output channels.
_AXES: dict[type[nn.Module], int] = {
    nn.Linear: 0, nn.Embedding: 0, nn.Conv1d: 0, nn.Conv2d: 0, nn.Conv3d: 0,
    nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 1, nn.ConvTranspose3d: 1,
}  # fmt: skip
_FORMAT = "icepoint.weights.1"


class WeightOnlyModel(nn.Module):
    """A model whose weights are integer codes; every call widens them, layer by layer, and computes in float.

    `model` is the quantized copy: its layers keep their classes, names and arguments, and
    `layer.weight` is the float32 tensor that the codes stand for. state_dict, deepcopy, torch.compile
    and torch.export work as on any module; what it computes is what `model` computes.
    """

    def __init__(self, model: nn.Module, report: WeightReport):
        super().__init__()
        self.model = model
        self._report = report

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the float model's."""
        return self.model(*args, **kwargs)

    def report(self) -> WeightReport:
        """Every quantized layer: bits, bytes before and after, SQNR of its weight; str() is a table."""
        return self._report

    @property
    def size_bytes(self) -> int:
        """Of all parameters and buffers, codes and scales included."""
        return _bytes_of(self.model)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a safetensors file with codes, scales and what stayed float; whole or not at all.

        It holds no code: `icepoint.load_weights(path, model)` needs the network's class beside it. This
        is no `.ice`, which computes with integers and needs no class.
        """
        layers = {
            name: {"bits": p.num_bits, "scheme": p.scheme, "shape": list(p.shape)}
            for name, p in _packed(self.model)
        }
        # One entry: safetensors writes several in an order that changes from run to run.
        metadata = {_FORMAT: json.dumps(layers, sort_keys=True)}
        values = self.model.state_dict()
        stored = set(_first_names(self.model).values())  # what layers share is written once
        state = {name: values[name].detach().clone().contiguous() for name in values if name in stored}
        _C.save_atomically(os.fsdecode(path), to_safetensors(state, metadata))
        return Path(path)


def quantize_weights(
    model: nn.Module,
    num_bits: int = 8,
    weights: str = "per_channel",
    weight_bits: Mapping[str, int] | None = None,
    keep: Sequence[str] = (),
) -> WeightOnlyModel:
    """A copy of `model` with its weights in `num_bits` (2..8) integers, which computes in float.

    It takes no data and no calibration, and loses less accuracy than integer activations do; it is
    smaller, not faster. Quantized are the weights of linear, convolution, transposed convolution and
    embedding layers; biases, norms and everything else stay float32. `weights` is the scheme of
    choose_weight_qparams, `weight_bits` {pattern: bits} over layer names, `keep` patterns of layers that
    stay float. `model` is not touched. ValueError for other arguments, and where no layer has weights.

    >>> q = quantize_weights(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)), num_bits=4)
    >>> q(torch.zeros(2, 64)).shape, q.size_bytes
    (torch.Size([2, 8]), 2888)
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"quantize_weights: expected an nn.Module, found {type(model).__name__}")
    default = check_num_bits(num_bits, "quantize_weights.num_bits")
    bits, scheme = LayerBits(weight_bits, default), check_scheme(weights)
    layers = dict(_layers(model))
    if not layers:
        dtypes = ", ".join(sorted({str(p.dtype) for p in model.parameters()})) or "none"
        raise ValueError(
            f"quantize_weights: {type(model).__name__} has no float32 weights to pack; expected linear, "
            f"convolution or embedding layers in float32, found parameters of {dtypes}"
        )
    kept = _kept(layers, keep)
    found = [(name, layer) for name, layer in layers.items() if name not in kept]
    if not found:
        raise ValueError(f"quantize_weights.keep: {list(keep)} leaves no layer to pack")
    plan = {
        name: PackedWeight(bits.of(name), scheme, layer.weight.shape, _axis(layer)) for name, layer in found
    }
    bits.check_used()
    return _made(model, plan)


def load_weights(path: str | os.PathLike[str], model: nn.Module) -> WeightOnlyModel:
    """The WeightOnlyModel that WeightOnlyModel.save wrote; `model` is the same network, of any weights.

    ValueError where the file is no such file, or was written for another network.
    """
    who = f"load_weights: {os.fsdecode(path)}"
    if Path(path).is_dir():
        raise IsADirectoryError(f"{who}: expected a file, found a folder")
    try:
        with safe_open(os.fsdecode(path), "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except SafetensorError as error:
        raise ValueError(f"{who}: expected a safetensors file; {error}") from error
    if _FORMAT not in metadata:
        raise ValueError(f"{who}: expected weights of quantize_weights, found {sorted(metadata)}")
    layers = dict(_layers(model))
    try:
        plan = {}
        for name, told in json.loads(metadata[_FORMAT]).items():
            if name not in layers or list(layers[name].weight.shape) != told["shape"]:
                raise ValueError(f"{type(model).__name__} has no layer {name!r} with weights {told['shape']}")
            bits, scheme = check_num_bits(told["bits"]), check_scheme(told["scheme"])
            plan[name] = PackedWeight(bits, scheme, told["shape"], _axis(layers[name]))
        for name, first in _owners(layers, plan).items():
            names = (f"{_prefix(first)}parametrizations.weight.original{i}" for i in range(3))
            plan[name].stored = tuple(state[key] for key in names)
        made = _made(model, plan)
        firsts = _first_names(made.model)
        if differing := set(state).symmetric_difference(firsts.values()):
            raise ValueError(f"only one of both has {', '.join(sorted(differing)[:3])}")
        made.model.load_state_dict({name: state[first] for name, first in firsts.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{who}: written for another network: {error}") from error
    return made


def _made(model: nn.Module, plan: Mapping[str, PackedWeight]) -> WeightOnlyModel:
    """A copy of `model`, never of its large weights, with `plan`'s layers packed."""
    layers = {name: layer for name, layer in _layers(model) if name in plan}
    planned = {id(layer) for layer in layers.values()}
    others = {
        id(x)
        for module in model.modules()
        for name, x in module.named_parameters(recurse=False)
        if name != "weight" or id(module) not in planned
    }
    # deepcopy takes what `memo` has as copied already: views of the float weights, which are replaced below.
    views = {
        id(x.weight): nn.Parameter(x.weight.detach(), requires_grad=False)
        for x in layers.values()
        if id(x.weight) not in others
    }
    copied = copy.deepcopy(model, views)
    rows = []
    for name, first in _owners(layers, plan).items():
        layer, weight = copied.get_submodule(name), layers[name].weight
        layer.weight = nn.Parameter(layer.weight.detach(), requires_grad=False)  # codes have no gradients
        try:
            parametrize.register_parametrization(layer, "weight", plan[name], unsafe=True)
        except ValueError as error:
            raise ValueError(f"quantize_weights: layer {name!r}: {error}") from error
        if first != name:  # tied weights stay tied
            theirs = copied.get_submodule(first).parametrizations.weight
            for i in range(3):
                setattr(layer.parametrizations.weight, f"original{i}", getattr(theirs, f"original{i}"))
        rows.append(WeightRow.of(name, layer, plan[name], weight))
    return WeightOnlyModel(copied, WeightReport(rows, _bytes_of(model), _bytes_of(copied)))


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in model.named_modules():
        weight = getattr(layer, "weight", None)
        if (
            isinstance(layer, tuple(_AXES))
            and isinstance(weight, nn.Parameter)
            and weight.dtype == torch.float32
        ):
            yield name, layer


def _kept(layers: Mapping[str, nn.Module], keep: Sequence[str]) -> set[str]:
    """The layers that `keep` names; ValueError for a pattern without one."""
    if isinstance(keep, str):
        raise ValueError(f"quantize_weights.keep: expected a list of patterns, found {keep!r}")
    check_patterns(keep, layers, "quantize_weights.keep")
    return {name for name in layers if any(fnmatchcase(name, pattern) for pattern in keep)}


def _owners(layers: Mapping[str, nn.Module], plan: Mapping[str, PackedWeight]) -> dict[str, str]:
    """Each planned layer's name with that of the first one that packs the same weight in the same way."""
    seen: dict[tuple, str] = {}
    return {
        name: seen.setdefault((id(layers[name].weight), p.num_bits, p.scheme, p.axis), name)
        for name, p in plan.items()
    }


def _first_names(model: nn.Module) -> dict[str, str]:
    """Each name in the state_dict with the first name of the same tensor."""
    seen: dict[int, str] = {}
    return {name: seen.setdefault(id(x), name) for name, x in model.state_dict(keep_vars=True).items()}


def _axis(layer: nn.Module) -> int:
    return next(axis for kind, axis in _AXES.items() if isinstance(layer, kind))


def _prefix(name: str) -> str:
    return f"{name}." if name else ""


def _packed(model: nn.Module) -> Iterator[tuple[str, PackedWeight]]:
    for name, layer in model.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            packed = layer.parametrizations.weight[0]
            if isinstance(packed, PackedWeight):
                yield name, packed


def _bytes_of(model: nn.Module) -> int:
    tensors = {id(x): x for x in (*model.parameters(), *model.buffers())}
    return sum(x.numel() * x.element_size() for x in tensors.values())
