"""quantize and evaluate under torchrun: one worker's bytes, and an error in all where one fails or dies."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import icepoint
from distributed_jobs import run_command, run_workers
from icepoint import calibration_data, frozen
from icepoint.cli import main
from icepoint.evaluate import evaluate_folder, evaluate_idx

SEED = 37
CLASSES = ["cat", "dog", "owl"]
RECIPE = ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.3", "0.2", "--classes", *CLASSES]
SOURCE = '''
"""A user's own file."""
import torch
from torch import nn


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """own_net.py, photos/<class>/*.png, four batches of them, and the file that one process makes."""
    path = tmp_path_factory.mktemp("user")
    (path / "own_net.py").write_text(SOURCE)
    pixels = np.random.default_rng(SEED).integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        (path / "photos" / CLASSES[i % 3]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / "photos" / CLASSES[i % 3] / f"{i:03}.png")
    assert main(quantize(path, path / "one.ice")) == 0
    return path


def quantize(place, out, photos="photos"):
    name = f"{place / 'own_net.py'}:net"
    return ["quantize", name, "--data", str(place / photos), *RECIPE, "--out", str(out), "--json"]


def torchrun(*argv):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "icepoint", *map(str, argv)]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_torchrun(place, tmp_path):
    """The file of one process, and one worker that prints."""
    done = torchrun(*quantize(place, tmp_path / "net.ice"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == icepoint.load(place / "one.ice").digest
    assert (tmp_path / "net.ice").read_bytes() == (place / "one.ice").read_bytes()


def test_quantize_leaves_no_thread(place, tmp_path):
    """run_command tells of threads that are left, which would abort test_torchrun now and then."""
    ended = run_command(2, tmp_path, quantize(place, tmp_path / "net.ice"))
    assert [worker.code for worker in ended] == [0, 0], ended
    assert (tmp_path / "net.ice").read_bytes() == (place / "one.ice").read_bytes()


def test_evaluate_is_that_of_one_worker(place, tmp_path, capsys):
    assert main(["evaluate", str(place / "one.ice"), str(place / "photos"), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    # 17 batches of 7: of 3 workers the last one has none in the last round.
    command = ["evaluate", place / "one.ice", place / "photos", "--batch", "7", "--json"]
    first, *others = run_command(3, tmp_path, command)
    assert first.code == 0 and [(w.code, w.output) for w in others] == [(0, ""), (0, "")], first.output
    found = json.loads(first.output)
    assert list(found) == list(expected) and found["threads"] == 1
    for name in ("digest", "images", "correct", "accuracy", "output_sha256", "classes", "confusion"):
        assert found[name] == expected[name], name


def evaluations(_, place):
    """In Python too, of pictures and of IDX files."""
    runs = [
        evaluate_folder(frozen.load(place / "one.ice"), place / "photos", batch=50),
        evaluate_idx(frozen.load(place / "grey.ice"), place / "images", place / "labels", batch=16),
    ]
    return [(run.output_sha256, run.confusion.tolist()) for run in runs]


def test_evaluations_in_python(place, tmp_path):
    from small_model import digits, encode

    rng = np.random.default_rng(SEED)
    (place / "grey.ice").write_bytes(encode(classes=digits(10)))
    pixels, labels = rng.integers(0, 256, (70, 8, 8), dtype=np.uint8), rng.integers(0, 10, 70, dtype=np.uint8)
    for name, array in (("images", pixels), ("labels", labels)):
        sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
        (place / name).write_bytes(bytes([0, 0, 8, array.ndim]) + sides + array.tobytes())
    expected = evaluations(0, place)
    assert [w.value for w in run_workers(2, tmp_path, evaluations, place)] == [expected] * 2


def hold_few(_):
    """So that not every worker reads every picture."""
    calibration_data.HELD_IMAGES = 32


def test_a_broken_picture_is_told_by_the_first_worker(place, tmp_path):
    for i in range(120):
        (tmp_path / "photos").mkdir(exist_ok=True)
        image = np.full((8, 8, 3), 2 * i, np.uint8)
        Image.fromarray(image).save(tmp_path / "photos" / f"{i:03}.png")
    (tmp_path / "photos" / "040.png").write_bytes(b"\x89PNG\r\n\x1a\n")  # of the second batch
    command = quantize(place, tmp_path / "net.ice", tmp_path / "photos")
    first, *others = run_command(3, tmp_path / "run", command, before=hold_few)
    assert [w.code for w in (first, *others)] == [1, 1, 1] and [w.output for w in others] == ["", ""]
    assert first.output.startswith("icepoint quantize: worker 1 of 3: quantize.calibration_data: batch 1: ")
    assert "040.png: expected a sound PNG or JPEG" in first.output and first.output.count("\n") == 1
    assert not (tmp_path / "net.ice").exists()


def test_a_file_that_cannot_be_saved_fails_all(place, tmp_path):
    first, other = run_command(2, tmp_path, quantize(place, tmp_path / "no" / "net.ice"))
    assert (first.code, other.code, other.output) == (1, 1, "") and "cannot save" in first.output


def at_second_batch(send):
    def before(rank):
        """Worker 1 gets a signal while it observes its second batch."""
        observed, hold = [], calibration_data.Batches._hold
        calibration_data.BATCH = 8

        def count(self, inputs):
            observed.append(inputs)
            if rank == 1 and len(observed) == 4:
                os.kill(os.getpid(), send)
            hold(self, inputs)

        calibration_data.Batches._hold = count

    return before


def killed(rank):
    at_second_batch(signal.SIGKILL)(rank)


def stopped(rank):
    at_second_batch(signal.SIGSTOP)(rank)


@pytest.mark.parametrize("before, code, timeout", [(killed, -signal.SIGKILL, "60"), (stopped, None, "2")])
def test_a_worker_that_is_gone_ends_all(before, code, timeout, place, tmp_path):
    start = time.monotonic()
    environment = {"ICEPOINT_WORKER_TIMEOUT": timeout}
    out = tmp_path / "net.ice"
    ended = run_command(3, tmp_path, quantize(place, out), before, environment, lost=1)
    print(f"{before.__name__}: {time.monotonic() - start:.1f} s")
    assert [w.code for w in ended] == [1, code, 1] and not out.exists()
    for rank in (0, 2):
        assert f"worker {rank} of 3: another worker is gone or did not answer in time" in ended[rank].output
