"""The integers as JSON, NPZ, C header and folder: read back, compiled, run, and refused in words."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import icepoint
from file_writer import metadata_of
from icepoint import _C
from icepoint.atomic_file import atomic_file, atomic_folder
from icepoint.export.array_text import decimals
from icepoint.export.interpreter import load
from random_graphs import random_graph, random_inputs
from random_ops import ADDERS
from test_golden import GOLDEN, stored
from test_output_functions import function_of

NET = GOLDEN / "net_8bit_per_channel.ice"

# MNIST Net out of the header alone: codes of 28 x 28 on stdin, the ten codes of the answer on stdout.
NET_PROGRAM = r"""
#include "net.h"
#include <stdio.h>

static uint8_t x[784], a[27040], b[6760], c[4840], d[1000], y[10];

static void conv(const uint8_t* in, int ic, int side, int groups, const int8_t* w, const int32_t* bias,
                 const int32_t* m, const int32_t* shift, int zx, int zy, int lo, int hi, uint8_t* out) {
  const int out_side = side - 2, icg = ic / groups, ocg = 40 / groups;
  for (int o = 0; o < 40; o++)
    for (int i = 0; i < out_side; i++)
      for (int j = 0; j < out_side; j++) {
        int32_t acc = bias[o];
        for (int k = 0; k < icg; k++)
          for (int t = 0; t < 9; t++)
            acc += (in[((o / ocg * icg + k) * side + i + t / 3) * side + j + t % 3] - zx) *
                   w[(o * icg + k) * 9 + t];
        out[(o * out_side + i) * out_side + j] = net_code(acc, m[o], shift[o], zy, lo, hi);
      }
}

static void relu_pool(const uint8_t* in, int side, int lo, uint8_t* out) {
  const int half = side / 2;
  for (int o = 0; o < 40; o++)
    for (int i = 0; i < half; i++)
      for (int j = 0; j < half; j++) {
        int most = lo;
        for (int t = 0; t < 4; t++) {
          const int code = in[(o * side + 2 * i + t / 2) * side + 2 * j + t % 2];
          most = code > most ? code : most;
        }
        out[(o * half + i) * half + j] = (uint8_t)most;
      }
}

