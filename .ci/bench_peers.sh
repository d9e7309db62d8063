#!/usr/bin/env bash
# Install the Node programs that the benches compare with, exactly as their lock file
# has them, without running any script of a package. Called by the Makefile when its
# stamp is missing.
set -euo pipefail
cd "$(dirname "$0")/../bench/peers/node"

for tool in node npm; do
    command -v "$tool" >/dev/null || {
        echo "The benches measure beside Node's ws and Express: $tool is not there; on Debian: apt-get install nodejs npm" >&2
        exit 1
    }
done

echo "Installing the peers of the benches into bench/peers/node/node_modules ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
