#!/usr/bin/env bash
# Upgrade a database of an older version to this one, and go back: each by that version's own
# program, taken from this repository's history and run with this .venv. On demand (a minute;
# needs the whole history). Arguments: other commits than the two below.
#   79f0f1c   has no `backup` and no `restore` yet: the way back is the copy of a stopped node
#   0c142d79  the first that has both: the way back is `restore` with it
set -euo pipefail
cd "$(dirname "$0")/../.."
new=$PWD
python=$new/.venv/bin/python
[ -x "$python" ] || { echo "try-rollback.sh needs .venv: make setup-python" >&2; exit 1; }
[ $# -gt 0 ] || set -- 79f0f1c 0c142d79

work=$(mktemp -d "${TMPDIR:-/var/tmp}/paybell-rollback.XXXXXX")
started=
finish() {
    [ -z "$started" ] || kill -KILL "$started" 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
trap finish EXIT
for name in $(compgen -e PAYBELL_ || true); do unset "$name"; done
export PAYBELL_API_KEY=key-of-the-whole-node-for-the-rollback

fail() { echo "rollback: $*" >&2; [ ! -e "$work/log" ] || tail -n 20 "$work/log" >&2; exit 1; }
paybell() { "$python" "$1/run.py" "${@:2}"; }

# `serve FOLDER`: that folder's program on $db. 1 if it ends before it is ready.
serve() {
    "$python" "$1/run.py" serve --port 0 --db "$db" >"$work/out" 2>"$work/log" &
    started=$!
    for _ in $(seq 1200); do
        url=$(sed -n 's/.*paybell ready on \(http[^ ]*\).*/\1/p' "$work/out" | head -n 1)
        [ -z "$url" ] || return 0
        kill -0 "$started" 2>/dev/null || { wait "$started" || true; started=; return 1; }
        sleep 0.1
    done
    fail "it neither ended nor got ready"
}
stop() { kill -TERM "$started"; wait "$started" || fail "it ended with $?"; started=; }

create() { # a payment; prints its id
    curl -sS --fail-with-body "$url/v1/payments" -H "Authorization: Bearer $PAYBELL_API_KEY" \
        -H "Content-Type: application/json" -d "{\"amount_sat\": 50000, \"external_id\": \"$1\"}" |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
status_of() {
    curl -sS -o /dev/null -w '%{http_code}' "$url/v1/payments/$1" -H "Authorization: Bearer $PAYBELL_API_KEY"
}

go_and_come_back() {
    local commit=$1 old=$work/$1 before after has_restore
    mkdir "$old" "$work/$1.data" "$work/$1.kept"
    git archive "$commit" | tar x -C "$old"
    db=$work/$1.data/paybell.db
    kept=$work/$1.kept
    has_restore=$(paybell "$old" --help | grep -cE '^ +restore ' || true)
    echo "rollback: $commit, $(git log -1 --format='%cs, "%s"' "$commit")"

    serve "$old" || fail "$commit does not start"
    before=$(create before)
    if [ "$has_restore" -gt 0 ]; then
        paybell "$old" backup "$kept/before.db" --db "$db" --without-key >/dev/null
        stop
    else
        stop
        cp "$db" "$db.key" "$kept/"
    fi

    serve "$new" || fail "this version does not start on its database"
    [ "$(status_of "$before")" = 200 ] || fail "the payment is not there after the upgrade"
    after=$(create after)
    stop

    if [ "$has_restore" -gt 0 ]; then
        ! serve "$old" || fail "$commit goes on with the database that this version has used"
        grep -q "newer version" "$work/log" || fail "$commit does not say why it refuses"
        echo "  refused by $commit: $(grep -h "newer version" "$work/log" | head -n 1)"
        paybell "$old" restore "$kept/before.db" --db "$db" --without-key --replace | sed 's/^/  /'
    else
        if serve "$old"; then
            echo "  $commit goes on with the database that this version has used: nothing warns"
            stop
        else
            echo "  $commit does not start: $(tail -n 1 "$work/log")"
        fi
        mkdir "$work/$1.aside"
        mv "$db" "$db".* "$work/$1.aside/" # its -wal and marks belong to it
        cp "$kept/paybell.db" "$kept/paybell.db.key" "${db%/*}/"
    fi
    serve "$old" || fail "$commit does not start on what was put back"
    [ "$(status_of "$before")" = 200 ] || fail "the payment from before the upgrade is lost"
    [ "$(status_of "$after")" = 404 ] || fail "the later payment is there"
    create again >/dev/null
    stop
    echo "  back: $commit has the payment from before the upgrade, and takes new ones"
}

for commit in "$@"; do go_and_come_back "$commit"; done
