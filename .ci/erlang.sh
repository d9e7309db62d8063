#!/usr/bin/env bash
# Make sure that there is an Erlang/OTP for the benches to compare with: Debian's
# package, unless one is there already.
set -euo pipefail

if command -v erl >/dev/null; then
    exit 0
fi

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n "${as_root[@]}")
fi

if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing Erlang/OTP for the benches to compare with ..."
    "${as_root[@]}" apt-get update -qq </dev/null
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends erlang-base </dev/null
    exit 0
fi

echo "The bench compares with Erlang/OTP and it cannot be installed from here: run 'sudo apt-get install erlang-base'" >&2
exit 1