int main(void) {
  while (fread(x, 1, 784, stdin) == 784) {
    conv(x, 1, 28, net_qconv1_groups, net_qconv1_weight, net_qconv1_bias, net_qconv1_multiplier,
         net_qconv1_shift, net_qconv1_x_zero_point[0], net_qconv1_zero_point, net_qconv1_lo,
         net_qconv1_hi, a);
    relu_pool(a, 26, net_qrelu1_lo, b);
    conv(b, 40, 13, net_qconv2_groups, net_qconv2_weight, net_qconv2_bias, net_qconv2_multiplier,
         net_qconv2_shift, net_qconv2_x_zero_point[0], net_qconv2_zero_point, net_qconv2_lo,
         net_qconv2_hi, c);
    relu_pool(c, 11, net_qrelu2_lo, d);
    for (int o = 0; o < 10; o++) {
      int32_t acc = net_qfc_bias[o];
      for (int k = 0; k < 1000; k++) acc += (d[k] - net_qfc_x_zero_point[0]) * net_qfc_weight[o * 1000 + k];
      y[o] = net_code(acc, net_qfc_multiplier[o], net_qfc_shift[o], net_qfc_zero_point, net_qfc_lo,
                      net_qfc_hi);
    }
    fwrite(y, 1, 10, stdout);
  }
  return 0;
}
"""


def compiled(folder, source: str, compiler: str = "gcc", *flags: str):
    """The program of `source` with every warning an error."""
    name = folder / ("main.c" if compiler == "gcc" else "main.cpp")
    name.write_text(source)
    standard = "-std=c99" if compiler == "gcc" else "-std=c++11"
    warnings = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    command = [compiler, standard, *warnings, *flags, "-o", folder / "main", name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "main"


def encoded(graph: dict, tensors: dict, functions: list | None = None) -> icepoint.FrozenModel:
    check = random_inputs(1, graph, 2)
    told = json.dumps([f or {} for f in functions]) if functions else ""
    return icepoint.FrozenModel(_C.encode(json.dumps(graph), tensors, "{}", {"t": "t"}, check, told))


def renamed(graph: dict, tensors: dict, names: list[str]) -> icepoint.FrozenModel:
    """The same model with other names for its operators."""
    old = [op["name"] for op in graph["ops"]]
    new = dict(zip(old, names, strict=True))
    ops = [{**op, "name": new[op["name"]]} for op in graph["ops"]]
    moved = {f"{new[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": a for key, a in tensors.items()}
    return encoded({**graph, "ops": ops}, moved)


@pytest.mark.parametrize("op", sorted(ADDERS))
def test_json_and_npz_alone_are_the_model(op, tmp_path):
    for seed in (7, 8):
        frozen = encoded(*random_graph(seed, op))
        inputs = random_inputs(seed, {"inputs": frozen.describe()["inputs"]}, 2)
        want = frozen.trace(*map(torch.from_numpy, inputs))
        for path in (frozen.export_json(tmp_path / "m.json"), frozen.export_npz(tmp_path / "m.npz")):
            read = load(path)
            found = read.trace(*inputs)
            assert list(found) == list(want)
            for name, codes in want.items():
                np.testing.assert_array_equal(found[name], codes)
            for name, layer in frozen.integers().items():  # scales too, to the last bit
                for key, value in layer.items():
                    np.testing.assert_array_equal(read[name][key], value)


def test_json_is_json_with_all_that_the_file_says(tmp_path):
    frozen = encoded(*random_graph(3, "qlinear"))
    functions = [function_of("argmax", 0), *[None] * (len(frozen.describe()["outputs"]) - 1)]
    frozen = encoded(*random_graph(3, "qlinear"), functions)
    told = json.loads(frozen.export_json(tmp_path / "m.json").read_text(encoding="utf-8"))
    assert told["digest"] == frozen.digest and told["arithmetic"] == 1
    assert told["outputs"][0]["function"] == functions[0]
    proof = {layer["name"]: layer["accumulator"] for layer in told["layers"] if "accumulator" in layer}
    assert proof == json.loads(metadata_of(frozen.file_bytes)["overflow_proof"])


def test_the_same_model_gives_the_same_bytes(tmp_path):
    frozen = icepoint.load(NET)
    for name in ("export_json", "export_npz", "export_c_header"):
        first, second = (getattr(frozen, name)(tmp_path / f"m{k}.npz") for k in (1, 2))
        same = first.read_bytes().replace(b"m1", b"m2").replace(b"M1", b"M2")
        assert same == second.read_bytes()


def test_other_arithmetic_is_refused(tmp_path):
    path = icepoint.load(NET).export_json(tmp_path / "m.json")
    path.write_text(path.read_text().replace('"arithmetic":1', '"arithmetic":2'))
    with pytest.raises(ValueError, match=r"m\.json: arithmetic 2, this interpreter knows 1"):
        load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"layers": []}')
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    for name in ("a.json", "a.npz"):
        with pytest.raises(ValueError, match=f"{name}: expected integers that icepoint exported"):
            load(tmp_path / name)


def test_decimals_of_extremes():
    whole = np.array([-(2**31), 2**31 - 1, 0], np.int32)
    assert b"".join(decimals(whole)) == b"-2147483648,2147483647,0"
    for dtype in (np.int8, np.uint8):
        every = np.arange(256).astype(dtype).repeat(400)  # more than one block
        text = b"".join(decimals(every)).decode()
        np.testing.assert_array_equal(np.array(json.loads(f"[{text}]"), dtype), every)
    reals = np.array([2.0**-100, 2.0**100, 1 / 3], np.float32)
    np.testing.assert_array_equal(
        np.array(json.loads(f"[{b''.join(decimals(reals)).decode()}]"), np.float32), reals
    )


def test_mnist_net_in_c_out_of_the_header(tmp_path):
    icepoint.load(NET).export_c_header(tmp_path / "net.h")
    (x,), (y,) = stored(NET)
    for compiler in ("gcc", "g++"):
        source = NET_PROGRAM if compiler == "gcc" else NET_PROGRAM.replace("stdio.h", "cstdio")
        program = compiled(tmp_path, source, compiler, "-O1", "-fsanitize=undefined", "-fno-sanitize-recover")
        done = subprocess.run([program], input=x.tobytes(), capture_output=True, check=True)
        np.testing.assert_array_equal(np.frombuffer(done.stdout, np.uint8).reshape(y.shape), y)


def test_the_c_code_of_a_sum_is_the_formula(tmp_path):
    """Negative and extreme sums, every shift, through the header's function."""
    icepoint.load(NET).export_c_header(tmp_path / "net.h")
    generator = np.random.default_rng(4)
    acc = generator.integers(-(2**31), 2**31, 300)
    acc[:4] = -(2**31), 2**31 - 1, -1, 0
    multiplier = generator.integers(2**30, 2**31, 300)
    multiplier[:2], shift = 2**31 - 1, generator.integers(2, 55, 300)
    rows = ",".join(f"{{{a}LL,{m}LL,{s}}}" for a, m, s in zip(acc, multiplier, shift, strict=True))
    main = (
        (
            '#include "net.h"\n#include <stdio.h>\nstatic const long long t[300][3] = {' + rows + "};\n"
            'int main(void) { for (int i = 0; i < 300; i++) printf("%d ", '
            "net_code(t[i][0], t[i][1], (int)t[i][2], 77, 3, 250)); return 0; }\n"
        )
        .replace("long long", "int64_t")
        .replace("LL", "")
    )
    out = subprocess.run([compiled(tmp_path, main)], capture_output=True, check=True, text=True).stdout
    exact = [
        min(max(77 + (int(a) * int(m) + 2 ** (int(s) - 1) >> int(s)), 3), 250)
        for a, m, s in zip(acc, multiplier, shift, strict=True)
    ]
    assert list(map(int, out.split())) == exact


