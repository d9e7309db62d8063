#!/usr/bin/env bash
# Install the Bitcoin node of the tests, exactly as its lock file has it, without
# running any script of a package. Called by the Makefile when its stamp is missing.
set -euo pipefail
cd "$(dirname "$0")/../tests/node"

for tool in node npm; do
    command -v "$tool" >/dev/null || {
        echo "The tests run a real Bitcoin node and need Node.js with npm: $tool is not there; on Debian: apt-get install nodejs npm" >&2
        exit 1
    }
done

echo "Installing the Bitcoin node of the tests into tests/node/node_modules ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
