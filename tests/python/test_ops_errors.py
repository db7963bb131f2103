"""Every documented refusal of the operators: a ValueError that says who, found, expected."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from icepoint import _C, ModelFileError
from op_samples import SAMPLES, codes, float32, floats, frozen, frozen_bytes, int32, op, weights

EVERY_INT = ("x_zero_point", "y_zero_point", "a_zero_point", "b_zero_point")
X, ONE = codes(2, 4, 7, 6), codes(1, 1, 1, 1)
DIGEST = frozen()[3].partition(":")[0]

# (operator, arguments that replace those of its first sample, words of the message)
SHAPES_AND_VALUES = [
    ("quantize", {"x": floats(2, 3).double()}, r"quantize\.x: is float64, expected float32"),
    ("quantize", {"x": floats(2, 3).half()}, r"quantize\.x: is float16"),
    ("quantize", {"x": codes(2, 3)}, r"quantize\.x: is uint8"),
    ("quantize", {"scale": float32(0.1, 0.2)}, r"quantize\.scale: has shape \(2\)?,?.*expected \(1\)"),
    ("quantize", {"scale": torch.tensor([0.1], dtype=torch.float64)}, r"quantize\.scale: is float64"),
    ("quantize", {"zero_point": torch.tensor([1])}, r"quantize\.zero_point: is int64, expected int32"),
    ("quantize", {"qmin": 5, "qmax": 4}, "qmin <= qmax|a range within"),
    ("quantize", {"qmin": 0, "qmax": 256}, "0, 256"),
    ("quantize", {"qmin": -129, "qmax": 0}, "-129, 0"),
    ("quantize", {"qmin": -1, "qmax": 128}, "-1, 128"),
    ("quantize", {"axis": 4}, r"quantize\.axis: 4 is not in -4\.\.3"),
    ("quantize", {"axis": -5}, r"quantize\.axis: -5"),
    ("quantize", {"axis": 1250999896764}, r"quantize\.axis: 1250999896764"),
    ("quantize", {"x": torch.tensor(1.0), "axis": 0}, "rank 0"),
    ("dequantize", {"q": floats(2, 3)}, r"dequantize\.q: is float32, expected uint8 or int8 or int32"),
    ("fake_quantize", {"zero_point": torch.tensor([1.0]).double()}, "is float64, expected int32 or float32"),
    ("fake_quantize_backward", {"grad": floats(2, 3)}, r"_backward\.grad: has shape .*2, 3, 4, 5"),
    ("fake_quantize_backward", {"zero_point": float32(1.0)}, r"_backward\.zero_point: is float32"),
    ("fake_quantize_backward", {"x": codes(2, 3, 4, 5)}, r"_backward\.x: is uint8, expected float32"),
    ("requantize", {"acc": X}, r"requantize\.acc: is uint8, expected int32"),
    ("requantize", {"multiplier": int32(2**30, 2**30)}, r"requantize\.multiplier: has shape"),
    ("requantize", {"zero_point": 256}, r"requantize\.zero_point: 256 is not in 0\.\.255"),
    ("conv2d_int32", {"x": X.int()}, r"conv2d_int32\.x: is int32, expected uint8"),
    ("conv2d_int32", {"x": X[0]}, r"expected \(N, C, H, W\)"),
    ("conv2d_int32", {"x": codes(2, 3, 7, 6)}, r"\.x: has 3 channels, expected 2 groups of 2"),
    (
        "conv2d_int32",
        {"weight": weights(6, 2, 3)},
        r"\.weight: has shape .*expected \(oc, ic",
    ),
    ("conv2d_int32", {"weight": weights(6, 2, 3, 2).int()}, r"\.weight: is int32, expected int8"),
    ("conv2d_int32", {"weight": weights(0, 2, 3, 2)}, r"\.weight: has shape"),
    ("conv2d_int32", {"weight_zero_point": int32(1, 2)}, r"\.weight_zero_point: has shape"),
    ("conv2d_int32", {"bias": int32(1, 2)}, r"\.bias: has shape"),
    ("conv2d_int32", {"bias": int32()}, r"\.bias: has shape"),
    ("conv2d_int32", {"bias": floats(6)}, r"\.bias: is float32, expected int32"),
    ("conv2d_int32", {"stride": [1, 1, 1]}, r"\.stride: has 3 elements, expected 2"),
    ("conv2d_int32", {"stride": [0, 1]}, r"\.stride: 0 is not in 1\.\.65535"),
    ("conv2d_int32", {"stride": [1, 65536]}, r"\.stride: 65536"),
    ("conv2d_int32", {"padding": [1, 1]}, r"\.padding: has 2 elements, expected 4"),
    ("conv2d_int32", {"padding": [1, 1, -1, 1]}, r"\.padding: -1"),
    ("conv2d_int32", {"padding": [2**40, 0, 0, 0]}, r"\.padding: 1099511627776"),
    ("conv2d_int32", {"dilation": [0, 1]}, r"\.dilation: 0"),
    ("conv2d_int32", {"dilation": [1]}, r"\.dilation: has 1 elements, expected 2"),
    ("conv2d_int32", {"dilation": [9, 1]}, "does not fit the input"),
    ("qconv_transpose2d", {"x": codes(2, 3, 7, 6)}, r"\.x: has 3 channels, expected 4"),
    ("qconv_transpose2d", {"x": codes(2, 4, 0, 6)}, r"\.x: has shape .* H, W of at least 1"),
    ("qconv_transpose2d", {"weight": weights(4, 3, 2)}, r"\.weight: has shape .*expected \(ic, oc"),
    ("qconv_transpose2d", {"weight_zero_point": int32(1, 2)}, r"\.weight_zero_point: has shape"),
    ("qconv_transpose2d", {"bias": int32(1, 2)}, r"\.bias: has shape \(2\).*expected \(3\)"),
    ("qconv_transpose2d", {"groups": 3}, r"\.groups: 3 does not divide"),
    ("qconv_transpose2d", {"output_padding": [2, 0]}, r"\.output_padding: 2 is not in 0\.\.1"),
    ("qconv_transpose2d", {"output_padding": [0]}, r"\.output_padding: has 1 elements, expected 2"),
    ("qconv_transpose2d", {"padding": [9, 0, 9, 0]}, "cuts away the whole output"),
    ("qconv_transpose2d", {"multiplier": int32(1, 2)}, r"\.multiplier: has shape"),
    ("qupsample_bilinear2d", {"x": X[0]}, r"expected \(N, C, H, W\)"),
    ("qupsample_bilinear2d", {"x": codes(1, 2, 0, 3)}, r"\.x: has shape .*of at least 1"),
    ("qupsample_bilinear2d", {"output_size": [3, 0]}, r"\.output_size: 0 is not in"),
    ("qupsample_bilinear2d", {"output_size": [3]}, r"\.output_size: has 1 elements"),
    ("conv2d_int32", {"groups": 0}, r"\.groups: 0 does not divide"),
    ("conv2d_int32", {"groups": 5}, r"\.groups: 5 does not divide the 6"),
    ("conv2d_int32", {"groups": -2}, r"\.groups: -2"),
    ("linear_int32", {"x": codes(2, 7)}, r"\.x: has shape .*expected \(\.\.\., 8\)"),
    ("linear_int32", {"x": torch.tensor(3, dtype=torch.uint8)}, r"linear_int32\.x: has shape \(\)"),
    ("linear_int32", {"weight": weights(4, 8, 1, 1)}, r"expected \(out, in\)"),
    ("linear_int32", {"weight": weights(4, 0)}, r"linear_int32\.weight: has shape"),
    ("qconv2d", {"multiplier": int32(1, 2)}, r"qconv2d\.multiplier: has shape"),
    ("qconv2d", {"shift": floats(1)}, r"qconv2d\.shift: is float32, expected int32"),
    ("qlinear", {"qmin": 10, "qmax": 9}, "qlinear: qmin, qmax are 10, 9"),
    ("qlinear", {"qmin": -1}, "qlinear: qmin, qmax are -1"),
    ("qlinear", {"qmax": 256}, "qlinear: qmin, qmax are 3, 256"),
    ("qmax_pool2d", {"kernel_size": [0, 1]}, r"\.kernel_size: 0"),
    ("qmax_pool2d", {"kernel_size": [9, 9]}, "does not fit the input"),
    ("qmax_pool2d", {"x": floats(1, 1, 4, 4)}, r"qmax_pool2d\.x: is float32"),
    ("qavg_pool2d", {"divisors": int32()}, r"qavg_pool2d\.divisors: is empty"),
    ("qavg_pool2d", {"divisors": int32(4, 6)}, "multiplier, shift: "),
    ("qavg_pool2d", {"divisors": floats(1)}, r"\.divisors: is float32"),
    ("qadaptive_avg_pool2d", {"output_size": [0, 1]}, r"\.output_size: 0"),
    ("qadaptive_avg_pool2d", {"output_size": [65536, 1]}, r"\.output_size: 65536"),
    ("qadd", {"b": codes(2, 4, 7, 5)}, "expected equal ones or"),
    ("qadd", {"b": codes(1, 4, 1, 1)}, "expected equal ones or"),
    ("qadd", {"b": codes(2, 4, 7)}, "expected equal ones or"),
    ("qadd", {"a_multiplier": 2**21}, r"qadd\.a_multiplier: 2097152"),
    ("qadd", {"b_multiplier": -(2**21)}, r"qadd\.b_multiplier: -2097152"),
    ("qadd", {"shift": 31}, r"qadd\.shift: 31"),
    ("qmul", {"b": X.int()}, r"qmul\.b: is int32"),
    ("qmul", {"b": codes(2, 5, 1, 1)}, "expected equal ones or"),
    ("qaffine", {"x": codes(2, 4, 7)}, r"expected \(N, C\) or \(N, C, H, W\)"),
    ("qaffine", {"offset": int32(1)}, r"qaffine\.offset: has"),
    ("lookup", {"table": codes(255)}, r"lookup\.table: has shape"),
    ("lookup", {"table": codes(3, 256)}, r"lookup\.table: has shape"),
    ("lookup", {"table": weights(256)}, r"lookup\.table: is int8"),
    ("lookup", {"x": codes(2, 4, 3), "table": codes(4, 256)}, r"lookup\.table: has shape"),
    ("qconcat", {"xs": []}, r"qconcat\.xs: is empty"),
    ("qconcat", {"zero_points": [1]}, r"qconcat\.zero_points: has 1 elements, expected 2"),
    ("qconcat", {"zero_points": [1, 256]}, r"qconcat\.zero_points: 256"),
    ("qconcat", {"axis": 2}, r"qconcat\.xs\[1\]: has shape"),
    ("qconcat", {"axis": 4}, r"qconcat\.axis: 4"),
    ("qconcat", {"xs": [X, codes(2, 4)]}, r"qconcat\.xs\[1\]: has shape"),
    ("qconcat", {"xs": [X, X.int()]}, r"qconcat\.xs\[1\]: is int32"),
    ("run", {"model": floats(10)}, r"run\.model: is float32"),
    ("run_codes", {"inputs": frozen()[0]}, r"run_codes\.inputs\[0\]: is float32, expected uint8"),
]

# What only the data can tell.
DATA = [
    *[("quantize", {"scale": float32(s)}, "scale") for s in (0.0, -1.0, math.inf, math.nan, 1e-40, 2.0**101)],
    ("quantize", {"zero_point": int32(256)}, r"quantize\.zero_point: 256 is not in 0\.\.255"),
    ("quantize", {"qmin": 3, "qmax": 9}, r"quantize\.zero_point: 128 is not in 3\.\.9"),
    ("fake_quantize", {"zero_point": float32(math.nan)}, r"fake_quantize\.zero_point: is NaN"),
    ("requantize", {"shift": int32(1)}, "requantize channel 0"),
    ("requantize", {"shift": int32(55)}, "requantize channel 0"),
    ("requantize", {"multiplier": int32(2**30 - 1)}, "requantize channel 0"),
    ("requantize", {"multiplier": int32(-1), "shift": int32(54)}, "requantize channel 0"),
    ("conv2d_int32", {"weight_zero_point": int32(128)}, r"\.weight_zero_point: 128"),
    ("conv2d_int32", {"bias": int32(0, 0, 0, 2**31 - 1, 0, 0)}, r"conv2d_int32: channel 3 can reach .*int32"),
    ("qavg_pool2d", {"divisors": int32(5)}, "divisor"),
    ("qavg_pool2d", {"divisors": int32(0)}, "divisor"),
    ("qmax_pool2d", {"kernel_size": [1, 1], "padding": [1, 0, 0, 0]}, "padding"),
    ("qmax_pool2d", {"x": ONE, "kernel_size": [2, 1], "padding": [1, 0] * 2, "dilation": [2, 1]}, "pad"),
    ("qavg_pool2d", {"kernel_size": [1, 1], "stride": [1, 1], "padding": [0, 0, 0, 1]}, "padding"),
    ("qavg_pool2d", {"kernel_size": [65535, 65535], "stride": [1, 1], "padding": [65534] * 4}, "windows"),
    ("qmul", {"shift": 1}, "qmul"),
    ("qmul", {"multiplier": 2**31}, "qmul"),
    ("qaffine", {"shift": int32(0, 1, 1, 1)}, "qaffine channel 0"),
    ("qaffine", {"multiplier": int32(2**21, 0, 0, 0)}, "qaffine channel 0"),
    ("qaffine", {"offset": int32(0, 0, 0, -(2**31))}, "qaffine channel 3"),
    ("run", {"inputs": [x[:, :1] for x in frozen()[0]]}, r"run\.inputs\[0\]: has shape .*expected \(N, "),
    ("run", {"inputs": []}, r"run\.inputs: "),
    ("run", {"inputs": frozen()[0] + frozen()[0]}, r"run\.inputs: has"),
    ("run", {"key": "0" * 64 + ":[[1]]"}, r"run\.key: names the model 000000000000\.\.\., but"),
    ("run", {"key": DIGEST + ":[[1]]"}, r"run\.key: output shapes are \[\[1\]\], the model has"),
    ("run", {"key": DIGEST}, r"run\.key: output shapes"),
    ("run", {"key": ""}, r"run\.key"),
]  # fmt: skip
ALL = SHAPES_AND_VALUES + DATA


def call(name, changes, convert=lambda t: t):
    overload = getattr(op, name).default
    names = [a.name for a in overload._schema.arguments]
    arguments = dict(zip(names, SAMPLES[name][0], strict=False)) | changes
    assert set(changes) <= set(names)
    arguments = {
        k: [convert(t) if isinstance(t, torch.Tensor) else t for t in v]
        if isinstance(v, list)
        else convert(v) if isinstance(v, torch.Tensor) else v
        for k, v in arguments.items()
    }  # fmt: skip
    return overload(**arguments)


def ids(cases):
    return [f"{name}-{'-'.join(changes)}-{i}" for i, (name, changes, _) in enumerate(cases)]


@pytest.mark.parametrize(("name", "changes", "words"), ALL, ids=ids(ALL))
def test_refused_in_words(name, changes, words):
    with pytest.raises(ValueError, match=words) as error:
        call(name, changes)
    assert str(error.value).startswith(name) and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "changes", "words"), SHAPES_AND_VALUES, ids=ids(SHAPES_AND_VALUES))
def test_refused_while_tracing_too(name, changes, words):
    with FakeTensorMode() as mode, pytest.raises(ValueError) as error:
        call(name, changes, mode.from_tensor)
    assert str(error.value).startswith(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_zero_points_and_devices(name):
    """Each zero point outside 0..255, and each tensor that is sparse or lies elsewhere."""
    names = [a.name for a in getattr(op, name).default._schema.arguments]
    for zero_point in set(names) & set(EVERY_INT):
        for value in (-1, 256, 2**40):
            with pytest.raises(ValueError, match=rf"{name}\.{zero_point}: {value} is not in 0\.\.255"):
                call(name, {zero_point: value})
    base = dict(zip(names, SAMPLES[name][0], strict=False))
    for argument, value in base.items():
        tensors = value if isinstance(value, list) else [value]
        if not all(isinstance(t, torch.Tensor) for t in tensors):
            continue
        for elsewhere, words in ((torch.Tensor.to_sparse, "sparse"), (lambda t: t.to("meta"), "CPU")):
            moved = [elsewhere(t) for t in tensors]
            with pytest.raises(ValueError, match=words):
                call(name, {argument: moved if isinstance(value, list) else moved[0]})


def test_a_wrong_python_type_is_torchs_own_error():
    with pytest.raises((RuntimeError, TypeError)):
        op.quantize("x", float32(1.0), int32(0), 0, 255)
    with pytest.raises((RuntimeError, TypeError)):
        op.lookup(codes(3), None)


def test_bytes_that_are_no_model():
    reals, _, data, key = frozen(seed=8)
    for changed in (data[:100], data[:-1], data[:0], torch.zeros(1000, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"^(file|header)"):
            op.run(reals, changed, key)
    op.run(reals, data, key)


def test_every_byte_of_a_new_model_is_verified():
    """The digest field is intact and this process has never seen the model."""
    data = bytearray(frozen_bytes(seed=9))
    digest = _C.peek_digest(bytes(data))
    data[-1] ^= 1
    for _ in range(2):
        with pytest.raises(ValueError, match="it was damaged or changed"):
            op.run([floats(1)], torch.frombuffer(data, dtype=torch.uint8), f"{digest}:[]")
    with pytest.raises(ModelFileError, match="digest"):
        _C.Model(bytes(data))


def test_an_output_beyond_all_memory_is_refused():
    x = torch.zeros(1, dtype=torch.uint8).expand(2**20, 1, 1, 1)
    huge = {"x": x, "output_size": [65535, 1024], "divisors": int32(1)}
    with pytest.raises((MemoryError, ValueError), match="qadaptive_avg_pool2d"):
        call("qadaptive_avg_pool2d", huge)


def test_the_float_inputs_may_be_anything():
    """No float is refused or undefined: it becomes a code."""
    reals, _, data, key = frozen()
    for value in (math.nan, math.inf, -math.inf, 1e30, -1e30, 2.0**31):
        for y in op.run([torch.full_like(x, value) for x in reals], data, key):
            assert torch.isfinite(y).all()
