#!/usr/bin/env bash
# Run the tests. With arguments: pytest with these. Without: all of them, in two
# processes side by side, as one waits most of its time (for sockets, for disks) while
# the other computes. Called by `make test`; $PYTHON is the one of the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$#" -gt 0 ]; then
    exec "$PYTHON" -m pytest "$@"
fi

kinds=(unit integration live browser tools)
others=(simulation power node)
# A folder of tests that neither half names would never be run.
for folder in tests/*/; do
    name=$(basename "$folder")
    if compgen -G "$folder/test_*.py" >/dev/null; then
        case " ${kinds[*]} ${others[*]} " in
            *" $name "*) ;;
            *) echo "tests/$name is in neither half of .ci/test.sh" >&2; exit 1 ;;
        esac
    fi
done

log=$(mktemp)
trap 'rm -f "$log"; kill "${beside:-}" 2>/dev/null || true' EXIT
"$PYTHON" -m pytest "${others[@]/#/tests/}" >"$log" 2>&1 &
beside=$!
failed=0
"$PYTHON" -m pytest "${kinds[@]/#/tests/}" || failed=1
echo "Beside it ran: ${others[*]}"
wait "$beside" || failed=1
beside=
cat "$log"
exit "$failed"
