"""The executable itself, and inspect, verify and bench, as subprocesses without PATH."""

import hashlib
import json
import os
import struct
import subprocess

import pytest
import torch
from torch import nn

import icepoint
from icepoint import _C
from small_model import binary, digits, encode, run, run_json

COMMANDS = ("run", "eval", "inspect", "verify", "bench")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("executable")


@pytest.fixture(scope="module")
def model(folder):
    """The path and the bytes of a grey 8 x 8 model with ten named classes."""
    path = folder / "grey.ice"
    path.write_bytes(encode(classes=digits(10)))
    return path, path.read_bytes()


# ---- the program itself


def test_links_no_python():
    listed = subprocess.run(["ldd", binary()], capture_output=True, text=True, check=True).stdout
    assert "libtorch_cpu" in listed
    assert "libpython" not in listed and "libtorch_python" not in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_common_options_and_an_example(command):
    text = run(command, "--help")
    for word in ("--threads", "--isa", "--json", f"Example:\n  icepoint {command} model.ice"):
        assert word in text, text


def test_version_names_what_two_machines_must_share():
    lines = run("--version").splitlines()
    assert lines[0] == f"icepoint {icepoint.__version__}"
    assert lines[1:3] == ["arithmetic 1", "file format 1"]
    sets = ", ".join(_C.isas())
    assert lines[3] == f"instruction sets {sets}; in use: {_C.isas()[-1]}"
    assert len(lines) == 4


def test_help_lists_the_commands():
    text = run("--help")
    assert all(f"\n  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected run, eval, bench, inspect or verify"),
        (["fly"], "fly"),
        (["run"], "model is required"),
        (["run", "MODEL"], "inputs"),
        (["run", "MODEL", "x.png", "--top", "0"], "--top"),
        (["run", "MODEL", "x.png", "--nonsense"], "--nonsense"),
        (["verify", "MODEL", "--threads", "0"], "--threads"),
        (["verify", "MODEL", "--threads", "two"], "--threads"),
        (["verify", "MODEL", "--isa", "z80"], "isa: 'z80' is not an instruction set"),
        (["bench", "MODEL", "--seconds", "nan"], "--seconds"),
        (["bench", "MODEL", "--batch", "-1"], "--batch"),
        (["eval", "MODEL"], "folder"),
        (["eval", "MODEL", "x", "--idx", "a", "b"], "folder"),
        (["eval", "MODEL", "--idx", "a"], "--idx"),
    ],
)
def test_bad_arguments_are_one_line(model, arguments, words):
    assert words in run(*(str(model[0]) if a == "MODEL" else a for a in arguments), ok=False)


def test_a_full_disk_behind_stdout_is_an_error(model):
    with open("/dev/full", "w") as full:
        done = subprocess.run([binary(), "inspect", model[0]], env={}, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"icepoint: stdout: cannot be written\n")


# ---- inspect, verify, bench


def test_inspect_tells_what_the_file_holds(model):
    found = run_json("inspect", model[0])
    assert found["digest"] == _C.peek_digest(model[1]) and found["file_bytes"] == len(model[1])
    assert [op["name"] for op in found["ops"]] == ["conv", "pool", "flatten", "fc"]
    assert found["ops"][0]["macs"] == 8 * 8 * 4 * 9 and found["ops"][3]["macs"] == 640
    assert found["recipe"]["classes"] == digits(10) and found["made_by"] == {"test": "small_model.py"}
    text = run("inspect", model[0])
    for words in ("conv", "qmax_pool2d", "(4, 4, 4)", "2,944 MACs", found["digest"], "8 x 8 pixels, grey",
                  "small_model.py", "overflow", "an image"):  # fmt: skip
        assert words in text, text


