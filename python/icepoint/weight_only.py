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
from .bits import WeightBits
from .codes import check_num_bits
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
        state = {name: x.detach().clone().contiguous() for name, x in self.model.state_dict().items()}
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
    default = check_num_bits(num_bits, "quantize_weights.num_bits")
    bits, scheme = WeightBits(weight_bits, default), check_scheme(weights)
    found = [(name, layer) for name, layer in _layers(model) if not any(fnmatchcase(name, k) for k in keep)]
    if not found:
        raise ValueError(f"quantize_weights: {type(model).__name__} has no float32 weights to pack")
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
            stored = tuple(state[f"{name}.parametrizations.weight.original{i}"] for i in range(3))
            plan[name] = PackedWeight(
                check_num_bits(told["bits"]), check_scheme(told["scheme"]), told["shape"],
                _axis(layers[name]), stored,
            )  # fmt: skip
        made = _made(model, plan)
        made.model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{who}: written for another network: {error}") from error
    return made


def _made(model: nn.Module, plan: Mapping[str, PackedWeight]) -> WeightOnlyModel:
    """A copy of `model`, never of its large weights, with `plan`'s layers packed."""
    layers = {name: layer for name, layer in _layers(model) if name in plan}
    # deepcopy takes what `memo` has as copied already: views of the float weights, which are replaced below.
    views = {id(x.weight): nn.Parameter(x.weight.detach(), requires_grad=False) for x in layers.values()}
    copied = copy.deepcopy(model, views)
    rows = []
    for name, packed in plan.items():
        layer, weight = copied.get_submodule(name), layers[name].weight
        parametrize.register_parametrization(layer, "weight", packed, unsafe=True)
        rows.append(WeightRow.of(name, layer, packed, weight))
    return WeightOnlyModel(copied, WeightReport(rows, _bytes_of(model), _bytes_of(copied)))


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in model.named_modules():
        weight = getattr(layer, "weight", None)
        if type(layer) in _AXES and isinstance(weight, nn.Parameter) and weight.dtype == torch.float32:
            yield name, layer


def _axis(layer: nn.Module) -> int:
    return _AXES[type(layer)]


def _packed(model: nn.Module) -> Iterator[tuple[str, PackedWeight]]:
    for name, layer in model.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            yield name, layer.parametrizations.weight[0]


def _bytes_of(model: nn.Module) -> int:
    tensors = {id(x): x for x in (*model.parameters(), *model.buffers())}
    return sum(x.numel() * x.element_size() for x in tensors.values())
