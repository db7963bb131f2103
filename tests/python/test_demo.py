"""The demo on few digits: everything is measured, and one byte that differs makes it fail."""

import numpy as np
import pytest

import icepoint
from icepoint import data
from icepoint.demo import __main__ as demo
from icepoint.demo import measure
from icepoint.demo.picture import hardest
from icepoint.demo.result import Result


def result(float_scores, integer_scores, **changes):
    fields = {
        "name": "Net",
        "accuracy": {},
        "digests": {"QModules": "a", "frozen": "a", "executable": "a"},
        "float_bytes": 4,
        "file_bytes": 1,
        "float_us": {},
        "frozen_us": {},
        "sqnr": {},
        "float_scores": np.array(float_scores, np.float32),
        "integer_scores": np.array(integer_scores, np.float32),
    }
    return Result(**{**fields, **changes})


def test_agree():
    assert result([[1, 0]], [[1, 0]]).agree
    assert not result([[1, 0]], [[1, 0]], digests={"QModules": "a", "frozen": "a", "executable": "b"}).agree


def test_hardest_begins_with_disagreement_then_with_the_smallest_lead():
    scores = [[5, 0, 0], [3, 2.5, 0], [0, 1, 4], [2, 0, 0]]
    integers = [[5, 0, 0], [3, 2.5, 0], [0, 4, 1], [2, 0, 0]]
    labels = np.array([0, 1, 2, 0])  # the second is wrong: its lead is negative
    assert hardest(result(scores, integers), labels, 4).tolist() == [2, 1, 3, 0]


def test_microseconds_takes_turns():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = measure.microseconds(calls, images=2, seconds=0.0)
    assert order == ["a", "b"] * 8 and all(value >= 0 for value in found.values())  # once to warm up, 7 times


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One epoch of 400 digits for 100 test digits, in a folder of its own."""
    assert demo.PROGRAM.resolve().exists(), "build/icepoint is not built: make build"
    whole = data.load("mnist", embedded=True)
    few = data.Dataset(
        whole.train_images[::10],
        whole.train_labels[::10],
        whole.test_images[::10],
        whole.test_labels[::10],
        "few digits",
    )
    monkeypatch.setattr(data, "load", lambda *args, **kwargs: few)
    monkeypatch.setattr(demo, "EPOCHS", 1)
    monkeypatch.setattr(demo, "CALIBRATION_DIGITS", 100)
    monkeypatch.setattr(demo, "PROGRAM", demo.PROGRAM.resolve())
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    microseconds = measure.microseconds
    monkeypatch.setattr(
        measure, "microseconds", lambda calls, images: microseconds(calls, images, seconds=0.0)
    )
    threads = icepoint.get_num_threads()
    yield tmp_path
    icepoint.set_num_threads(threads)


def test_demo_shows_one_table_and_one_picture(small, capsys):
    assert demo.main() == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("Net", "NetBN", "OwnNet", "few digits", "SHA-256"))
    assert text.count("equal") >= 3 and "DIFFER" not in text
    assert {path.name for path in small.glob("*.ice")} == {"Net.ice", "NetBN.ice", "OwnNet.ice"}
    assert (small / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_demo_fails_where_one_byte_differs(small, capsys, monkeypatch):
    codes = measure.executable_codes
    monkeypatch.setattr(demo, "NETWORKS", demo.NETWORKS[:1])

    def one_byte_off(*args):
        found = codes(*args).copy()
        found[-1, -1] ^= 1
        return found

    monkeypatch.setattr(measure, "executable_codes", one_byte_off)
    assert demo.main() == 1
    captured = capsys.readouterr()
    assert "DIFFER" in captured.out and "Net: the roads disagree" in captured.err
