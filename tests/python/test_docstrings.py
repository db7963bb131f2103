"""Every >>> example in the package's docstrings runs and gives what it shows."""

import doctest
import importlib
import pkgutil

import pytest
import torch
from PIL import Image

import icepoint
from icepoint import Recipe
from icepoint.models import Net


def modules_with_examples():
    names = [
        m.name for m in pkgutil.walk_packages(icepoint.__path__, "icepoint.") if "__main__" not in m.name
    ]
    finder = doctest.DocTestFinder(exclude_empty=True)
    # _C is compiled: it holds signatures and no examples.
    modules = [importlib.import_module(name) for name in names if name != "icepoint._C"]
    return [test for module in modules for test in finder.find(module) if test.examples]


EXAMPLES = modules_with_examples()


def test_there_are_examples():
    assert len(EXAMPLES) > 15


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the examples read: a frozen net, a picture, MNIST's first three test labels."""
    folder = tmp_path_factory.mktemp("docstrings")
    torch.manual_seed(0)
    net = Net().eval()
    net.quantize()
    net.quantize_forward(torch.randn(8, 1, 28, 28))
    net.freeze(recipe=Recipe(mean=[0.1307], std=[0.3081])).save(folder / "net.ice")
    Image.new("L", (28, 28)).save(folder / "digit.png")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"\0\0\x08\x01\0\0\0\x03\x07\x02\x01")
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example, folder, monkeypatch):
    monkeypatch.chdir(folder)
    report = []
    torch.manual_seed(0)
    failed, tried = doctest.DocTestRunner().run(example, out=report.append)
    assert tried and not failed, "".join(report)
