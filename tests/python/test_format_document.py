"""docs/format.md is enough for a stranger: its own program writes a file that icepoint accepts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from icepoint import _C

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    program = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL).group(1)
    folder = tmp_path_factory.mktemp("example")
    # -I -S: the standard library alone, neither icepoint nor NumPy can be imported.
    subprocess.run([sys.executable, "-I", "-S", "-c", program], cwd=folder, check=True)
    return folder / "example.ice"


def test_the_file_is_accepted_and_verified(example):
    model = _C.Model(example.read_bytes())
    assert model.verify() == ""


def test_the_dump_shows_the_file(example):
    data = example.read_bytes()
    lines = re.findall(r"^    ([0-9a-f]{8}): ((?:[0-9a-f]+ )+)", DOCUMENT.read_text(), re.MULTILINE)
    assert len(lines) > 10
    for at, dump in lines:
        found = bytes.fromhex(dump.replace(" ", ""))
        start = int(at, 16)
        assert found == data[start : start + len(found)], f"line {at}"


def test_safetensors_reads_it(example):
    with safe_open(example, framework="np") as file:
        assert file.metadata()["format"] == "icepoint"
        assert file.get_tensor("fc.weight").tolist() == [[0xE1, 0x03], [0x07, 0x09]]
        assert file.get_tensor("fc.shift").tolist() == [32, 33]


def test_the_writer_gives_the_same_bytes(example):
    """icepoint's own writer, handed the parts that the document's program spelled by hand."""
    data = example.read_bytes()
    with safe_open(example, framework="np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not iterable)
    inputs = [tensors.pop("self_check.0")]
    made_by = json.loads(metadata["made_by"])
    assert _C.encode(metadata["graph"], tensors, metadata["recipe"], made_by, inputs) == data
