#!/usr/bin/env bash
# fresh.sh [COMMAND...]: a new, minimal Debian 12 in a folder, the last commit cloned into
# it, and the commands of the README with nothing else typed. As root, on demand (some
# minutes, 2 GB in TMPDIR, from Debian and the package registries that this machine asks).
#
#     .ci/fresh.sh                                         make demo, then make test
#     .ci/fresh.sh 'make test ARGS="tests/unit/engine"'    only this
#
# The Debian has a root, mounts and processes of its own: when this ends, nothing of it
# runs and nothing is mounted. This machine's configuration of registries and
# certificates is copied in, as it stands here; the folder is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

# Called from below, in namespaces of its own: the commands, in the Debian at ROOT.
if [ "${1:-}" = --inside ]; then
    root=$2
    shift 2
    # Not a chroot: in one nobody may make a namespace of users, as a test does. The new
    # root has to be a mount.
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root/machine"
    cd "$root"
    pivot_root . machine
    cd /
    umount -l /machine
    for command in "$@"; do
        echo "fresh: $command"
        SECONDS=0
        bash -c "cd /root/paybell && $command" </dev/null
        echo "fresh: done in $SECONDS s: $command"
    done
    exit
fi

if [ "$#" -eq 0 ]; then
    set -- "make demo ARGS=--once" "make test"
fi
[ "$(id -u)" -eq 0 ] || { echo "fresh.sh has to be started as root (debootstrap, chroot)" >&2; exit 1; }

if ! command -v debootstrap >/dev/null; then
    apt-get update -qq </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap </dev/null
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/paybell-fresh.XXXXXX")
root=$work/debian
# The mounts below exist in a namespace that has ended by then.
trap 'rm -rf --one-file-system "$work"' EXIT

# Where this machine gets Debian from; the same lines stand in the new one's sources.
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep -E ' bookworm(-updates|-security)? ' |
    sort -u >"$work/sources.list" || true
mirror=$(awk '$3 == "bookworm" { print $2; exit }' "$work/sources.list")
[ -n "$mirror" ] || { echo "fresh.sh finds no Debian 12 among this machine's apt sources (apt-get update?)" >&2; exit 1; }

echo "fresh: a minimal Debian 12 ..."
debootstrap --variant=minbase --include=git,make,python3,ca-certificates bookworm \
    "$root" "$mirror" >"$work/debootstrap.log" 2>&1 </dev/null || {
    tail -n 20 "$work/debootstrap.log" >&2
    exit 1
}

# This machine's own configuration; what is not there is not copied.
cp "$work/sources.list" "$root/etc/apt/sources.list"
for path in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip /etc/npmrc \
    "$HOME/.config/pip" "$HOME/.pip" "$HOME/.npmrc" /etc/apt/auth.conf.d \
    /usr/local/share/ca-certificates; do
    if [ -e "$path" ]; then
        target=$root${path/#$HOME//root}
        mkdir -p "$(dirname "$target")"
        rm -rf "$target"
        cp -rL "$path" "$target"
    fi
done
apt-config dump Acquire | grep -iE '^Acquire::https?::' >"$root/etc/apt/apt.conf.d/90machine" || true
chroot "$root" update-ca-certificates >/dev/null 2>&1 </dev/null
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi

# Only what says how to reach the registries goes along of the environment.
kept=()
while IFS= read -r -d '' pair; do
    case ${pair%%=*} in
        PIP_*|NPM_CONFIG_*|npm_config_*|*_proxy|*_PROXY|SSL_CERT_*|NODE_EXTRA_CA_CERTS)
            kept+=("$pair") ;;
    esac
done < <(env -0)

git clone --quiet --no-local "file://$PWD" "$root/root/paybell" </dev/null

env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 CI=true "${kept[@]}" \
    unshare --mount --pid --fork --kill-child --propagation private \
    bash .ci/fresh.sh --inside "$root" "$@"
