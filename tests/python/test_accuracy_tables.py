"""The accuracy comparison's pure parts: images kept apart, scores, bars, tables, what is kept of a cell."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy import cells, document, networks, subjects
from benchmarks.accuracy.bars import bars, best_peer
from benchmarks.accuracy.score import in_levels, score
from benchmarks.accuracy.settings import BEST, BITS, CALIBRATION_BATCH, DEFAULT, ENGINES

FACTS = {"images": 400, "right": 207, "in_levels": {"right": 206, "changed": 8, "sqnr_db": 44.5}}


def _changed(**counts):
    row = {"right": 200, "sqnr_db": 20.0, "seconds": 3.0}
    return {name: {**row, "changed": count} for name, count in counts.items()}


def test_every_fifth_image_calibrates_and_no_other():
    calibration, evaluation = subjects.every_fifth(500)
    assert len(calibration) == 100 and len(evaluation) == 400
    assert calibration[:3].tolist() == [0, 5, 10] and evaluation[:5].tolist() == [1, 2, 3, 4, 6]
    assert np.array_equal(np.sort(np.concatenate([calibration, evaluation])), np.arange(500))


def test_an_image_on_both_sides_is_refused():
    images = np.random.default_rng(1).integers(0, 256, (7, 4, 4, 3), np.uint8)
    recipe = subjects.Recipe(mean=[0.5] * 3, std=[0.5] * 3)
    apart = subjects.Images(images[:3], images[3:], np.zeros(4, np.int64), recipe)
    calibration, evaluation = apart.inputs()
    assert calibration.shape == (3, 3, 4, 4) and evaluation.shape == (4, 3, 4, 4)
    twice = subjects.Images(images[:3], images[2:], np.zeros(5, np.int64), recipe)
    with pytest.raises(ValueError, match="1 of 5 images that judge are among those that calibrate"):
        twice.inputs()


@pytest.mark.parametrize("name", ["mobilenet", "resnet20", "fashion_plain", "flowers_plain"])
def test_the_images_of_each_subject_are_apart(name):
    subject = subjects.SUBJECTS[name]
    if why := subject.needs():
        pytest.skip(why)
    images = subject.images()
    subjects.check_apart(images.calibration, images.evaluation)
    assert len(images.labels) == len(images.evaluation)
    assert len(images.calibration) % CALIBRATION_BATCH == 0
    expected = {
        "mobilenet": (100, 400),
        "resnet20": (200, 800),
        "fashion": (500, 10_000),
        "flowers": (200, 240),
    }
    assert (len(images.calibration), len(images.evaluation)) == expected[name.split("_")[0]]


@pytest.mark.parametrize("name", ["fashion_plain_bn", "flowers_depthwise"])
def test_a_network_is_trained_once_and_kept(name, tmp_path, monkeypatch):
    """One epoch on made-up images, by the same recipe as the networks that are measured."""
    rng, count = np.random.default_rng(7), 40
    labels = rng.integers(0, 4, count).astype(np.uint8)
    clothes = rng.integers(0, 256, (count, 28, 28), np.uint8)
    flowers = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    made_up = SimpleNamespace(train_images=clothes, train_labels=labels)
    monkeypatch.setattr(networks.data, "load", lambda name: made_up)
    monkeypatch.setattr(networks, "load_pictures", lambda *_: (flowers, torch.from_numpy(labels).long()))
    monkeypatch.setitem(networks.TRAINED, name, replace(networks.TRAINED[name], epochs=1))
    trained = networks.network(name, tmp_path)
    untrained = networks.TRAINED[name].build()
    networks._initialize(untrained)
    assert not trained.training and not torch.equal(trained.fc.weight, untrained.fc.weight)
    monkeypatch.delattr(networks, "_train")
    again = networks.network(name, tmp_path)
    assert all(torch.equal(x, again.state_dict()[key]) for key, x in trained.state_dict().items())


def test_a_score_counts_right_and_changed_answers():
    expected = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], np.float32)
    found = np.array([[2.0, 1.0], [0.3, 3.0], [1.0, 1.4]], np.float32)
    told = score(expected, found, labels=np.array([0, 0, 1]))
    assert (told["right"], told["changed"]) == (2, 1)
    assert told["sqnr_db"] == pytest.approx(10 * np.log10(15 / (0.3**2 + 1.4**2)), abs=1e-4)
    assert score(expected, expected, np.zeros(3))["sqnr_db"] is None
    for wrong in (found[:2], found * np.nan):
        with pytest.raises(ValueError, match="expected finite logits"):
            score(expected, wrong, np.zeros(3))


def test_levels_tie_what_is_closer_than_a_step():
    logits = np.array([[0.0, 25.5], [10.01, 10.04], [3.0, 3.2]], np.float32)
    found = in_levels(logits)
    np.testing.assert_allclose(found, [[0, 25.5], [10, 10], [3, 3.2]], atol=1e-5)
    assert found[1].argmax() == 0 and logits[1].argmax() == 1
    assert in_levels(logits, 2).tolist() == [[0.0, 25.5], [0.0, 0.0], [0.0, 0.0]]


def test_the_best_peer_is_none_of_ours():
    assert best_peer(_changed(**{DEFAULT: 1, "pt2e": 9, "nncf_fast": 8})) == ("nncf_fast", 8)
    assert best_peer({"pt2e": {"failed": "no wheel"}, **_changed(**{DEFAULT: 1})}) is None


def _held(results):
    return [bar.holds for bar in bars(results)]


@pytest.mark.parametrize(("ours", "holds"), [(15, True), (16, False)])
def test_the_default_may_change_half_of_what_the_best_peer_changes(ours, holds):
    results = {("mobilenet", "8"): _changed(**{DEFAULT: ours, "pt2e": 99, "nncf_accurate": 30})}
    assert _held(results) == [holds, True, None]
    assert f"{ours}; OpenVINO/NNCF, accurate bias correction 30" in str(bars(results)[0])


@pytest.mark.parametrize(("ours", "holds"), [(7, True), (8, False)])
def test_the_default_may_nowhere_change_three_images_more(ours, holds):
    results = {("resnet20", bits): _changed(**{DEFAULT: 0, "pt2e": 4}) for bits in ("8", "w4a8")}
    results["flowers_plain", "6"] = _changed(**{DEFAULT: ours, "pt2e": 4})
    found = bars(results)[1]
    assert found.holds == holds
    assert found.numbers == (
        "3 comparisons" if holds else "flowers_plain at 6: 8, torchao PT2E, x86 quantizer 4"
    )


@pytest.mark.parametrize(("ours", "holds"), [(3, True), (4, False)])
def test_at_four_bits_max_beats_every_peer(ours, holds):
    results = {
        ("resnet20", "4"): _changed(**{BEST: ours, "pt2e": 4}),
        ("resnet20", "8"): _changed(**{BEST: 9, "pt2e": 4}),
    }
    assert _held(results) == [None, None, holds]


def test_a_table_says_in_words_what_has_no_numbers():
    results = {("mobilenet", "6"): {**_changed(**{DEFAULT: 40}), "pt2e": {"failed": "ImportError: torchao"}}}
    rows = document.table("mobilenet", "6", FACTS, results)
    text = {row[0]: row for row in rows.rows}
    assert rows.rows[0][:3] == ["float", "51.75 %", ""]
    assert text["icepoint, accurate"][1:] == ["50.00 %", "40", "10.00 %", "20.0", "3", ""]
    assert text["torchao PT2E, x86 quantizer"][1:] == [*[""] * 5, "ImportError: torchao"]
    assert text["OpenVINO/NNCF, its default"][-1] == "quantizes to 8 bits only"
    assert text["icepoint, max"][-1] == "not measured"
    assert rows.rows[1][1:5] == ["51.50 %", "8", "2.00 %", "44.5"]
    assert len(rows.rows) == 2 + len(ENGINES) and {len(row) for row in rows.rows} == {len(rows.columns)}


def test_every_engine_does_some_bits_and_says_why_not_the_others():
    for engine in ENGINES.values():
        assert set(engine.bits) <= set(BITS) and engine.bits
        assert engine.cannot or set(engine.bits) == set(BITS)


def test_the_document_is_whole(tmp_path):
    results = {("mobilenet", "8"): _changed(**{DEFAULT: 15, "pt2e": 112}), ("mobilenet", "4"): {}}
    about = {"cpu": "A CPU", "system": "Linux", "versions": {"torch": "2"}}
    facts = {"mobilenet": FACTS, "resnet20": {"left out": "no folder"}}
    document.save(tmp_path / "accuracy", about, facts, results)
    found = json.loads((tmp_path / "accuracy.json").read_text())
    assert found["cells"][0] == {
        "subject": "mobilenet",
        "bits": "8",
        "engine": DEFAULT,
        **results["mobilenet", "8"][DEFAULT],
    }
    text = (tmp_path / "accuracy.md").read_text()
    assert "- PASS: on the MobileNet at 8 bits" in text and "NOT MEASURED: at 4 bits" in text
    assert "left out: ResNet-20, 800 CIFAR images: no folder" in text
    assert "| MobileNet v1 0.25, 400 photos |  | 3.75 % |" in text


@pytest.mark.parametrize("name", networks.TRAINED)
def test_a_small_network_takes_its_images_and_has_what_its_name_says(name):
    trained = networks.TRAINED[name]
    shape = (2, 1, 28, 28) if trained.dataset == "fashion" else (2, 3, 96, 96)
    model = trained.build().eval()
    with torch.no_grad():
        assert model(torch.zeros(shape)).shape == (2, 10 if trained.dataset == "fashion" else 4)
    kinds = [type(m).__name__ for m in model.modules()]
    assert ("BatchNorm2d" in kinds) == name.endswith("_bn")
    assert any(getattr(m, "groups", 1) > 1 for m in model.modules()) == ("depthwise" in name)


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    x = np.random.default_rng(1).normal(size=(CALIBRATION_BATCH, 1, 28, 28)).astype(np.float32)
    np.save(folder / "calibration.npy", x)
    np.save(folder / "evaluation.npy", x)
    np.save(folder / "labels.npy", np.zeros(len(x), np.int64))
    np.save(folder / "expected.npy", np.eye(len(x), dtype=np.float32))
    for name in ("float.onnx", "float.pt2"):
        (folder / name).write_bytes(b"")
    return tmp_path


def _no_more_processes(*_):
    raise AssertionError("a process was started")


def test_a_cell_is_kept_until_what_it_was_measured_with_changes(prepared, monkeypatch):
    cell = cells.Cell("toy", "icepoint_fast", "8", prepared)

    def run(command, log):
        assert command[1:5] == ["-m", "benchmarks.accuracy.worker", "icepoint_fast", "8"]
        np.save(prepared / "toy" / "icepoint_fast-8.npy", np.load(prepared / "toy" / "expected.npy"))
        (prepared / "toy" / "icepoint_fast-8.json").write_text('{"seconds": 1.5}')

    monkeypatch.setattr(cells.process, "run", run)
    assert cell.kept() is None
    found = cell.measure()
    assert found == {"right": 1, "changed": 0, "sqnr_db": None, "seconds": 1.5}
    monkeypatch.setattr(cells.process, "run", _no_more_processes)
    assert cell.kept() == found
    assert cells.Cell("toy", "icepoint_fast", "4", prepared).kept() is None
    np.save(prepared / "toy" / "expected.npy", np.zeros((10, 10), np.float32))
    assert cell.kept() is None


def test_a_failed_cell_says_why_and_is_not_kept(prepared, monkeypatch):
    def run(command, log):
        raise cells.process.WorkerError("ImportError: no such engine")

    monkeypatch.setattr(cells.process, "run", run)
    cell = cells.Cell("toy", "icepoint_fast", "8", prepared)
    assert cell.measure() == {"failed": "ImportError: no such engine"} and cell.kept() is None


def test_only_measures_what_it_names_and_keeps_the_rest(tmp_path, monkeypatch, capsys):
    asked = []

    class Cell:
        def __init__(self, subject, engine, bits, folder):
            self.engine = engine

        def kept(self):
            return None if self.engine.startswith("icepoint") else _changed(**{self.engine: 20})[self.engine]

        def measure(self):
            asked.append(self.engine)
            return _changed(**{self.engine: 5})[self.engine]

    monkeypatch.setattr(command, "Cell", Cell)
    monkeypatch.setattr(command, "_prepared", lambda *_: FACTS)
    stem = tmp_path / "accuracy"
    arguments = ["--subjects", "mobilenet", "--bits", "8", "4", "--only", "icepoint", "--out", str(stem)]
    assert command.main([*arguments, "--folder", str(tmp_path)]) == 0
    assert asked == [name for name in ENGINES if name.startswith("icepoint")] * 2
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == ["PASS"] * 3
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
