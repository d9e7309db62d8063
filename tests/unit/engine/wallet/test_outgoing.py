"""Transactions of ours: what they say of themselves, and which steps there are."""

import pytest
from msgspec.structs import replace

from engine.wallet.outgoing import Outgoing, OutgoingState, moved, tried_again
from engine.wallet.plan import PlannedOutput
from tests.unit.engine.store.outgoing_cases import SCRIPT, coin, outgoing

S = OutgoingState


@pytest.mark.parametrize("state", list(S))
def test_one_lives_until_another_takes_its_place_or_it_fails(state: S) -> None:
    is_dead = state in {S.REPLACED, S.FAILED}
    assert outgoing(1, state=state).is_living == (not is_dead)


def test_of_a_family_is_whoever_bumps_the_first() -> None:
    assert outgoing(1).family == "out_000001"
    assert outgoing(2, first="out_000001").family == "out_000001"


def test_change_is_sent_to_nobody() -> None:
    one = outgoing(1)
    assert one.sent_sat == 49_000
    outputs = (PlannedOutput(SCRIPT, 40_000), PlannedOutput(SCRIPT, 9_000))
    plan = replace(one.plan, outputs=outputs, change=1)
    assert replace(one, plan=plan).sent_sat == 40_000


def test_a_bump_that_left_nothing_to_pay_its_fee_from_gave_all_of_its_change() -> None:
    first = outgoing(1)
    gave = replace(first.plan, payers=())
    assert replace(first, plan=gave, first="out_000000").gave_its_change
    assert not replace(first, plan=gave).gave_its_change  # nobody was bumped
    kept = replace(first.plan, payers=(0,))
    assert not replace(first, plan=kept, first="out_000000").gave_its_change


def test_its_rate_is_rounded_down() -> None:
    assert outgoing(1).rate_sat_kvb == 9_090  # 1,000 sat for 110 vB
    assert outgoing(1, vsize=111).rate_sat_kvb == 9_009


def test_a_step_is_of_its_moment_and_keeps_all_else() -> None:
    before = outgoing(1)
    assert (before.state, before.moved_at, before.is_open) == (S.PREPARED, 0, True)
    after = moved(before, S.BROADCAST, 7, reason="why")
    assert after == replace(before, state=S.BROADCAST, moved_at=7, reason="why")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.PREPARED, S.SEEN),
        (S.CONFIRMED, S.REPLACED),
        (S.CONFIRMED, S.FAILED),
        (S.REPLACED, S.SEEN),
        (S.FAILED, S.BROADCAST),
    ],
)
def test_what_is_no_step_is_a_bug(before: S, after: S) -> None:
    with pytest.raises(AssertionError):
        moved(outgoing(1, state=before), after, 7)


def test_only_this_payments_coins_are_free_again() -> None:
    mine, also, other = coin(1, "p1"), coin(2, "p1"), coin(3, "p2")
    lost = (mine.outpoint, other.outpoint)
    failed: Outgoing = outgoing(1, mine, also, other, state=S.FAILED, lost=lost)
    assert tried_again(failed, "p1") == replace(failed, lost=(other.outpoint,))
    assert tried_again(failed, "p3") == failed
    with pytest.raises(AssertionError):
        tried_again(outgoing(1, state=S.SEEN), "p1")


def test_no_secret_and_no_bytes_are_in_a_log_of_it() -> None:
    one = outgoing(1)
    assert repr(one) == f"Outgoing(out_000001, sweep, prepared, {one.txid})"
