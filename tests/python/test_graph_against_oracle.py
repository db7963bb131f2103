"""Random frozen graphs, written by icepoint._C.encode, judged from outside: the file and every value in it.

The file is opened by the safetensors library and run by oracle_graph.py; the executor must give the same
codes value by value, on every instruction set, thread count and batch. Arguments are (seed, operator).
"""

import hashlib
import json

import numpy as np
import pytest

import oracle
import oracle_graph
from graph_builder import pack
from icepoint import _C
from oracle_graph import OPERATORS, file_digest, open_frozen, sha256_codes
from oracle_numbers import rng
from random_graphs import random_graph, random_inputs

SEEDS = range(12)


def encoded(seed: int, first: str) -> bytes:
    graph, tensors = random_graph(seed, first)
    check = random_inputs(seed + 1, graph, 2)
    return _C.encode(json.dumps(graph), tensors, "{}", {"icepoint": "test"}, check)


@pytest.fixture(autouse=True)
def threads_restored():
    before = _C.get_num_threads()
    yield
    _C.set_num_threads(before)


def assert_codes(got, want, who: str):
    assert got.dtype == np.uint8 and got.shape == want.shape, (
        f"{who}: {got.dtype} {got.shape}, not {want.shape}"
    )
    wrong = np.argwhere(got != want)
    assert not len(wrong), f"{who}: {len(wrong)} of {want.size} differ, first at {tuple(wrong[0])}"


@pytest.mark.parametrize("first", OPERATORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_value_on_every_road(seed, first):
    data = encoded(seed, first)
    frozen = open_frozen(data)
    inputs = random_inputs(seed, frozen.graph, 5)
    values = oracle_graph.run(frozen.graph, frozen.tensors, inputs)
    by_name = dict(zip([n["name"] for n in frozen.graph["ops"]], values[len(inputs) :], strict=True))
    for isa in _C.isas():
        model = _C.Model(data, isa)
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            road = f"{isa}, {threads} threads"
            traced = dict(model.trace(inputs))
            assert by_name.keys() <= traced.keys()
            for name, want in by_name.items():
                assert_codes(traced[name], want, f"{road}, trace of {name}")
            for n in (5, 1, 0):
                outputs = model.run_codes([x[:n] for x in inputs])
                for v, got in zip(frozen.graph["outputs"], outputs, strict=True):
                    assert_codes(got, values[v][:n], f"{road}, batch {n}, output {v}")


@pytest.mark.parametrize("first", OPERATORS)
def test_float_in_float_out(first):
    """run is dequantize . run_codes . quantize, with the qparams that the file states."""
    data = encoded(40, first)
    graph, model = open_frozen(data).graph, _C.Model(data)
    generator, reals, codes = rng(40), [], []
    for q in graph["inputs"]:
        x = (generator.normal(0, 100, (3, *q["shape"])) * q["scale"]).astype(np.float32)
        x.reshape(-1)[:1] = np.nan
        reals.append(x)
        codes.append(oracle.quantize(x, q["scale"], q["zero_point"], 0, 2 ** q["bits"] - 1))
    values = oracle_graph.run(graph, open_frozen(data).tensors, codes)
    qparams = [oracle_graph.qparams_of(i) for i in graph["inputs"]]
    for node in graph["ops"]:
        qparams.append(oracle_graph.qparams_of(node) if "scale" in node else qparams[node["inputs"][0]])
    for v, got in zip(graph["outputs"], model.run(reals), strict=True):
        want = oracle.dequantize(values[v], qparams[v]["scale"], qparams[v]["zero_point"])
        assert got.dtype == np.float32 and np.array_equal(got, want)


@pytest.mark.parametrize("first", OPERATORS)
def test_the_file_says_what_it_holds(first):
    """Digest, self-check and overflow proof recomputed; tensors as they were given, packed ones unpacked."""
    graph, tensors = random_graph(50, first)
    data, again = encoded(50, first), encoded(50, first)
    frozen = open_frozen(data)
    assert data == again
    assert frozen.metadata["digest"] == file_digest(data) == _C.peek_digest(data)
    assert frozen.metadata["format"] == "icepoint" and frozen.metadata["version"] == "1"
    inputs = [frozen.tensors.pop(f"self_check.{i}") for i in range(len(graph["inputs"]))]
    for got, want in zip(inputs, random_inputs(51, graph, 2), strict=True):
        assert np.array_equal(got, want)
    assert frozen.tensors.keys() == tensors.keys()
    for name, array in tensors.items():
        stored = frozen.tensors[name]
        assert stored.dtype == array.dtype and np.array_equal(stored, array), name
    values = oracle_graph.run(frozen.graph, frozen.tensors, inputs)
    check = frozen.metadata["self_check"]
    assert check["outputs"] == sha256_codes([values[v] for v in graph["outputs"]])
    assert check["values"] == [sha256_codes([v]) for v in values[len(inputs) :]]
    proof = {name: tuple(ends) for name, ends in frozen.metadata["overflow_proof"].items()}
    assert proof == oracle_graph.bounds(frozen.graph, frozen.tensors, values)
    assert _C.Model(data).verify() == ""


def test_the_bytes_are_laid_out_as_the_format_says():
    """Header length, canonical JSON, payload at 64, 4-byte dtypes first and then by name, no holes."""
    for seed, first in enumerate(OPERATORS):
        data = encoded(60 + seed, first)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        payload = data[8 + length :]
        assert (8 + length) % 64 == 0 and data[8:26] == b'{"__metadata__":{"'
        keys = ["digest", "format", "graph", "made_by", "overflow_proof", "recipe", "self_check", "version"]
        assert list(header.pop("__metadata__")) == keys
        sizes = {"I32": 4, "F32": 4, "I8": 1, "U8": 1}
        order = sorted(header, key=lambda name: (-sizes[header[name]["dtype"]], name))
        assert list(header) == order
        offset = 0
        for name in order:
            entry = header[name]
            size = sizes[entry["dtype"]] * int(np.prod(entry["shape"]))
            assert entry["data_offsets"] == [offset, offset + size], name
            offset += size
        assert offset == len(payload)
        whole = data.replace(file_digest(data).encode(), b"0" * 64)
        assert hashlib.sha256(whole).hexdigest() == file_digest(data)


@pytest.mark.parametrize("bits", range(2, 8))
@pytest.mark.parametrize("signed", [False, True])
def test_packing_there_and_back(bits, signed):
    lo, hi = oracle.symmetric_range(bits) if signed else oracle.qrange(bits)
    for row in (1, 3, 8, 13):
        codes = rng(bits).integers(lo, hi + 1, (4, row))
        packed = pack(codes, bits)
        assert packed.shape == (4, -(-row * bits // 8))
        assert _C.pack_codes(codes.reshape(-1).astype(np.int32), row, bits) == packed.tobytes()
        assert np.array_equal(oracle_graph.unpack(packed, row, bits, signed), codes)


def test_packing_by_hand():
    assert pack([[1, 2, 3, 0, 1]], 2).tolist() == [[0b00111001, 0b00000001]]
    assert pack([[5, 6, 7]], 3).tolist() == [[0b11110101, 0b00000001]]
    assert oracle_graph.unpack(np.array([[0b00001111]], np.uint8), 2, 3, True).tolist() == [[-1, 1]]