def test_what_a_stranger_wrote_is_escaped(tmp_path):
    """U+009B starts a terminal's control sequence; a file name may hold any byte."""
    path = tmp_path / "odd.ice"
    try:
        path.write_bytes(encode(classes=["\x9bred", *digits(9)]))
    except ValueError as error:
        assert "control characters" in str(error)  # then no file can bring it
    else:
        text = run("inspect", path)
        assert "\\xc2\\x9bred" in text and all(line.isprintable() for line in text.splitlines())
    line = run("inspect", "no\x1b[31m\n\udcff.ice", ok=False)
    assert "no\\x1b[31m\\x0a\\xff.ice" in line


def test_verify_replays_on_every_instruction_set(model):
    found = run_json("verify", model[0], "--threads", "2")
    assert found["passed"] and found["isas"] == dict.fromkeys(_C.isas(), "equal")
    assert list(run_json("verify", model[0], "--isa", "reference")["isas"]) == ["reference"]
    assert "same bytes" in run("verify", model[0])


def test_verify_names_the_layer_that_differs(model, tmp_path):
    """A file whose digests of one layer and of the outputs are wrong, and whose own digest is right."""
    data = model[1]
    check = json.loads(
        json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]["self_check"]
    )
    for wrong in (check["values"][3], check["outputs"]):
        data = data.replace(wrong.encode(), hashlib.sha256(b"wrong").hexdigest().encode())
    start = data.index(b'"digest":"') + len(b'"digest":"')
    zeroed = data[:start] + b"0" * 64 + data[start + 64 :]
    path = tmp_path / "wrong.ice"
    path.write_bytes(data[:start] + hashlib.sha256(zeroed).hexdigest().encode() + data[start + 64 :])
    assert "fc" in run("verify", path, ok=False)
    done = subprocess.run([binary(), "verify", path, "--json"], env={}, capture_output=True)
    assert done.returncode == 1 and json.loads(done.stdout)["passed"] is False


def test_bench_measures_one_thread_and_all(model):
    found = run_json("bench", model[0], "--seconds", "0.02", "--batch", "3", "--per-layer")
    assert [r["threads"] for r in found["runs"]] == sorted({1, len(os.sched_getaffinity(0))})
    for r in found["runs"]:
        assert 0 < r["min_us"] <= r["median_us"] <= r["p90_us"] <= r["p99_us"]
        assert r["runs"] >= 5 and r["images_per_second"] > 0
    assert [layer["layer"] for layer in found["layers"]] == ["conv", "pool", "flatten", "fc"]
    one = run_json("bench", model[0], "--seconds", "0.01", "--threads", "1", "--isa", "reference")
    assert [r["threads"] for r in one["runs"]] == [1] and one["isa"] == "reference"
    assert "images/s" in run("bench", model[0], "--seconds", "0.01", "--per-layer")


def test_a_running_model_holds_its_packed_weights_and_little_more(folder):
    """Neither the file's bytes nor its codes stay in memory once the weights are packed."""
    net = nn.Sequential(nn.Conv2d(1, 256, 4), nn.Flatten(), nn.Linear(256 * 25, 2048)).eval()
    x = torch.rand(2, 1, 8, 8)
    path = icepoint.quantize(net, (x,), [x]).freeze().save(folder / "large.ice")
    for isa in _C.isas():
        found = run_json("bench", path, "--seconds", "0.01", "--threads", "1", "--isa", isa)
        assert found["packed_bytes"] >= 256 * 25 * 2048  # 12.5 MiB, a byte each at least
        # Loading touches some MiB of the program itself, too.
        most = 1.1 * (found["packed_bytes"] + found["arena_bytes"]) + (4 << 20)
        assert 0 < found["loaded_bytes"] <= most, isa
        assert 0 < found["load_seconds"] < 60


def test_environment_variables_are_read(model):
    def with_env(**env):
        return subprocess.run(
            [binary(), "verify", model[0], "--json"], env=env, capture_output=True, text=True
        )

    assert json.loads(with_env(ICEPOINT_THREADS="3").stdout)["threads"] == 3
    for env in ({"ICEPOINT_ISA": "z80"}, {"ICEPOINT_THREADS": "many"}):
        done = with_env(**env)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, env
        assert next(iter(env)) in done.stderr
