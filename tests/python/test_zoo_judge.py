"""`make zoo`: what it measures of a network, what it calls a failure, and how its table looks."""

import json

import pytest
import torch
from benchmarks.zoo import __main__ as zoo
from benchmarks.zoo import families, pictures, rows, speed, subjects
from PIL import Image
from torch import nn

import icepoint
from icepoint.models.zoo import natural_images, seeded
from icepoint.vision import import_torchvision
from small_model import binary

pytest.importorskip(
    "onnxruntime", reason="ONNX Runtime, beside which the zoo prints its error, is not installed"
)
from benchmarks.zoo import judge, onnx_peer

NAME = "squeezenet1_1"


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setitem(families.ZOO, NAME, families.Member("SqueezeNet", photos=8, quick_size=64))
    monkeypatch.setattr(speed, "_SECONDS", 0.0)
    return {
        "name": NAME,
        "quick": True,
        "weights": False,
        "folder": str(tmp_path),
        "executable": str(binary()),
    }


def test_a_network_is_judged(task):
    steps = []
    found = judge.judge(task, steps.append)
    assert steps == [
        "float",
        "quantize",
        "freeze",
        "equal bytes",
        "answers",
        "speed against torch",
        "ONNX Runtime",
    ]
    assert found["failures"] == found["not_integer"] == found["differing"] == []
    assert found["integer_percent"] == found["integer_macs_percent"] == 100.0
    assert found["differing_bytes"] == 0 and "executable portable" in found["compared"]
    assert found["photos"] == 8 and found["answers"] > 4
    assert 0.25 < found["file_bytes"] / found["float_bytes"] < 0.35
    for engine in ("icepoint", "onnxruntime"):
        assert found[engine]["sqnr_db"] > 15.0 and 0.0 < found[engine]["agreement_percent"] <= 100.0
    assert found["peak_memory"] > 0 and found["float_ms"] > 0 and found["icepoint_ms"] > 0
    json.dumps(found)


@pytest.mark.parametrize("name", [NAME, "lraspp_mobilenet_v3_large"])
def test_real_weights_come_by_torchvisions_own_road(name, monkeypatch):
    models, asked = import_torchvision().models, []
    stub = seeded(name, 3, images=natural_images(4, 64)).state_dict()

    def load(url, **options):
        asked.append(url)
        return stub

    monkeypatch.setattr(models._api, "load_state_dict_from_url", load)
    monkeypatch.setitem(families.ZOO, name, families.Member(name, photos=2))
    monkeypatch.setattr(subjects, "CALIBRATION_PHOTOS", 3)
    monkeypatch.setattr(pictures, "files", lambda count: [])
    found = subjects.subject(name, quick=False, weights=True)
    weights = models.get_model_weights(name).DEFAULT
    assert asked == [weights.url]
    assert all(torch.equal(value, stub[key]) for key, value in found.model.state_dict().items())
    assert found.recipe.classes == tuple(weights.meta["categories"])
    made = [Image.fromarray(p) for p in pictures._made(5)]
    expected = torch.stack([weights.transforms()(p) for p in made])
    torch.testing.assert_close(torch.cat([found.calibration, found.photos]), expected, atol=1e-5, rtol=0)
    assert len(found.photos) == 2


def test_the_recipe_of_real_weights_is_in_the_file(task, monkeypatch):
    monkeypatch.setattr(
        import_torchvision().models._api,
        "load_state_dict_from_url",
        lambda url, **options: seeded(NAME, 3, images=natural_images(4, 64)).state_dict(),
    )
    monkeypatch.setitem(families.ZOO, NAME, families.Member("SqueezeNet", photos=2))
    monkeypatch.setattr(subjects, "CALIBRATION_PHOTOS", 4)
    monkeypatch.setattr(
        onnx_peer, "answers", lambda model, name, calibration, photos, folder: 0.9 * model(photos).numpy()
    )
    found = judge.judge({**task, "weights": True}, lambda _: None)
    assert found["failures"] == [] and found["differing_bytes"] == 0
    recipe = icepoint.load(f"{task['folder']}/{NAME}.ice").recipe
    assert recipe.size == (224, 224) and len(recipe.classes) == 1000
    assert recipe.resize == {"fit": "crop", "filter": "bilinear", "shorter_side": 256}


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, 2), nn.Linear(4, 10)

    def forward(self, x):
        x = self.conv(x)
        return self.fc((x * x.flatten(2).softmax(2).reshape(x.shape)).mean((2, 3)))


def test_operators_without_integers_are_a_failure(task, monkeypatch):
    x = natural_images(40, 64)
    subject = subjects.Subject(Attention().eval().requires_grad_(False), x[:32], x[32:], None)
    monkeypatch.setattr(subjects, "subject", lambda *_: subject)
    found = judge.judge(task, lambda _: None)
    assert len(found["failures"]) == 1 and "file_bytes" not in found
    assert "softmax" in found["failures"][0] + "".join(found["not_integer"])
    told = rows.line({"network": NAME, "seconds": 1.0, **found})
    assert told.splitlines()[1].startswith("  FAILED: ")


@pytest.mark.parametrize(
    ("ours", "theirs", "fails"),
    [(20.0, 21.0, False), (20.0, 21.1, True), (None, 30.0, False), (20.0, None, True), (None, None, False)],
)
def test_more_than_one_decibel_below_the_peer_is_a_failure(ours, theirs, fails):
    assert bool(judge.behind(ours, theirs)) == fails


def test_unknown_names_are_refused_at_once(capsys):
    with pytest.raises(SystemExit) as ended:
        zoo.main(["resnet18", "resnet17"])
    assert ended.value.code == 2 and "resnet17" in capsys.readouterr().err


def test_a_process_that_ends_early_is_a_row_and_the_run_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(families.ZOO, "no_such_network", families.Member("none"))  # here, and not there
    code = zoo.main(["no_such_network", "--out", str(tmp_path / "zoo"), "--executable", str(binary())])
    assert code == 1
    heading, _, failure = capsys.readouterr().out.splitlines()
    assert heading.startswith("network") and failure == "  FAILED: float: KeyError: 'no_such_network'"
    found = json.loads((tmp_path / "zoo.json").read_text())["results"]
    assert found[0]["failures"] == ["float: KeyError: 'no_such_network'"]
    assert "FAILED: no_such_network: float" in (tmp_path / "zoo.md").read_text()
