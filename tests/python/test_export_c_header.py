"""The integers as a C header: compiled with every warning an error, run, names of any kind."""

import subprocess

import numpy as np
import pytest

import icepoint
from export_models import NET, encoded, of_sums, reals, renamed
from icepoint.export.interpreter import load
from random_graphs import random_graph
from random_ops import ADDERS
from test_golden import stored
from test_output_functions import function_of

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


def test_mnist_net_in_c_out_of_the_header(tmp_path):
    icepoint.load(NET).export_c_header(tmp_path / "net.h")
    (x,), (y,) = stored(NET)
    for compiler in ("gcc", "g++"):
        source = NET_PROGRAM if compiler == "gcc" else NET_PROGRAM.replace("stdio.h", "cstdio")
        program = compiled(tmp_path, source, compiler, "-O1", "-fsanitize=undefined", "-fno-sanitize-recover")
        done = subprocess.run([program], input=x.tobytes(), capture_output=True, check=True)
        np.testing.assert_array_equal(np.frombuffer(done.stdout, np.uint8).reshape(y.shape), y)


def test_reals_of_sums_in_c_out_of_the_header(tmp_path):
    """The header's own words, put into the program, give the bytes of frozen(x)."""
    frozen = of_sums(icepoint.load(NET))
    text = frozen.export_c_header(tmp_path / "net.h").read_text()
    real = "net_real(acc[c], net_qfc_x_scale[0], net_qfc_weight_scale[c])"
    assert f", qfc, whose reals are\n   {real} */" in text
    assert "_real(" not in icepoint.load(NET).export_c_header(tmp_path / "plain.h").read_text()
    before, after = NET_PROGRAM.split("y[o] = net_code(", 1)
    source = (
        before + f"y[o] = {real.replace('acc[c]', 'acc').replace('[c]', '[o]')};" + after.split(";", 1)[1]
    )
    source = source.replace("d[1000], y[10]", "d[1000];\nstatic float y[10]").replace(
        "fwrite(y, 1, 10", "fwrite(y, 4, 10"
    )
    program = compiled(tmp_path, source, "gcc", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover")
    (x,) = reals(frozen, 7)
    codes = frozen.trace(x)["x"]
    done = subprocess.run([program], input=codes.tobytes(), capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32).reshape(7, 10), frozen(x).numpy())


def test_what_ends_an_output_stands_in_words(tmp_path):
    graph, tensors = random_graph(3, "qlinear", length=1)
    functions = [function_of("argmax", 0), *[None] * (len(graph["outputs"]) - 1)]
    text = encoded(graph, tensors, functions).export_c_header(tmp_path / "net.h").read_text()
    assert ", then argmax over axis 0 of reals */" in text


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
