"""The onnx package's own node cases for integer quantization, exactly, through icepoint's operators.

Inside: QuantizeLinear, DequantizeLinear, ConvInteger, MatMulInteger, QLinearConv and QLinearMatMul whose
types are 2-, 4- or 8-bit integers with float32 scales, per tensor or per axis. int8 activations are shifted
by 128, batched matrices go slice by slice, a QLinear case's real factor becomes multiplier and shift.
"""

import warnings

import numpy as np
import pytest
import torch

import icepoint.ops  # noqa: F401  registers the operators
from icepoint import _C

onnx = pytest.importorskip("onnx", reason="the onnx package, which carries the cases, is not installed")
from onnx.backend.test.case.node import collect_testcases  # noqa: E402

op = torch.ops.icepoint
OPERATORS = {
    "QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul",
}  # fmt: skip
INTEGERS = {"UINT8", "INT8", "UINT4", "INT4", "UINT2", "INT2", "INT32"}

# float8, float4, 16-bit, float16 and blocked: no part of icepoint's arithmetic.
OUTSIDE = {
    "test_dequantizelinear_blocked",
    "test_dequantizelinear_e4m3fn",
    "test_dequantizelinear_e4m3fn_float16",
    "test_dequantizelinear_e4m3fn_zero_point",
    "test_dequantizelinear_e5m2",
    "test_dequantizelinear_float4e2m1",
    "test_dequantizelinear_int16",
    "test_dequantizelinear_uint16",
    "test_qlinearmatmul_2D_int8_float16",
    "test_qlinearmatmul_2D_uint8_float16",
    "test_qlinearmatmul_3D_int8_float16",
    "test_qlinearmatmul_3D_uint8_float16",
    "test_quantizelinear_blocked_asymmetric",
    "test_quantizelinear_blocked_symmetric",
    "test_quantizelinear_e4m3fn",
    "test_quantizelinear_e5m2",
    "test_quantizelinear_float4e2m1",
    "test_quantizelinear_int16",
    "test_quantizelinear_uint16",
}


def node_cases() -> dict:
    """Cases of one node of the six operators, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other operators' cases overflow and divide by zero on purpose
        cases = collect_testcases(None)
    nodes = {case.name: case for case in cases if len(case.model.graph.node) == 1}
    return {name: case for name, case in nodes.items() if case.model.graph.node[0].op_type in OPERATORS}


def attributes(case) -> dict:
    return {a.name: onnx.helper.get_attribute_value(a) for a in case.model.graph.node[0].attribute}


def value_types(case) -> dict[str, str]:
    graph = case.model.graph
    name_of = onnx.TensorProto.DataType.Name
    return {v.name: name_of(v.type.tensor_type.elem_type) for v in [*graph.input, *graph.output]}


def as_array(value) -> np.ndarray:
    """Integers of less than a byte come as TensorProto."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


CASES = node_cases()
INSIDE = {
    name
    for name, case in CASES.items()
    if set(value_types(case).values()) <= INTEGERS | {"FLOAT"} and "block_size" not in attributes(case)
}


def test_what_is_outside_is_named_here():
    """A new version of onnx that brings a case fails here or runs below."""
    assert set(CASES) - INSIDE == OUTSIDE
    assert {CASES[name].model.graph.node[0].op_type for name in INSIDE} == OPERATORS


class Case:
    """One case: its inputs by the node's formal position, as NumPy; a missing optional input is None."""

    def __init__(self, case):
        node = case.model.graph.node[0]
        given, wanted = ([as_array(v) for v in side] for side in case.data_sets[0])
        arrays = dict(zip([i.name for i in case.model.graph.input], given, strict=True))
        self.types, self.attributes = value_types(case), attributes(case)
        self.names = list(node.input)
        self.inputs = [arrays[name] if name else None for name in node.input]
        (self.want,) = wanted
        self.output_type = self.types[node.output[0]]

    def get(self, i: int):
        return self.inputs[i] if i < len(self.inputs) else None

    def codes(self, i: int) -> np.ndarray | None:
        """Integers of any width as int64; None where absent."""
        a = self.get(i)
        return None if a is None else a.astype(np.int32).astype(np.int64)

    def activation(self, i: int, zero: int) -> tuple[torch.Tensor, int]:
        """uint8 codes and their zero point; int8 is shifted by 128."""
        shift = 128 if self.types[self.names[i]] == "INT8" else 0
        zero_point = self.codes(zero)
        z = 0 if zero_point is None else int(zero_point.reshape(-1)[0])
        assert zero_point is None or zero_point.size == 1
        return torch.from_numpy((self.codes(i) + shift).astype(np.uint8)), z + shift

    def weight(self, i: int, zero: int) -> tuple[np.ndarray, torch.Tensor]:
        """int8 codes and their zero points; uint8 is shifted by -128."""
        shift = -128 if self.types[self.names[i]] == "UINT8" else 0
        zero_point = self.codes(zero)
        z = np.zeros(1) if zero_point is None else zero_point.reshape(-1)
        return (self.codes(i) + shift).astype(np.int8), int32(z + shift)


