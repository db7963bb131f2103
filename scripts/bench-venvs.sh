#!/bin/sh
# Makes the virtual environments of the peers that `make bench` measures; one that fails is said and left out.
# usage: scripts/bench-venvs.sh PYTHON TORCH_REQUIREMENT
set -eu
python=$1
torch=$2
here=$(dirname "$0")

# install VENV REQUIREMENTS: torch as in the main environment, then the peers, and never another torch with them.
install() {
  sh "$here/torch-venv.sh" "$python" "$1" "$torch" &&
    "$1/bin/python" -m pip --disable-pip-version-check --quiet install "$torch" -r "$2"
}

install .venv-bench benchmarks/requirements-bench.txt &&
  .venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps torchvision==0.28.0 ||
  echo "icepoint: .venv-bench is not complete: its engines stay out of the tables" >&2
install .venv-executorch benchmarks/requirements-executorch.txt ||
  echo "icepoint: .venv-executorch is not complete: ExecuTorch stays out of the tables" >&2
