#!/usr/bin/env bash
# npm.sh FOLDER "what for": the Node packages of a folder, exactly as its lock file has
# them, without running any script of a package. Called by the Makefile when its stamp
# is missing.
set -euo pipefail
cd "$(dirname "$0")/../$1"

echo "Installing $2 into $1/node_modules ..."
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
