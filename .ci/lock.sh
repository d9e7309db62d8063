#!/usr/bin/env bash
# Write requirements.lock (what a node needs) and requirements-test.lock (the same, and
# what the tests need) from setup.cfg, and requirements-electrumx.lock (the server of the
# development network): every package in one version, with the hashes of all its files,
# for CPython 3.11 and later on any processor. Called by `make lock`.
# A version that still fits is kept; with --upgrade everything is the newest that fits.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9

# uv does not read pip's configuration. The index that this machine asks is not written
# into the lock.
index=$("$tools/venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
if [ -n "$index" ]; then
    export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
fi

# The build back end is locked with the rest, as the project is installed with
# --no-build-isolation.
"$tools/venv/bin/python" - >"$tools/build.in" <<'PYTHON'
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())
print("\n".join(project["build-system"]["requires"]))
PYTHON

# ElectrumX is no package of ours: it has an environment of its own. Version 2 wants
# Bitcoin Core 31.
echo 'e-x[leveldb]==1.20.0' >"$tools/electrumx.in"

# lock FILE FROM... -- OPTION...
lock() {
    local file=$1 from=()
    shift
    while [ "$1" != -- ]; do
        from+=("$1")
        shift
    done
    shift
    [ ! -e "$file" ] || cp "$file" "$tools/lock"
    "$tools/venv/bin/uv" pip compile "${from[@]}" --quiet --universal \
        --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        --no-annotate --output-file "$tools/lock" "$@"
    {
        echo "# Written by \`make lock\` from $(basename "${from[0]}"); installed by .ci/venv.sh."
        cat "$tools/lock"
    } >"$file"
    rm "$tools/lock"
    echo "$file: $(grep -c '==' "$file") packages"
}

lock requirements.lock setup.cfg "$tools/build.in" -- "$@"
lock requirements-test.lock setup.cfg "$tools/build.in" -- \
    --extra test --constraint requirements.lock "$@"
lock requirements-electrumx.lock "$tools/electrumx.in" -- "$@"
