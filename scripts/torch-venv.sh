#!/bin/sh
# Makes a virtual environment with torch in it, a CPU build where one is to be had.
# usage: scripts/torch-venv.sh PYTHON VENV TORCH_REQUIREMENT
set -eu
python=$1
venv=$2
torch=$3

"$python" - <<'PY' || { echo "icepoint: Python 3.11 or later is needed; pass another one with make PYTHON=python3.11" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
# An old pip downloads whole wheels to learn what they need.
$pip install --upgrade pip || echo "icepoint: pip stays as it is" >&2

has_torch() { "$venv/bin/python" -c "from importlib.metadata import version as v; import sys; sys.exit(v('torch').split('+')[0] != '${torch#*==}')" 2>/dev/null; }

if ! has_torch; then
  # What pip, as it is configured, would take: the CUDA build brings nvidia-* packages of several GB along.
  wants_cuda=$($pip install --dry-run --report - "$torch" 2>/dev/null | "$venv/bin/python" -c '
import json, sys
names = [i["metadata"]["name"].lower() for i in json.load(sys.stdin)["install"]]
print("yes" if any(n.startswith(("nvidia-", "cuda-", "triton")) for n in names) else "no")' 2>/dev/null || echo unknown)
  if [ "$wants_cuda" = yes ]; then
    echo "icepoint: looking for a CPU build of $torch" >&2
    $pip install --timeout 15 --retries 0 --index-url https://download.pytorch.org/whl/cpu "$torch" ||
      echo "icepoint: none to be had there; taking the build that pip finds" >&2
  fi
  has_torch || $pip install "$torch"
fi
