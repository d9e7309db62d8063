#!/usr/bin/env bash
# venv.sh PYTHON FOLDER WHAT: a virtual environment with the project in it, editable.
# Called by the Makefile when its stamp is missing; may be run again at any time.
set -euo pipefail

python=$1 folder=$2 what=$3

fail() {
    echo "$1" >&2
    exit 1
}

if [ ! -x "$folder/bin/python" ]; then
    command -v "$python" >/dev/null ||
        fail "Paybell needs Python 3.11 or later: $python is not there (try: make PYTHON=/path/to/python3.11 ...)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Paybell needs Python 3.11 or later; $python is $("$python" -V 2>&1) (try: make PYTHON=python3.11 ...)"
    echo "Making $folder with $("$python" -V 2>&1) ..."
    "$python" -m venv "$folder" ||
        fail "$python cannot make a virtual environment; on Debian: apt-get install python3-venv"
fi

echo "Installing the project ($what) and what it needs into $folder ..."
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --editable "$what" </dev/null
