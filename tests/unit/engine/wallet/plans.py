"""What tests of plans share: scripts, random coins, and when a plan is sound."""

from hypothesis import strategies as st

from engine.wallet.fees import FeeRules
from engine.wallet.plan import Plan, shares_of
from engine.wallet.size import (
    MAX_STANDARD_WEIGHT,
    dust_sat,
)
from tests.unit.engine.wallet.coins import KINDS, coin

P2WPKH = b"\x00\x14" + b"w" * 20
P2WSH = b"\x00\x20" + b"s" * 32
P2TR = b"\x51\x20" + b"t" * 32
P2PKH = b"\x76\xa9\x14" + b"k" * 20 + b"\x88\xac"
P2SH = b"\xa9\x14" + b"h" * 20 + b"\x87"
SCRIPTS = (P2WPKH, P2WSH, P2TR, P2PKH, P2SH)
RULES = FeeRules()

rates = st.integers(1_000, 200_000)
scripts = st.sampled_from(SCRIPTS)
coins = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 10**9), st.integers(0, 5)),
    min_size=1,
    max_size=12,
).map(lambda made: [coin(k, n, a, f"pay_{p}") for n, (k, a, p) in enumerate(made)])


def funds(plan: Plan) -> int:
    return sum(c.amount_sat for c in plan.coins)


def assert_sound(plan: Plan) -> None:
    assert funds(plan) == sum(o.amount_sat for o in plan.outputs) + plan.fee_sat
    assert plan.total_sat == funds(plan)
    assert plan.weight <= MAX_STANDARD_WEIGHT
    assert all(o.amount_sat >= dust_sat(o.script) for o in plan.outputs)
    shares = shares_of(plan)
    assert sum(s.amount_sat for s in shares) == funds(plan)
    assert sum(s.fee_sat for s in shares) == plan.fee_sat
    assert all(0 <= s.fee_sat <= s.amount_sat for s in shares)
    assert len({s.payment_id for s in shares}) == len(shares)
