"""A C++ project finds the installed library with find_package(icepoint), as docs/embedding.md says."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
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

    answer, samples = tmp_path / "build" / "answer", tmp_path / "samples.f32"
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    samples.write_bytes(x.numpy().tobytes())
    scores = np.array([line.split() for line in run(answer, model_file, samples, cwd=tmp_path).splitlines()])
    assert np.array_equal(scores.astype(np.float32), icepoint.load(model_file)(x).numpy())
    samples.write_bytes(x.numpy().tobytes()[:-4])
    done = subprocess.run([answer, model_file, samples], capture_output=True, text=True)
    assert done.returncode == 1 and "ends inside a sample" in done.stderr

    damaged = tmp_path / "damaged.ice"
    data = bytearray(Path(model_file).read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    done = subprocess.run([consumer, damaged], capture_output=True, text=True)
    assert done.returncode == 1 and "digest" in done.stderr and done.stderr.count("\n") == 1


def test_the_document_shows_these_very_files():
    document = (ROOT / "docs" / "embedding.md").read_text()
    for name, language in (("CMakeLists.txt", "cmake"), ("answer.cpp", "cpp")):
        shown = f"```{language}\n{(ROOT / 'tests' / 'consumer' / name).read_text()}```"
        assert shown in document, f"docs/embedding.md shows another {name} than tests/consumer"
