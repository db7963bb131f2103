"""README.md tells the truth: its Python blocks run as they stand, and its commands answer."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import icepoint
from icepoint.data import load

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXECUTABLE = ROOT / "build" / "icepoint"


def block(language, at):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[at]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where README's first Python block ran: beside ckpt/, as in the repository, and it left net.ice."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "ckpt").symlink_to(ROOT / "ckpt")
    program = "import torch\ntorch.set_num_threads(1)\n" + block("python", 0)
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_road_leaves_a_sound_file(folder):
    frozen = icepoint.load(folder / "net.ice")
    frozen.verify()
    assert frozen(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_the_commands_answer(folder):
    from PIL import Image

    assert EXECUTABLE.exists(), "run `make build` first"
    digits = load("mnist", embedded=True)
    Image.fromarray(digits.test_images[0]).save(folder / "digit.png")
    images, labels = np.asarray(digits.test_images[:50]), np.asarray(digits.test_labels[:50], np.uint8)
    # IDX without compression; the reader looks at the bytes and not at the name.
    for name, magic, array in (
        ("images-idx3", b"\0\0\x08\x03", images),
        ("labels-idx1", b"\0\0\x08\x01", labels),
    ):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / f"t10k-{name}-ubyte.gz").write_bytes(magic + sizes + array.tobytes())
    commands = [line.split("#")[0].split() for line in block("sh", 1).splitlines() if line]
    assert [command[1] for command in commands] == ["run", "eval", "inspect", "verify"]
    for command in commands:
        done = subprocess.run([EXECUTABLE, *command[1:]], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, f"{command}\n{done.stderr}"


def test_a_chain_needs_no_writing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)
    )
    x = torch.randn(4, 1, 8, 8)
    names = {"icepoint": icepoint, "model": model.eval(), "x": x, "calibration_batches": [x, -x]}
    exec(block("python", 1), names)
    assert torch.equal(icepoint.load("model.ice")(x), names["q"].freeze()(x))


def test_every_link_leads_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
    named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert named and all((a or b) in targets for a, b in named)
