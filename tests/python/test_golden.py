"""Files frozen by an earlier build give the same bytes: every instruction set, thread count, batch split."""

from pathlib import Path

import numpy as np
import pytest

import icepoint
import oracle_graph
from icepoint import _C

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FILES = sorted(GOLDEN.glob("*.ice"))


def stored(path):
    arrays = np.load(path.with_suffix(".npz"))
    return [[arrays[k] for k in sorted(arrays.files) if k[0] == side] for side in "xy"]


def test_there_are_golden_files():
    assert len(FILES) >= 20


@pytest.mark.parametrize("isa", _C.isas())
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_replay(path, isa):
    inputs, expected = stored(path)
    model = _C.Model(path.read_bytes(), isa=isa)
    assert model.verify() == ""
    before = _C.get_num_threads()
    try:
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            for n in (1, 2, len(inputs[0])):
                found = model.run_codes([x[:n] for x in inputs])
                for y, want in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(y, want[:n])
    finally:
        _C.set_num_threads(before)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_oracle_agrees(path):
    """The interpreter that shares no line with the engine reads the same file and gives the same codes."""
    inputs, expected = stored(path)
    frozen = oracle_graph.open_frozen(path.read_bytes())
    values = oracle_graph.run(frozen.graph, frozen.tensors, [x[:1] for x in inputs])
    for number, want in zip(frozen.graph["outputs"], expected, strict=True):
        np.testing.assert_array_equal(values[number], want[:1])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_file_is_its_only_spelling(path):
    """Loading and saving gives the same file."""
    frozen = icepoint.load(path)
    assert frozen.file_bytes == path.read_bytes()
