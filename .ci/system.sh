#!/usr/bin/env bash
# system.sh KIND...: make sure that the programs of these kinds are on this machine. What
# is missing is installed at once, from Debian's packages, as root or with sudo; where
# that is not possible, one line names all of it. PYTHON, CHROMIUM, LITECOIND, ELECTRUM,
# NGINX, CADDY, PROMTOOL, PROMETHEUS and SYSTEMD_ANALYZE name other ones.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()  # packages of Debian
for kind in "$@"; do
    case $kind in
        python)
            # A Python of another name is the caller's own; .ci/venv.sh looks at it.
            if [ "${PYTHON:-python3}" = python3 ] && ! .ci/venv.sh --check .venv; then
                python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
            fi ;;
        node)
            command -v node >/dev/null || missing+=(nodejs)
            command -v npm >/dev/null || missing+=(npm) ;;
        chromium)  # tests/browser/chromium.py looks for the same names
            for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome none; do
                [ "$name" ] && command -v "$name" >/dev/null && break
            done
            [ "$name" != none ] || missing+=(chromium) ;;
        litecoind)  # tests/node/litecoin.py
            command -v "${LITECOIND:-litecoind}" >/dev/null || missing+=(litecoind) ;;
        electrum)  # transport/devnet
            command -v "${ELECTRUM:-electrum}" >/dev/null || missing+=(electrum) ;;
        nginx)  # tests/tools/nginx.py; a user's PATH need not have /usr/sbin
            PATH=$PATH:/usr/sbin command -v "${NGINX:-nginx}" >/dev/null || missing+=(nginx-light) ;;
        caddy)  # tests/integration/test_behind_caddy.py
            command -v "${CADDY:-caddy}" >/dev/null || missing+=(caddy) ;;
        promtool)  # tests/integration/test_monitoring.py; Debian has both in one
            for name in "${PROMTOOL:-promtool}" "${PROMETHEUS:-prometheus}"; do
                command -v "$name" >/dev/null || { missing+=(prometheus); break; }
            done ;;
        systemd)  # tests/integration/test_systemd_unit.py has it read a file
            command -v "${SYSTEMD_ANALYZE:-systemd-analyze}" >/dev/null || missing+=(systemd) ;;
        curl)  # the lines of the documents and of the owner's: tests/docs, tests/seeds
            command -v curl >/dev/null || missing+=(curl) ;;
        erlang)
            command -v erl >/dev/null || missing+=(erlang-base) ;;
        redis)
            command -v redis-server >/dev/null || missing+=(redis-server) ;;
        *)
            echo "system.sh: what is $kind?" >&2
            exit 2 ;;
    esac
done
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n "${as_root[@]}")
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "Paybell needs programs that are not on this machine: run 'sudo apt-get install ${missing[*]}' (their names on Debian), then this again" >&2
    exit 1
fi

echo "Installing with apt-get: ${missing[*]} ..."
"${as_root[@]}" apt-get update -qq </dev/null
# The tests start what they need by themselves: no service may begin on its own. Debian
# asks this script; one that is there already has its reason.
no_services=/usr/sbin/policy-rc.d
if [ ! -e "$no_services" ]; then
    "${as_root[@]}" sh -c "printf '#!/bin/sh\nexit 101\n' >$no_services && chmod 755 $no_services"
    trap '"${as_root[@]}" rm -f "$no_services"' EXIT
fi
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
