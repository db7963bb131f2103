"""An ONNX graph under construction: nodes, constants, and names that never meet."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

OPSET = 17  # of 2022: all that is needed, and known to every runtime of today
_IR_VERSION = 8  # what came with this opset
_SMALL = 16  # elements of a constant that is worth looking up


def import_package(name: str, what: str) -> ModuleType:
    """The module of an optional package; ValueError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{what} needs the {name} package, which is not installed; pip install 'icepoint[export]', "
            f"or pip install {name}"
        ) from error


class OnnxGraph:
    """Collects nodes. What a method gives or takes as str is the name of a tensor."""

    def __init__(self, reserved: Sequence[str]):
        self.onnx = import_package("onnx", "export_onnx")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._taken = set(reserved)
        self._known: dict[tuple[Any, ...], str] = {}
        self.prefix = ""  # of the names made next: the layer's own

    def name(self, wanted: str) -> str:
        """`wanted`, or with a number where a tensor of this name is there already."""
        found, count = wanted, 1
        while found in self._taken:
            count += 1
            found = f"{wanted}_{count}"
        self._taken.add(found)
        return found

    def constant(self, array: Any, name: str, dtype: Any = None) -> str:
        """A constant of the layer; a small one that is there already is used again."""
        array = np.asarray(array, dtype)
        key = (array.dtype.str, array.shape, array.tobytes() if array.size <= _SMALL else None)
        if array.size > _SMALL or key not in self._known:
            self._known[key] = self.name(f"{self.prefix}{name}")
            self.constants.append(self.onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """The output of a new node; `output` is a whole name, taken already, else one is made of the op."""
        made = output or self.name(f"{self.prefix}{op}")
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [made], **attributes))
        return made

    def name_last(self, name: str) -> str:
        """Gives the output of the node made last, which nothing reads yet, a whole name, taken already."""
        self.nodes[-1].output[0] = name
        return name

    def cast(self, x: str, dtype: Any) -> str:
        return self.node("Cast", [x], to=self.type_of(dtype))

    def type_of(self, dtype: Any) -> int:
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def value(self, name: str, dtype: Any, shape: Sequence[int]) -> Any:
        """An input or output of the model, (n, *shape) with n free."""
        return self.onnx.helper.make_tensor_value_info(name, self.type_of(dtype), ["n", *shape])

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any], told: dict[str, str]) -> Any:
        """The checked ModelProto, `told` as its metadata. ValueError where it outgrows a file."""
        helper = self.onnx.helper
        size = sum(len(constant.raw_data) for constant in self.constants)
        if size >= 1 << 31:
            raise ValueError(
                f"export_onnx: the constants have {size:,} bytes; one ONNX file holds at most 2 GiB"
            )
        graph = helper.make_graph(self.nodes, "icepoint", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="icepoint"
        )
        helper.set_model_props(model, told)
        self.onnx.checker.check_model(model, full_check=True)
        return model
