#!/usr/bin/env bash
# Make sure that there is a Chromium for the browser tests. Debian's package, unless
# one is there already. tests/browser/chromium.py looks for the same names.
set -euo pipefail

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then
        exit 0
    fi
done

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n "${as_root[@]}")
fi

if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing Chromium for the browser tests ..."
    "${as_root[@]}" apt-get update -qq </dev/null
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium </dev/null
    exit 0
fi

echo "The browser tests need Chromium and it cannot be installed from here: run 'sudo apt-get install chromium', or set CHROMIUM=/path/to/it" >&2
exit 1
