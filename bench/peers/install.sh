#!/bin/sh
# Makes the virtual environment with the peer engines at their pinned versions.
# usage: bench/peers/install.sh [DIRECTORY]      (default: .venv-peers)
# Needs python3 >= 3.10 with venv, network access to a package index and about 7 GB:
# the only x86-64 wheel of PyTorch there carries its CUDA libraries along.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=${1:-.venv-peers}

python3 -m venv "$venv"
"$venv/bin/pip" install --disable-pip-version-check -r "$here/requirements.txt"
"$venv/bin/pip" check
echo "ready: $venv/bin/python $here/compare.py --help"
