"""A C++ project finds the installed library with find_package(icepoint) and replays a file."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import icepoint

ROOT = Path(__file__).resolve().parents[2]


def run(*command, cwd):
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(0)
    net = icepoint.models.Net().eval()
    net.quantize()
    net.quantize_forward(torch.randn(8, 1, 28, 28))
    path = tmp_path_factory.mktemp("consumer") / "net.ice"
    net.freeze().save(path)
    return path


def test_consumer_project_replays_a_file(tmp_path, model_file):
    build = ROOT / "build"
    assert (build / "CMakeCache.txt").exists(), "run `make build` first: this test installs what it built"
    run("cmake", "--install", build, "--prefix", tmp_path / "prefix", cwd=ROOT)
    shutil.copytree(ROOT / "tests" / "consumer", tmp_path / "consumer")
    run(
        "cmake", "-G", "Ninja", "-S", tmp_path / "consumer", "-B", tmp_path / "build",
        f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}", cwd=tmp_path,
    )  # fmt: skip
    run("cmake", "--build", tmp_path / "build", cwd=tmp_path)
    consumer = tmp_path / "build" / "consumer"
    out = run(consumer, model_file, cwd=tmp_path)
    assert out.split() == [icepoint.load(model_file).digest, "verified"]

    damaged = tmp_path / "damaged.ice"
    data = bytearray(Path(model_file).read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    done = subprocess.run([consumer, damaged], capture_output=True, text=True)
    assert done.returncode == 1 and "digest" in done.stderr and done.stderr.count("\n") == 1
