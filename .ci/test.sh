#!/usr/bin/env bash
# Run the tests. With arguments: pytest with these. Without: all of them, in eight
# processes side by side, as most wait most of their time (for sockets, for disks) while
# one or two compute. Called by `make test`; $PYTHON is the one of the virtual
# environment.
#
# The parts are about equal by what they take of the processor, so that none is left to
# end alone. Each tells of each file as it is done, every line with the part's name
# before it, and of each failure at once. Their closing lines, and what failed, stand
# together at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$#" -gt 0 ]; then
    exec "$PYTHON" -m pytest "$@"
fi

# Tests start hundreds of processes of ours. Where Python may keep no bytecode of its own
# accord (PYTHONDONTWRITEBYTECODE) each would compile every module anew: 0.8 s of CPU.
"$PYTHON" -m compileall -q -j 2 installation.py run.py engine actors transport tests/tools

rules=(unit/engine)
first=(unit tools tenants power)  # but for `rules`
# What nearly only waits, one after the other, for minutes.
waiting=(integration/test_websocket_pressure.py integration/test_core_trouble.py
    integration/test_explorers_in_trouble.py integration/test_disk_trouble.py
    integration/test_peers.py lightning/test_blink_stream.py)
sockets=(integration)
# Files of `integration` that run with the rules, as these end sooner.
starting=(integration/test_cli_offline.py integration/test_backup_drill.py
    integration/test_misuse.py)
worlds=(simulation epochs node)
# Of `worlds`, what computes longest: behind what waits, which ends soon.
plants=(simulation/test_planted_bugs.py)
sites=(seeds clients docs)  # of those who come from another system; what the docs say
pages=(pages browser)  # the stages of a checkout in one look; in all is for `make soak`
money=(money lightning live)  # where money moves, real nodes of Lightning
# A folder of tests that no part names would never be run.
for folder in tests/*/; do
    name=$(basename "$folder")
    if compgen -G "$folder/test_*.py" >/dev/null; then
        case " ${first[*]} ${sockets[*]} ${worlds[*]} ${sites[*]} ${pages[*]} ${money[*]} " in
            *" $name "*) ;;
            *) echo "tests/$name is in no part of .ci/test.sh" >&2; exit 1 ;;
        esac
    fi
done

ALONE_S=45
logs=$(mktemp -d)
part() {
    local name=$1
    shift
    "$PYTHON" -u -m pytest --color=no --failures-at-once "$@" 2>&1 </dev/null |
        tee "$logs/$name" | sed -u "s/^/$name | /"
}

set -m  # each part in a process group of its own, so that it ends with all it started
trap 'kill -- $(jobs -p | sed s/^/-/) 2>/dev/null || true; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

begin() {  # one part: its name, the folders and files in it, `but` those that are not
    local name=$1 one
    local -a chosen=()
    shift
    for one in "$@"; do
        case "$one" in
            but\ *) chosen+=("--ignore=tests/${one#but }") ;;
            *) chosen+=("tests/$one") ;;
        esac
    done
    part "$name" "${chosen[@]}" &
    names+=("$name")
    running+=("$!")
}

names=()
running=()
begin rules "${rules[@]}" "${starting[@]}"
begin first "${first[@]}" "${rules[@]/#/but }"
# The unit tests have both cores to themselves at first: most mistakes show there, and
# so within a minute. They compute, and do not wait, so that little time is lost.
for _ in $(seq "$ALONE_S"); do
    kill -0 "${running[@]}" 2>/dev/null || break
    sleep 1
done
begin waiting "${waiting[@]}" "${plants[@]}"
begin sockets "${sockets[@]}" "${waiting[@]/#/but }" "${starting[@]/#/but }"
begin worlds "${worlds[@]}" "${plants[@]/#/but }"
begin sites "${sites[@]}"
begin pages "${pages[@]}"
begin money "${money[@]}" "${waiting[@]/#/but }"
failed=0
for process in "${running[@]}"; do
    wait "$process" || failed=1
done

echo
echo "Left to \`make soak\`: each stage of a checkout in every look, and larger numbers"
for name in "${names[@]}"; do
    echo
    echo "The part \"$name\":"
    awk '/^=+ short test summary info =+$/ { on = 1 } on { print } { last = $0 }
         END { if (!on) print last }' "$logs/$name"
done
exit "$failed"