def int32(a) -> torch.Tensor:
    return torch.from_numpy(np.asarray(a).astype(np.int32).reshape(-1))


def float32(a) -> torch.Tensor:
    a = np.asarray(a)
    assert a.dtype == np.float32
    return torch.from_numpy(a.copy())


def axis_of(case: Case, scale: torch.Tensor) -> int | None:
    return case.attributes.get("axis", 1) if scale.numel() > 1 else None


def factors(*scales) -> tuple[torch.Tensor, torch.Tensor]:
    """multiplier and shift of s_x s_w / s_y for each channel, in double from the float32 scales."""
    s_x, s_w, s_y = (np.asarray(s).astype(np.float64).reshape(-1) for s in scales)
    multiplier, shift = zip(*(_C.quantize_multiplier(m) for m in s_x * s_w / s_y), strict=True)
    return int32(multiplier), int32(shift)


def window(case: Case) -> tuple:
    a = case.attributes
    assert a.get("auto_pad", b"NOTSET") == b"NOTSET"
    pads = list(a.get("pads", [0, 0, 0, 0]))  # onnx: begins, then ends: top, left, bottom, right
    return list(a.get("strides", [1, 1])), pads, list(a.get("dilations", [1, 1])), a.get("group", 1)


def quantize_linear(case: Case):
    scale = float32(case.inputs[1])
    bits = int(case.output_type.removeprefix("U").removeprefix("INT"))
    qmin, qmax = (0, 2**bits - 1) if case.output_type[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    zero_point = case.codes(2)
    z = int32(np.zeros(1) if zero_point is None else zero_point)
    return op.quantize(float32(case.inputs[0]), scale, z, qmin, qmax, axis_of(case, scale))


def dequantize_linear(case: Case):
    scale, zero_point, signed = float32(case.inputs[1]), case.codes(2), case.types["x"][0] == "I"
    q = torch.from_numpy(case.codes(0).astype(np.int8 if signed else np.uint8))
    return op.dequantize(
        q, scale, int32(np.zeros(1) if zero_point is None else zero_point), axis_of(case, scale)
    )


def conv_integer(case: Case):
    x, zx = case.activation(0, 2)
    w, zw = case.weight(1, 3)
    return op.conv2d_int32(x, zx, torch.from_numpy(w), zw, None, *window(case))


def matmul_integer(case: Case):
    a, za = case.activation(0, 2)
    b, zb = case.weight(1, 3)
    return op.linear_int32(a, za, torch.from_numpy(b.T.copy()), zb, None)


def output_rule(case: Case, i: int) -> tuple[int, int]:
    """The output's zero point in uint8 codes, and what takes its codes back."""
    shift = 128 if case.output_type == "INT8" else 0
    return int(case.codes(i).reshape(-1)[0]) + shift, shift


def qlinear_conv(case: Case):
    x, zx = case.activation(0, 2)
    w, zw = case.weight(3, 5)
    bias = None if case.get(8) is None else int32(case.inputs[8])
    zy, back = output_rule(case, 7)
    multiplier, shift = factors(case.inputs[1], case.inputs[4], case.inputs[6])
    rule = (multiplier, shift, zy, 0, 255)
    return op.qconv2d(x, zx, torch.from_numpy(w), zw, bias, *rule, *window(case)).int() - back


def qlinear_matmul(case: Case):
    a, za = case.activation(0, 2)
    b, zb = case.weight(3, 5)
    zy, back = output_rule(case, 7)
    rule = (*factors(case.inputs[1], case.inputs[4], case.inputs[6]), zy, 0, 255)
    slices = [
        op.qlinear(left, za, torch.from_numpy(right.T.copy()), zb, None, *rule)
        for left, right in zip(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True)
    ]
    return torch.stack(slices).reshape(case.want.shape).int() - back


RUN = {
    "QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear, "ConvInteger": conv_integer,
    "MatMulInteger": matmul_integer, "QLinearConv": qlinear_conv, "QLinearMatMul": qlinear_matmul,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_node(name):
    assert len(CASES[name].data_sets) == 1
    case = Case(CASES[name])
    got = RUN[CASES[name].model.graph.node[0].op_type](case).numpy()
    want = case.want if case.want.dtype == np.float32 else case.want.astype(np.int32)
    assert got.shape == want.shape and np.array_equal(got, want)
