"""FrozenModel: one .ice file as an nn.Module - integers inside, float32 in and out - and load, its reader."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import _C, torch_short_cuts
from .answers import Answers, class_map, classify
from .export.interpreter import Integers
from .export.methods import Exports
from .integers import layer_integers
from .recipe import Recipe
from .vision import Picture

ModelFileError = _C.ModelFileError
_direct_call = _C.direct_call
_is_dynamo_compiling = torch.compiler.is_dynamo_compiling


class FrozenModel(Exports, nn.Module):
    """A frozen file as a module: `frozen(x)` takes and gives float32, the same bytes as everywhere.

    An output that ends in argmax is int64. Where the file gives outputs a function (output_functions), it is
    computed in double from their codes.

    The file's bytes are the uint8 buffer `model`, so state_dict, deepcopy, pickle, torch.compile and
    torch.export carry them. Inputs are (n, ...) with any n >= 0; several outputs come as a tuple.
    ModelFileError (a ValueError) for bytes that are no sound frozen file.

    >>> frozen = load("net.ice"); frozen(torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """

    model: torch.Tensor

    def __init__(self, data: bytes):
        super().__init__()
        self.register_buffer("model", torch.empty(0, dtype=torch.uint8))
        self._take(bytes(data))

    def _take(self, data: bytes) -> None:
        """Makes `data` the file; refuses what is not sound and leaves the old one then."""
        prepared = _C.Model(data)
        found = json.loads(prepared.describe())
        self._inputs = found["inputs"]
        self._outputs = found["outputs"]
        self.digest: str = found["digest"]
        # What torch.compile and torch.export can still read when the bytes are only a fake tensor: shapes
        # behind the output functions for run, those of the codes for run_codes.
        ops = found["ops"]
        self.key = self._key_of(self._outputs)
        self.codes_key = self._key_of([ops[o["value"] - len(self._inputs)] for o in self._outputs])
        self._argmax = tuple(f is not None and f["function"] == "argmax" for f in self.output_functions)
        # The operators find prepared models by digest: this one stays prepared as long as this module lives.
        self._set_prepared(prepared)
        self.model = torch.frombuffer(bytearray(data), dtype=torch.uint8)

    def _key_of(self, described: list[dict[str, Any]]) -> str:
        return f"{self.digest}:{json.dumps([d['shape'] for d in described], separators=(',', ':'))}"

    def _set_prepared(self, prepared: Any) -> None:
        self._prepared = prepared
        # Past torch's dispatcher, which costs as much as a small network: docs/decisions/0015.
        self._runner = prepared.runner(torch, torch_short_cuts)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """forward(), through nn.Module's hooks where there are any, else the short way where it is open."""
        y = None if _is_dynamo_compiling() else _direct_call(self, inputs, named)
        return super().__call__(*inputs, **named) if y is None else y

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """float32 (n, ...) inputs to float32 (n, ...) outputs, int64 where argmax ends one."""
        for x in inputs:
            if not isinstance(x, torch.Tensor):
                raise ValueError(f"FrozenModel: expected float32 tensors, found {type(x).__name__}")
        outputs = torch.ops.icepoint.run(list(inputs), self.model, self.key)
        return _single([y.long() if index else y for y, index in zip(outputs, self._argmax, strict=True)])

    def codes(self, *inputs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """uint8 codes of the outputs, before their functions; inputs are float32, or uint8 codes already."""
        return _single(torch.ops.icepoint.run_codes(self._input_codes(inputs), self.model, self.codes_key))

    def trace(self, *inputs: torch.Tensor) -> dict[str, np.ndarray]:
        """uint8 codes (n, ...) of every value by name, the inputs first; inputs as for codes()."""
        arrays = [x.contiguous().numpy() for x in self._input_codes(inputs)]
        return dict(self._native().trace(arrays))

    def _input_codes(self, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        if len(inputs) != len(self._inputs):
            raise ValueError(f"FrozenModel: expected {len(self._inputs)} inputs, found {len(inputs)}")
        found = []
        for x, q in zip(inputs, self._inputs, strict=True):
            if not isinstance(x, torch.Tensor):
                raise ValueError(f"FrozenModel: expected tensors, found {type(x).__name__}")
            if x.dtype != torch.uint8:
                scale = torch.tensor([q["scale"]], dtype=torch.float32)
                zero_point = torch.tensor([q["zero_point"]], dtype=torch.int32)
                x = torch.ops.icepoint.quantize(x, scale, zero_point, 0, (1 << q["bits"]) - 1, None)
            found.append(x)
        return found

    def classify(self, pictures: Picture | Iterable[Picture], top: int = 1) -> Answers:
        """The `top` likeliest classes of pictures of any size that the file's recipe takes.

        pictures: one or many of a PNG's or JPEG's path, a PIL image, uint8 pixels (h, w) or (h, w, c).
        Integers from the pixels to the codes, or the sums, of the last layer; probabilities in double.
        ValueError where the model does not give one number a class or takes no pictures.

        >>> answers = load("net.ice").classify("digit.png")
        >>> answers[0][0].index in range(10), str(answers).splitlines()[0]
        (True, 'input      class  probability')
        """
        return classify(self, pictures, top)

    def class_map(self, picture: Picture) -> np.ndarray:
        """uint8 (h, w): the class of each pixel of output 0, the indices that `icepoint run --map` writes.

        picture: as for classify; of (n, h, w, c) pixels the maps (n, h, w). ValueError where output 0 is
        not (classes, h, w), has more than 256 classes, or ends in a function over another axis.
        """
        return class_map(self, picture)

    # The file.

    @property
    def file_bytes(self) -> bytes:
        """The .ice file, byte for byte."""
        return self.model.numpy().tobytes()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file: `path` holds the old file or the whole new one, never a part. OSError."""
        name = _file_name(path)
        _C.save_atomically(name, self.file_bytes)
        return Path(name)

    def verify(self) -> None:
        """Replays the file's self-check here; ModelFileError naming the first layer that differs."""
        failure = self._native().verify()
        if failure:
            raise ModelFileError(failure)

    def describe(self) -> dict[str, Any]:
        """Graph, shapes, bits, sizes, MACs, recipe, overflow proof: what `icepoint inspect` shows."""
        return json.loads(self._native().describe())

    def layers(self) -> list[dict[str, Any]]:
        """The operators of describe(), in order: name, op, inputs, shape, scale, zero_point, bits, macs..."""
        return self.describe()["ops"]

    @property
    def recipe(self) -> Recipe | None:
        """How pixels become the input, where the file says so."""
        return Recipe.of_file(self.describe()["recipe"])

    @property
    def output_functions(self) -> tuple[dict[str, Any] | None, ...]:
        """Of each output what the model computes from it in double, as in icepoint.freeze, or None."""
        return tuple(dict(o["function"]) if "function" in o else None for o in self._outputs)

    @property
    def output_accumulators(self) -> tuple[bool, ...]:
        """Of each output whether its reals are those of its layer's accumulators, not those of its codes."""
        return tuple("accumulators" in o for o in self._outputs)

    def integers(self) -> Integers:
        """Every layer's own numbers by layer name: fields as in the file, tensors as NumPy arrays.

        Of a convolution or linear layer: `weight` codes in their logical shape (int8 symmetric, uint8
        affine; few bits unpacked), `weight_scale`, `weight_zero_point`, `bias`, `multiplier`, `shift`,
        beside `x_zero_point` (one an input), `scale`, `zero_point`, `bits` of its output, `lo`, `hi`.
        """
        told = self.describe()
        layers = layer_integers(self._graph(), told, self._native().tensors())
        return Integers(layers, told["inputs"], told["outputs"])

    def _graph(self) -> dict[str, Any]:
        data = self.file_bytes  # sound by construction: a safetensors header, then the tensors
        (length,) = struct.unpack_from("<Q", data)
        return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["graph"])

    def _native(self) -> Any:
        return self._prepared

    # nn.Module.

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_prepared", "_runner")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._set_prepared(_C.Model(self.file_bytes))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Another model's bytes have another length and another key: take them as a whole.
        stored = state_dict.get(f"{prefix}model")
        if isinstance(stored, torch.Tensor) and stored.dtype == torch.uint8 and stored.dim() == 1:
            self._take(stored.cpu().numpy().tobytes())
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extra_repr(self) -> str:
        return f"digest={self.digest[:12]}..., {self.model.numel():,} bytes"


def load(path: str | os.PathLike[str]) -> FrozenModel:
    """Reads and proves a frozen file. ModelFileError where it is malformed, OSError where unreadable."""
    return FrozenModel(_C.load_bytes(_file_name(path)))


def _file_name(path: str | os.PathLike[str]) -> str:
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError(f"path: expected a file's name, found a zero byte in {name!r}")
    return name


def _single(outputs: list[torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