HOSTILE = [
    "3x3 conv */ int main() {", "a", "a.weight", "a_weight", "größe", "for", "??/\\",
]  # fmt: skip


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_names_that_are_no_identifiers_or_meet(compiler, tmp_path):
    """Words of C, ends of comments, names that become the same one: every constant is there once."""
    graph, tensors = random_graph(5, "qlinear", length=len(HOSTILE))
    frozen = renamed(graph, tensors, HOSTILE[: len(graph["ops"])])
    header = frozen.export_c_header(tmp_path / "9 strange-name.h")
    text = header.read_text(encoding="ascii")
    compiled(tmp_path, f'#include "{header.name}"\nint main(void) {{ return 0; }}\n', compiler)
    assert text.count("_9_strange_name_code(") == 1
    read = load(frozen.export_npz(tmp_path / "m.npz"))
    assert list(read) == HOSTILE[: len(graph["ops"])]


@pytest.mark.parametrize("op", sorted(ADDERS))
def test_every_operator_compiles(op, tmp_path):
    encoded(*random_graph(11, op)).export_c_header(tmp_path / "net.h")
    compiled(tmp_path, '#include "net.h"\nint main(void) { return 0; }\n')


def test_the_folder_replays_itself_without_icepoint(tmp_path):
    frozen = icepoint.load(GOLDEN / "random_qconcat.ice")
    folder = frozen.export_folder(tmp_path / "made")
    command = [sys.executable, "-m", "interpreter", "integers.npz", "vectors.npz"]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "every code is equal" in done.stdout
    used = "\n".join(p.read_text() for p in (folder / "interpreter").glob("*.py"))
    assert "icepoint import" not in used and "import torch" not in used

    with np.load(folder / "vectors.npz") as vectors:
        arrays = dict(vectors)
    inputs = [arrays[str(i)] for i in range(len(frozen._inputs))]
    for k, codes in enumerate(frozen.trace(*map(torch.from_numpy, inputs)).values()):
        np.testing.assert_array_equal(arrays[str(k)], codes)
    text = (folder / "README.md").read_text()
    for layer in frozen.layers():
        assert f"| `{layer['name']}` | {layer['op']} |" in text
        if "overflow" in layer:
            assert f"{layer['overflow']['lo']}..{layer['overflow']['hi']}" in text
    assert frozen.digest in text

    arrays["1"][0].reshape(-1)[0] ^= 1
    np.savez(folder / "vectors.npz", **arrays)
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert done.returncode == 1 and "codes differ" in done.stderr


def test_sums_of_the_vectors_lie_in_the_proved_range(tmp_path):
    frozen = icepoint.load(NET)
    folder = frozen.export_folder(tmp_path / "made")
    with np.load(folder / "vectors.npz") as vectors:
        for k, layer in enumerate(frozen.layers(), 1):
            assert (f"acc.{k}" in vectors.files) == ("overflow" in layer)
            if "overflow" in layer:
                acc = vectors[f"acc.{k}"]
                assert acc.shape[1:] == tuple(layer["shape"])
                assert layer["overflow"]["lo"] <= acc.min() and acc.max() <= layer["overflow"]["hi"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    frozen = icepoint.load(GOLDEN / "random_clamp.ice")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(OSError, match=r"the folder holds 'thesis\.txt', which is not of an export"):
        frozen.export_folder(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    assert frozen.export_folder(tmp_path / "new") == frozen.export_folder(tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "new"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "old.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder", frozenset()) as folder:
        (folder / "a").write_text("a")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["old.bin"] and path.read_bytes() == b"old"
    link = tmp_path / "link.bin"
    link.symlink_to(path)
    path.chmod(0o600)
    with atomic_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="it is no regular file"), atomic_file(tmp_path):
        pass
