#!/usr/bin/env bash
# venv.sh PYTHON FOLDER LOCK: a virtual environment with exactly what LOCK names, and the
# project in it, editable; venv.sh --alone PYTHON FOLDER LOCK: without the project.
# venv.sh --check FOLDER: whether it is whole, as an exit code.
# Called by the Makefile; may be run again at any time.
#
# An environment is never mended. One that is broken, half-made, moved or made from
# another lock is removed and made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

# Whether the environment at FOLDER runs, belongs to this place, and was finished.
is_whole() {
    [ -e "$1/.made-of" ] && [ "$(head -n 1 "$1/.made-of")" = "$(place "$1")" ] &&
        "$1/bin/python" -c 'import pip' 2>/dev/null
}

# Scripts in bin/ and the editable project name absolute paths. A link to another
# folder's environment is not that environment.
place() {
    echo "$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")"
}

fail() {
    echo "$1" >&2
    exit 1
}

if [ "$1" = --check ]; then
    is_whole "$2"
    exit
fi

alone=
if [ "$1" = --alone ]; then
    alone=yes
    shift
fi
python=$1 folder=$2 lock=$3
sum=$(cksum <"$lock")

if ! is_whole "$folder" || [ "$(tail -n 1 "$folder/.made-of")" != "$sum" ]; then
    command -v "$python" >/dev/null ||
        fail "Paybell needs Python 3.11 or later: $python is not there (try: make PYTHON=/path/to/python3.11 ...)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Paybell needs Python 3.11 or later; $python is $("$python" -V 2>&1) (try: make PYTHON=python3.11 ...)"
    echo "Making $folder with $("$python" -V 2>&1) ..."
    rm -rf "$folder"
    "$python" -m venv "$folder" ||
        fail "$python cannot make a virtual environment; on Debian: apt-get install python3-venv"
    echo "Installing what $lock names into $folder ..."
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --requirement "$lock" </dev/null
    printf '%s\n' "$(place "$folder")" "$sum" >"$folder/.made-of"
fi

[ -z "$alone" ] || exit 0
# The tools of the build are in the lock, and so is all that the project needs.
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --no-deps --no-build-isolation --editable . </dev/null
