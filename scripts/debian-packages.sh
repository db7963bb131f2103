#!/bin/sh
# Installs the Debian packages that the build needs and that are missing; says the command where it may not.
# usage: scripts/debian-packages.sh PYTHON
set -eu
python=${1:-python3}

packages="g++ make cmake ninja-build libgtest-dev libcli11-dev nlohmann-json3-dev libjpeg62-turbo-dev libpng-dev
zlib1g-dev libssl-dev clang-format"

if ! command -v dpkg-query >/dev/null 2>&1; then
  for tool in g++ make cmake ninja; do
    command -v "$tool" >/dev/null 2>&1 || missing="${missing:-} $tool"
  done
  [ -z "${missing:-}" ] && exit 0
  echo "icepoint: this is not Debian; please install by hand:$missing, and the development files of GoogleTest," \
       "CLI11, nlohmann-json, libjpeg-turbo, libpng, zlib and OpenSSL." >&2
  exit 1
fi

missing=
for p in $packages; do
  case "$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null)" in
    ii*) ;;
    *) missing="$missing $p" ;;
  esac
done

# Python's own parts: only where the interpreter in use lacks them (another Python than Debian's may bring them).
if ! command -v "$python" >/dev/null 2>&1; then
  missing="$missing python3 python3-venv python3-dev"
elif ! "$python" - <<'PY' >/dev/null 2>&1
import ensurepip, os, sysconfig, venv
assert os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
PY
then
  missing="$missing python3-venv python3-dev"
fi

[ -z "$missing" ] && exit 0

# shellcheck disable=SC2086  # the list is words on purpose
if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root=sudo
else
  echo "icepoint: Debian packages are missing; please run: sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi
echo "icepoint: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq || echo "icepoint: apt-get update failed; trying with the lists at hand" >&2
if ! $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
  echo "icepoint: apt could not install them; please run: sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi
