#!/usr/bin/env bash
# Build the image of the Dockerfile beside this and start a node in it, without Docker and
# without a registry of images: buildah and debootstrap, both Debian's, as root. The base
# image is a minimal Debian 12 that is made here. On demand (some minutes, 3 GB in TMPDIR).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || { echo "try-image.sh has to be started as root" >&2; exit 1; }
command -v buildah >/dev/null && command -v debootstrap >/dev/null ||
    { echo "try-image.sh needs: apt-get install --no-install-recommends buildah debootstrap" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/paybell-image.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
# Nothing of this machine's images and containers is touched.
image() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# Where this machine gets Debian from; its packages and Python's come by its own ways.
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep -E ' bookworm(-updates|-security)? ' |
    sort -u >"$work/sources.list" || true
mirror=$(awk '$3 == "bookworm" { print $2; exit }' "$work/sources.list")
[ -n "$mirror" ] || { echo "try-image.sh finds no Debian 12 among this machine's apt sources" >&2; exit 1; }

echo "image: a minimal Debian 12 as the base ..."
debootstrap --variant=minbase bookworm "$work/debian" "$mirror" >"$work/log" 2>&1 </dev/null ||
    { tail -n 20 "$work/log" >&2; exit 1; }
cp "$work/sources.list" "$work/debian/etc/apt/sources.list"
apt-config dump Acquire | grep -iE '^Acquire::https?::' >"$work/debian/etc/apt/apt.conf.d/90machine" || true
base=$(image from scratch)
image add -q "$base" "$work/debian" /
image commit -q "$base" docker.io/library/debian:bookworm-slim >/dev/null
rm -rf --one-file-system "$work/debian"

# This machine's way to the package index, for the time of the build.
with=()
{
    echo "[global]"
    python3 -m pip config list 2>/dev/null | sed -n "s/^[^=]*\\.index-url='\\(.*\\)'/index-url = \\1/p" | head -n 1
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || echo "cert = /machine/ca.crt"
} >"$work/pip.conf"
with+=(--volume "$work/pip.conf:/etc/pip.conf:ro")
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
    with+=(--volume /etc/ssl/certs/ca-certificates.crt:/machine/ca.crt:ro)

echo "image: the Dockerfile ..."
image build --isolation chroot --pull-never --network host "${with[@]}" \
    -f examples/operating/Dockerfile -t paybell . </dev/null

echo "image: a node in it ..."
node=$(image from --pull-never paybell)
image run --isolation chroot --network host --env PAYBELL_HOST=127.0.0.1 --env PAYBELL_PORT=18080 \
    "$node" /opt/paybell/.venv/bin/python /opt/paybell/run.py serve </dev/null >"$work/out" 2>&1 &
started=$!
for _ in $(seq 600); do
    ! grep -q "paybell ready on" "$work/out" || break
    kill -0 "$started" 2>/dev/null || break
    sleep 0.1
done
cat "$work/out"
grep -q "paybell ready on" "$work/out"
image run --isolation chroot --network host "$node" /opt/paybell/.venv/bin/python -c \
    "import os, urllib.request as u; print('health:', u.urlopen('http://127.0.0.1:18080/ready', timeout=4).status, 'as user', os.getuid())"
# The node runs in a chroot: its process is a child of what was started here.
pkill_by_parent() { for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do pkill_by_parent "$child"; kill -TERM "$child" 2>/dev/null || true; done; }
pkill_by_parent "$started"
wait "$started" || true
grep -q "node.stopped" "$work/out"
echo "image: built, started, healthy, and ended by SIGTERM"
