#!/usr/bin/env bash
# Run the tests. With arguments: pytest with these. Without: all of them, in two
# processes side by side, as one waits most of its time (for sockets, for disks) while
# the other computes. Called by `make test`; $PYTHON is the one of the virtual environment.
#
# Both halves tell of each file as it is done, every line with the half's name before it,
# and of each failure at once; the quick unit tests come first. Their closing lines, and
# what failed, stand together at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$#" -gt 0 ]; then
    exec "$PYTHON" -m pytest "$@"
fi

waiting=(unit tools integration live browser)
computing=(simulation power node)
# A folder of tests that neither half names would never be run.
for folder in tests/*/; do
    name=$(basename "$folder")
    if compgen -G "$folder/test_*.py" >/dev/null; then
        case " ${waiting[*]} ${computing[*]} " in
            *" $name "*) ;;
            *) echo "tests/$name is in neither half of .ci/test.sh" >&2; exit 1 ;;
        esac
    fi
done

logs=$(mktemp -d)
half() {
    local name=$1
    shift
    "$PYTHON" -u -m pytest --color=no --failures-at-once "${@/#/tests/}" 2>&1 </dev/null |
        tee "$logs/$name" | sed -u "s/^/$name | /"
}

set -m  # each half in a process group of its own, so that it ends with all it started
trap 'kill -- $(jobs -p | sed s/^/-/) 2>/dev/null || true; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

half waiting "${waiting[@]}" &
first=$!
half computing "${computing[@]}" &
second=$!
failed=0
wait "$first" || failed=1
wait "$second" || failed=1

for name in waiting computing; do
    echo
    echo "The $name half:"
    awk '/^=+ short test summary info =+$/ { on = 1 } on { print } { last = $0 }
         END { if (!on) print last }' "$logs/$name"
done
exit "$failed"
