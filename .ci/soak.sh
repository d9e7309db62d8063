#!/usr/bin/env bash
# Run for hours what `make test` tries in minutes. With arguments: the simulation with
# these. Without: 100,000 simulated shops, a crash at every step of three worlds, an
# upgrade that is killed at each statement, 100,000 power cuts, 30,000 damaged files,
# 1,000 kills under traffic on a real node, 50,000 requests of the API fuzz, 10,000
# reconnects of Socket.IO clients, 1,000 kills of a node that reads a Redis, the export
# of 100,000 payments, tenants on 2,000,000 events (or, without 10 GB of free disk, on
# 200,000; SOAK_TENANTS says how many payments of five), 20,000 framings beside nginx,
# 10,000 posts to a name that changes, 10,000 addresses of each kind by three libraries,
# 100 kills of a node that draws them, answers and pushes of Lightning nodes cut off
# after each byte, 10,000 worlds each of a till, of orders and of refunds, 1,000 of PSBTs, and 200 of
# payments by Lightning, every stage of a checkout in every look. Called by `make soak`;
# $PYTHON is the one of the virtual environment. All are run, also when one fails.
set -uo pipefail
cd "$(dirname "$0")/.."

if [ "$#" -gt 0 ]; then
    exec "$PYTHON" -m tests.simulation --soak "$@"
fi

free_kb=$(df --output=avail -k "${TMPDIR:-/tmp}" | tail -n 1)
tenants=${SOAK_TENANTS:-$((free_kb > 10000000 ? 400000 : 40000))}

# A test of hours is not one that hangs after 900 s, as elsewhere; its own time ends it.
pytest=("$PYTHON" -m pytest -o faulthandler_timeout=0)

failed=()
run() {
    echo
    echo "== $*"
    "$@" || failed+=("$*")
}

run "$PYTHON" -m tests.simulation --soak
run env PAYBELL_CRASH_STRIDE=1 "${pytest[@]}" tests/simulation/test_every_crash.py
run env PAYBELL_MIGRATION_STRIDE=1 "${pytest[@]}" tests/unit/engine/store/sqlite/test_upgrade.py
run "$PYTHON" -m tests.power --points 100000 --jobs "$(nproc)"
run "$PYTHON" -m tests.power --flips 30000
run "$PYTHON" -m tests.epochs --runs 10000
for _ in {1..10}; do  # each with a seed of its own
    run env PAYBELL_CRASH_KILLS=100 "${pytest[@]}" tests/node/test_crash.py
done
run env PAYBELL_RECONNECTS=20000 "${pytest[@]}" tests/live/test_resume.py
run env PAYBELL_SOCKETIO_RECONNECTS=10000 "${pytest[@]}" tests/live/test_socketio_resume.py
run env PAYBELL_FRAMINGS=20000 "${pytest[@]}" tests/integration/test_framing_nginx.py
run env PAYBELL_REDIS_KILLS=1000 "${pytest[@]}" tests/seeds/test_s4_4_through_redis.py
run env PAYBELL_REDIS_RESTARTS=100 "${pytest[@]}" tests/seeds/test_s4_4_restarts_of_pages.py
run env SWEEPS=300 SWEEP_KILLS=100 REFUND_KILLS=100 "${pytest[@]}" tests/money
run env PAYBELL_LIGHTNING_WORLDS=200 "${pytest[@]}" tests/simulation/test_lightning.py
run env PAYBELL_CARD_WORLDS=1000 "${pytest[@]}" tests/simulation/test_cards.py
run "$PYTHON" -m tests.simulation --orders --seeds 0-9999
run "$PYTHON" -m tests.simulation --refunds --seeds 0-9999
run "$PYTHON" -m tests.simulation --psbts --seeds 0-999
run env TILL_WORLDS=10000 "${pytest[@]}" tests/simulation/test_till.py
run env PAYBELL_EVERY_BYTE=1 "${pytest[@]}" tests/lightning -k "byte or anywhere"
run env TILL_KILLS=100 "${pytest[@]}" tests/seeds/test_s2_3_forward.py
run env PAYBELL_TENANTS="$tenants" "${pytest[@]}" tests/tenants
run env PAYBELL_EXPORT_PAYMENTS=100000 "${pytest[@]}" tests/money/test_export_sums.py
run env PAYBELL_ADDRESSES=10000 "${pytest[@]}" tests/unit/engine/wallet/test_descriptor.py
run env PAYBELL_WALLET_KILLS=100 "${pytest[@]}" tests/money/test_wallet_kills.py
run env PAYBELL_SSRF_TRIES=10000 "${pytest[@]}" tests/integration/test_outbound_ssrf.py
run env PAYBELL_FUZZ_REQUESTS=50000 PAYBELL_FUZZ_SEED=$RANDOM "${pytest[@]}" tests/integration/test_api_fuzz.py
run env PAYBELL_LOOKS=all "${pytest[@]}" tests/pages

[ "${#failed[@]}" -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
