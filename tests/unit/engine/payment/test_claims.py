"""What providers claim: told at once, counted never, withdrawn in time."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from engine.errors import Refused
from engine.payment.events import opening
from engine.payment.model import (
    MAX_CLAIMS,
    NOT_CLAIMED,
    Claimed,
    EventType,
    Flag,
    Status,
)
from engine.payment.notes import LeftOut
from engine.payment.observations import (
    Cancel,
    ProviderClaim,
)
from engine.payment.rules import evolve, follow, next_deadline
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    T0,
    Told,
    claim,
    expired,
    mempool,
    mined,
    terms,
    view,
)


def test_a_claim_is_told_at_once_and_counts_for_nothing() -> None:
    told = Told()
    assert told(claim()) == ["detected"]
    assert (told.last.data.verified, told.last.txid) == (False, "t1")
    assert told.payment.received_sat == 0
    assert told.status() is Status.PENDING


@pytest.mark.parametrize("named", ["t1", None])
def test_a_claim_that_the_chain_corroborates_was_its_one_detection(
    named: str | None,
) -> None:
    told = Told()
    told(claim(named))
    assert told(view(mempool("t1"))) == ["confirming"]
    assert told.last.data.verified is True
    assert (told.last.txid, told.last.data.source) == ("t1", "node")
    assert told.payment.claims == ()
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 998))) == ["confirming", "confirmed"]
    assert len(told.of(EventType.DETECTED)) == 1


def test_claims_that_say_the_same_are_told_once() -> None:
    told = Told()
    told(claim("t1"))
    assert told(claim("t1")) == []
    assert told(claim(None)) == []


def test_a_claim_that_names_what_an_open_one_did_not_is_the_same() -> None:
    told = Told()
    told(claim(None))
    assert told(claim("t1")) == []
    assert told(view(mempool("t1"))) == ["confirming"]
    assert told.review(T0 + 601_000) == []


def test_a_claim_for_what_the_chain_showed_already_says_nothing() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told(claim("t1")) == []
    assert told(claim(None)) == []
    assert told(claim("t2")) == ["detected"]


def test_each_of_two_claims_is_corroborated_by_its_own_transaction() -> None:
    told = Told()
    told(claim("t1", 20_000))
    told(claim("t2", 30_000))
    both = view(mempool("t2", 30_000), mempool("t1", 20_000))
    assert told(both) == ["confirming", "confirming"]
    assert told.payment.claims == ()


def test_an_output_that_nobody_claimed_does_not_use_up_a_claim() -> None:
    told = Told()
    told(claim("t1"))
    assert told(view(mempool("t9", 10))) == ["detected", "underpaid"]
    assert len(told.payment.claims) == 1


def test_a_claim_without_proof_is_withdrawn_after_its_window() -> None:
    told = Told()
    told(claim())
    assert next_deadline(told.payment) == T0 + 600_000
    assert told.review(T0 + 599_999) == []
    assert told.review(T0 + 600_000) == ["replaced"]
    assert told.payment.claims == ()
    assert told.payment.flags == ()
    assert told.status() is Status.PENDING


def test_a_claim_after_the_deadline_does_not_revive_the_payment() -> None:
    told = expired()
    assert told(claim()) == ["detected"]
    assert told.status() is Status.EXPIRED
    assert told(view(mempool("t1"))) == ["confirming", "late"]
    assert told.status() is Status.CONFIRMING


def test_a_claim_is_withdrawn_in_time_although_the_payment_is_watched_no_longer() -> (
    None
):
    told = expired()
    end = told.payment.terms.monitor_until
    assert told(claim(), after_ms=end - 60_000 - told.now) == ["detected"]
    withdraw_at = told.now + 600_000
    assert withdraw_at > end
    assert next_deadline(told.payment) == withdraw_at


def test_claims_are_bounded_and_final_states_hear_none() -> None:
    told = Told()
    for number in range(MAX_CLAIMS):
        assert told(claim(f"t{number}")) == ["detected"]
    assert told(claim("one more")) == []
    (note,) = follow(told.payment, claim("one more"), told.now).notes
    assert (note.why, note.subject) == (LeftOut.CLAIM, "one more"), "it is logged"
    assert follow(told.payment, claim("t1"), told.now).notes == []
    cancelled = Told()
    cancelled(Cancel("ann"))
    assert cancelled(claim()) == []


def test_a_false_claim_does_not_keep_an_order_open_for_ever() -> None:
    """Whoever can claim claims anew, each time another transaction, just before the
    last one is withdrawn: the order expires when the time that claims have is used up.
    """
    told, taken = Told(), 0
    told.now = EXPIRY - 1
    while told.status() is Status.PENDING:
        lie = ProviderClaim("btc", f"t{taken}", 1, 600, most=1_000, total_s=1_500)
        if told(lie) == ["detected"]:
            taken += 1
            told.now = told.payment.claims[-1].withdraw_at - 1
        else:
            told.review(told.now + 1)
    assert taken > 3, "600 s, 600 s, 300 s, and some more in the last millisecond"
    assert told.now == EXPIRY - 1 + 1_500_000
    assert told.status() is Status.EXPIRED


def test_claims_at_one_time_hold_a_payment_once() -> None:
    told = Told()
    for number in range(3):
        lie = ProviderClaim("btc", f"t{number}", 1, 600, total_s=700)
        assert told(lie, after_ms=10_000 * (number > 0)) == ["detected"]
    assert told.payment.claimed == Claimed(3, 620_000, T0 + 620_000)
    assert next_deadline(told.payment) == T0 + 600_000, "the first of them"
    told.review(T0 + 620_000)
    lie = ProviderClaim("btc", "t9", 1, 600, total_s=700)
    assert told(lie, after_ms=5_000_000) == ["detected"]
    (last,) = told.payment.claims
    assert (last.number, last.withdraw_at - last.at) == (4, 80_000)


def test_a_claim_while_others_stand_may_stand_as_long_as_they() -> None:
    told = Told()
    assert told(ProviderClaim("btc", "t1", 1, 600, total_s=600)) == ["detected"]
    second = ProviderClaim("btc", "t2", 1, 600, total_s=600)
    assert told(second, after_ms=599_999) == ["detected"]
    assert told.payment.claims[1].withdraw_at == T0 + 600_000
    third = ProviderClaim("btc", "t3", 1, 600, total_s=600)
    assert told(third, after_ms=1) == []


@pytest.mark.parametrize(("most", "taken"), [(0, 0), (1, 1), (2, 2)])
def test_claims_of_a_payment_are_counted_over_its_whole_life(
    most: int, taken: int
) -> None:
    told = Told()
    for number in range(3):
        lie = ProviderClaim("btc", f"t{number}", 1, 5, most=most)
        told(lie)
        told.review(told.now + 5_000)
    assert len(told.of(EventType.DETECTED)) == taken
    lie = ProviderClaim("btc", "t9", 1, 5, most=most)
    (note,) = follow(told.payment, lie, told.now).notes
    assert note.detail == (
        f"btc announced it, after {taken} others that held the payment for"
        f" {taken * 5} s"
    )


def test_a_claim_from_before_they_were_counted_counts_for_nothing() -> None:
    """Its payment was stored without a count, and so must the fold of its events be."""
    told = Told()
    told(claim())
    event = told.last
    assert event.data.claim is not None
    old = replace(event.data.claim, number=UNSET)
    before = opening(terms())[1]
    after = evolve(before, replace(event, data=replace(event.data, claim=old)))
    assert after.claims == (old,)
    assert after.claimed == NOT_CLAIMED


def test_nothing_expires_while_a_claim_may_still_be_corroborated() -> None:
    told = Told()
    assert told(claim(), after_ms=HOUR_MS - 60_000) == ["detected"]
    withdraw_at = told.now + 600_000
    assert next_deadline(told.payment) == withdraw_at
    assert told.review(EXPIRY) == []
    assert told.review(withdraw_at) == ["replaced", "expired"]


def test_money_announced_in_time_and_shown_after_the_deadline_is_not_late() -> None:
    told = Told()
    told(claim(), after_ms=HOUR_MS - 60_000)
    assert told.review(EXPIRY + 1) == []
    assert told(view(mempool("t1"))) == ["confirming"]
    assert Flag.LATE not in told.payment.flags


def test_a_payment_that_a_webhook_announced_cannot_be_cancelled_yet() -> None:
    told = Told()
    told(claim())
    with pytest.raises(Refused, match="announced"):
        told(Cancel("ann"))
    told.review(T0 + 600_000)
    assert told(Cancel("ann")) == ["cancelled"]
