#!/usr/bin/env bash
# Make sure that one of some programs is there, else install Debian's package.
# debian.sh PACKAGE "what for" PROGRAM...
set -euo pipefail
package=$1 purpose=$2
shift 2

for name in "$@"; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then
        exit 0
    fi
done

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n "${as_root[@]}")
fi

if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing $package $purpose ..."
    "${as_root[@]}" apt-get update -qq </dev/null
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$package" </dev/null
    exit 0
fi

echo "There is no $1 $purpose, and it cannot be installed from here: run 'sudo apt-get install $package'" >&2
exit 1
