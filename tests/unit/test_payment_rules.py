"""The rules of a payment, case by case: what is seen, and what is told of it."""

import pytest

from engine.chain import ChainView
from engine.model import MAX_CLAIMS, MAX_RECEIPTS, EventType, Flag, Status
from engine.observations import Cancel, ConfirmByHand, ProviderClaim
from engine.payment import Refused, is_settled, next_deadline
from engine.reading import ABSENCE_GRACE_MS
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    Told,
    block,
    mempool,
    mined,
    replayed,
    terms,
    view,
)

EXPIRY = T0 + HOUR_MS


def confirmed(**changes: object) -> Told:
    """A payment in full that is three deep in block a998, tip 1000."""
    told = Told(terms(**changes))
    told(view(mined("t1", 998)))
    assert told.status() is Status.CONFIRMED
    return told


def expired() -> Told:
    told = Told()
    assert told.review(EXPIRY) == ["expired"]
    return told


# -- the usual road --------------------------------------------------------------------


def test_a_payment_is_detected_in_the_mempool_and_followed_until_it_is_deep() -> None:
    told = Told()
    assert told(view()) == []
    assert told(view(mempool("t1"))) == ["detected"]
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 1000), tip=1000)) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1001)) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1002)) == ["confirming", "confirmed"]
    assert told(view(mined("t1", 1000), tip=1003)) == []
    assert [event.confirmations for event in told.events] == [0, 0, 1, 2, 3, 3]
    assert [event.seq for event in told.events] == [1, 2, 3, 4, 5, 6]
    assert told.payment.settled_sat == 50_000
    assert replayed(told.events) == told.payment


def test_a_payment_first_seen_deep_in_the_chain_is_told_in_full() -> None:
    told = Told()
    assert told(view(mined("t1", 990))) == ["detected", "confirming", "confirmed"]


def test_several_receipts_add_up_and_the_shallowest_that_is_needed_counts() -> None:
    told = Told()
    assert told(view(mined("t1", 998, 20_000))) == [
        "detected",
        "underpaid",
        "confirming",
    ]
    assert told.last.data.receipts[0].confirmations == 3
    assert Flag.UNDERPAID in told.payment.flags
    second = (mined("t1", 998, 20_000), mined("t2", 1000, 30_000))
    assert told(view(*second)) == ["detected", "confirming"]
    assert told.payment.confirmations == 1
    assert told.payment.flags == ()
    assert told(view(*second, tip=1002)) == ["confirming", "confirmed"]


def test_two_outputs_of_one_transaction_are_two_receipts() -> None:
    told = Told()
    both = (mempool("t1", 20_000, vout=0), mempool("t1", 30_000, vout=1))
    assert told(view(*both)) == ["detected", "detected"]
    assert told.payment.received_sat == 50_000
    assert told(view(mined("t1", 1000, 20_000), mined("t1", 1000, 30_000, vout=1))) == [
        "confirming"
    ]
    assert len(told.last.data.receipts) == 2


@pytest.mark.parametrize(
    ("paid", "tolerance", "kinds", "flags"),
    [
        (50_000, 0, ["detected"], ()),
        (49_999, 0, ["detected", "underpaid"], (Flag.UNDERPAID,)),
        (50_001, 0, ["detected", "overpaid"], (Flag.OVERPAID,)),
        (49_900, 100, ["detected"], ()),
        (49_899, 100, ["detected", "underpaid"], (Flag.UNDERPAID,)),
        (50_100, 100, ["detected"], ()),
        (50_101, 100, ["detected", "overpaid"], (Flag.OVERPAID,)),
    ],
)
def test_the_sum_is_judged_within_the_tolerance(
    paid: int, tolerance: int, kinds: list[str], flags: tuple[Flag, ...]
) -> None:
    told = Told(terms(tolerance_sat=tolerance))
    assert told(view(mempool("t1", paid))) == kinds
    assert told.payment.flags == flags


def test_what_is_too_little_or_too_much_is_told_against_what_was_asked() -> None:
    told = Told(terms(tolerance_sat=100))
    told(view(mempool("t1", 40_000)))
    assert told.last.data.short_sat == 10_000
    told(view(mempool("t1", 40_000), mempool("t2", 20_000)))
    assert told.last.data.excess_sat == 10_000


def test_too_little_never_confirms_however_deep() -> None:
    told = Told()
    told(view(mined("t1", 900, 49_999)))
    assert told.status() is Status.CONFIRMING


def test_more_money_after_the_confirmation_is_told_without_confirming_again() -> None:
    told = confirmed()
    assert told(view(mined("t1", 998), mempool("t2"))) == ["detected", "overpaid"]
    assert told(view(mined("t1", 998), mined("t2", 1000), tip=1002)) == ["confirming"]
    assert told.status() is Status.CONFIRMED


def test_any_amount_will_do_when_none_was_asked() -> None:
    told = Told(terms(amount_sat=None))
    assert told(view(mined("t1", 998, 1))) == ["detected", "confirming", "confirmed"]
    assert told.payment.flags == ()


def test_the_confirmation_names_a_transaction_that_is_deep() -> None:
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 998, 700), mempool("t2", 900)))
    event = told.of(EventType.CONFIRMED)[0]
    assert (event.txid, event.data.settled_sat) == ("t1", 700)


def test_with_no_confirmation_required_the_mempool_is_enough() -> None:
    told = Told(terms(confirmations_required=0))
    assert told(view(mempool("t1"))) == ["detected", "confirmed"]
    assert told(view(mined("t1", 1000))) == ["confirming"]
    assert told(view(mined("t1", 1000), tip=1005)) == []


def test_a_double_spend_after_zero_confirmations_reverses() -> None:
    told = Told(terms(confirmations_required=0))
    told(view(mempool("t1")))
    assert told(view()) == ["replaced", "reversed"]
    assert told.status() is Status.PENDING


# -- what is not looked at ---------------------------------------------------------


def test_outputs_mined_well_before_the_payment_pay_something_else() -> None:
    told = Told()
    assert told(view(mined("t1", 990, time_s=T0 // 1000 - 7_201))) == []
    assert told(view(mined("t1", 990, time_s=T0 // 1000 - 7_200))) != []


def test_outputs_that_an_earlier_payment_counted_are_ignored() -> None:
    told = Told(terms(ignore=(("t1", 0),)))
    assert told(view(mempool("t1"), mempool("t1", 50_000, vout=1))) == ["detected"]
    assert told.payment.receipts[0].vout == 1


def test_dust_spam_is_followed_up_to_a_bound_and_told_once() -> None:
    told = Told(terms(amount_sat=2_000_000))
    dust = [mempool(f"t{n}", 600) for n in range(MAX_RECEIPTS + 5)]
    assert len(told(view(*dust))) == MAX_RECEIPTS + 1
    assert len(told.payment.receipts) == MAX_RECEIPTS
    assert told(view(*dust)) == []


# -- losses --------------------------------------------------------------------------


def test_a_receipt_that_left_the_mempool_is_replaced() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told(view(mempool("t2"))) == ["replaced", "detected"]
    assert told.status() is Status.CONFIRMING
    assert told.payment.received_sat == 50_000
    assert told(view()) == ["replaced"]
    assert told.status() is Status.PENDING
    assert told.payment.flags == (Flag.REPLACED,)


def test_what_comes_back_to_the_mempool_is_detected_again() -> None:
    told = Told()
    told(view(mempool("t1")))
    told(view())
    assert told(view(mempool("t1"))) == ["detected"]


def test_one_of_two_receipts_replaced_leaves_the_other() -> None:
    told = Told()
    told(view(mempool("t1", 20_000), mempool("t2", 30_000)))
    assert told(view(mempool("t1", 20_000))) == ["replaced"]
    assert told.status() is Status.CONFIRMING
    assert Flag.UNDERPAID in told.payment.flags


def test_an_incomplete_view_takes_nothing_away() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told(view(complete=False)) == []


def test_another_source_may_say_gone_only_when_it_had_time_to_hear_of_it() -> None:
    told = Told()
    told(view(mempool("t1")))
    other = view(source="other")
    assert told(other, after_ms=ABSENCE_GRACE_MS - 1) == []
    assert told(other, after_ms=1) == ["replaced"]


def test_a_mined_receipt_that_is_merely_not_listed_stays() -> None:
    told = Told()
    told(view(mined("t1", 1000)))
    for source in ("node", "other"):
        assert told(view(source=source, tip=1005), after_ms=HOUR_MS) == []
    assert told.payment.confirmations == 1


def test_a_lagging_source_neither_lowers_nor_repeats_a_depth() -> None:
    told = Told()
    told(view(mined("t1", 1000), tip=1001))
    assert told(view(mined("t1", 1000), tip=1000, source="other")) == []
    assert told.payment.confirmations == 2
    assert told(view(mined("t1", 1000), tip=1001)) == []


def test_depth_recorded_is_no_reason_to_confirm_by_a_view_that_lags() -> None:
    told = Told()
    told(view(mined("t1", 998, 25_000)))
    halves = (mined("t1", 998, 25_000), mined("t2", 997, 25_000))
    told(view(*halves, tip=999))
    assert [r.confirmations for r in told.payment.receipts] == [3, 3]
    assert told.status() is Status.CONFIRMING
    assert told(view(*halves, tip=1000)) == ["confirmed"]


def test_a_reorg_before_confirmed_sends_the_receipt_back_to_the_mempool() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    assert told(view(mempool("t1"), off_chain=(block(999),))) == ["reorged"]
    assert told.payment.confirmations == 0
    assert told.payment.flags == (Flag.REORGED,)
    assert told.payment.received_sat == 50_000


def test_a_reorg_that_only_moves_the_receipt_goes_on_in_the_other_block() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    moved = mined("t1", 1000, branch="b")
    off = (block(999),)
    assert told(view(moved, tip=1001, off_chain=off)) == ["reorged", "confirming"]
    assert told.receipt("t1").block_hash == block(1000, "b")
    assert told.payment.confirmations == 2


def test_a_reorg_that_drops_the_receipt_is_told_as_both() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    assert told(view(off_chain=(block(999),))) == ["reorged", "replaced"]
    assert told.status() is Status.PENDING


def test_the_same_source_naming_another_block_has_reorganised() -> None:
    """It may not know the lost block any more; two blocks cannot both hold it."""
    told = Told()
    told(view(mined("t1", 999)))
    moved = view(mined("t1", 1000, branch="b"), tip=1000)
    assert told(moved) == ["reorged", "confirming"]
    deeper = view(mined("t1", 1000, branch="b"), tip=1002)
    assert told(deeper) == ["confirming", "confirmed"]


def test_another_source_moves_a_receipt_only_with_more_depth_to_show() -> None:
    told = Told()
    told(view(mined("t1", 999)))
    elsewhere = mined("t1", 999, branch="b")
    assert told(view(elsewhere, tip=1000, source="other")) == []
    assert told(view(elsewhere, tip=1001, source="other"))[0] == "reorged"
    assert told.status() is Status.CONFIRMED


def test_a_reorg_after_confirmed_reverses_and_may_confirm_again() -> None:
    told = confirmed()
    off = (block(998),)
    assert told(view(mempool("t1"), off_chain=off)) == ["reorged", "reversed"]
    assert told.last.data.settled_sat == 50_000
    assert told.status() is Status.CONFIRMING
    assert told.payment.confirmed_at is None
    again = view(mined("t1", 1001, branch="b"), tip=1003)
    assert told(again) == ["confirming", "confirmed"]
    assert told.payment.settled_sat == 50_000


def test_a_reorg_after_confirmed_to_a_block_as_deep_reverses_nothing() -> None:
    told = confirmed()
    moved = view(mined("t1", 997, branch="b"), off_chain=(block(998),))
    assert told(moved) == ["reorged", "confirming"]
    assert told.status() is Status.CONFIRMED


def test_a_confirmed_payment_whose_transaction_is_dropped_is_pending_again() -> None:
    told = confirmed()
    dropped = view(off_chain=(block(998),))
    assert told(dropped) == ["reorged", "replaced", "reversed"]
    assert told.status() is Status.PENDING
    assert told.payment.received_sat == 0


def test_losing_what_was_not_needed_reverses_nothing() -> None:
    told = confirmed()
    told(view(mined("t1", 998), mempool("t2", 10)))
    assert told(view(mined("t1", 998))) == ["replaced"]
    assert told.status() is Status.CONFIRMED


def test_of_any_amount_what_is_left_is_confirmed_anew() -> None:
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 998, 700), mined("t2", 998, 900, branch="a")))
    assert told.payment.settled_sat == 1_600
    left = view(mined("t1", 998, 700), mempool("t2", 900), off_chain=())
    assert told(left) == []
    told = Told(terms(amount_sat=None))
    told(view(mined("t1", 997, 700), mined("t2", 998, 900)))
    lost = view(mined("t1", 997, 700), mempool("t2", 900), off_chain=(block(998),))
    assert told(lost) == ["reorged", "reversed", "confirmed"]
    assert told.payment.settled_sat == 700


# -- deadlines -------------------------------------------------------------------------


def test_an_unpaid_payment_expires_only_by_an_answer_from_after_the_deadline() -> None:
    told = Told()
    told.now = EXPIRY + 10
    assert told.review(EXPIRY - 1) == []
    assert told.review(EXPIRY) == ["expired"]
    assert told.status() is Status.EXPIRED


def test_a_payment_in_full_does_not_expire() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert told.review(EXPIRY) == []


def test_too_little_by_the_deadline_expires_with_what_was_received() -> None:
    told = Told()
    told(view(mempool("t1", 20_000)))
    assert told.review(EXPIRY) == ["expired"]
    assert told.payment.received_sat == 20_000
    assert told(view(mined("t1", 1000, 20_000))) == ["confirming"]
    assert told.status() is Status.EXPIRED


def test_a_late_payment_in_full_goes_on_to_be_confirmed() -> None:
    told = expired()
    assert told(view(mempool("t1"))) == ["detected", "late"]
    assert told.status() is Status.CONFIRMING
    assert told(view(mined("t1", 998))) == ["confirming", "confirmed"]
    assert told.payment.flags == (Flag.LATE,)


def test_a_late_payment_in_part_stays_expired_until_the_rest_comes() -> None:
    told = expired()
    part = mempool("t1", 20_000)
    assert told(view(part)) == ["detected", "late", "underpaid"]
    assert told.status() is Status.EXPIRED
    assert told(view(part, mempool("t2", 30_000))) == ["detected", "late"]
    assert told.status() is Status.CONFIRMING


def test_a_late_payment_that_vanishes_expires_once_more() -> None:
    told = expired()
    told(view(mempool("t1")))
    told(view())
    assert told.status() is Status.PENDING
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY + 1) == ["expired"]


def test_the_watch_ends_when_nobody_waits_any_more() -> None:
    end = T0 + 24 * HOUR_MS
    assert next_deadline(Told().payment) == EXPIRY
    assert next_deadline(expired().payment) == end
    assert not is_settled(expired().payment, end - 1)
    assert is_settled(expired().payment, end)
    assert is_settled(confirmed().payment, end)


def test_money_on_its_way_is_watched_beyond_the_end() -> None:
    told = Told()
    told(view(mempool("t1")))
    assert not is_settled(told.payment, T0 + 1_000 * HOUR_MS)


# -- people ------------------------------------------------------------------------


def test_an_unpaid_payment_can_be_cancelled_once() -> None:
    for told in (Told(), expired()):
        assert told(Cancel("ann")) == ["cancelled"]
        assert told.last.data.by == "ann"


def test_money_that_comes_after_the_cancellation_is_late_and_leaves_it() -> None:
    told = Told()
    told(Cancel("ann"))
    assert told(view(mined("t1", 998))) == ["detected", "late", "confirming"]
    assert told.status() is Status.CANCELLED
    assert told.payment.received_sat == 50_000


@pytest.mark.parametrize("seen", [mempool("t1", 1), mined("t1", 990)])
def test_a_payment_that_received_money_cannot_be_cancelled(seen: object) -> None:
    told = Told()
    told(ChainView("node", view().tip, (seen,)))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="sat received cannot be cancelled"):
        told(Cancel("ann"))


def test_a_person_may_confirm_in_every_state_that_is_not_confirmed() -> None:
    cancelled, paid_in_part = Told(), Told()
    cancelled(Cancel("ann"))
    paid_in_part(view(mempool("t1", 20_000)))
    for told in (Told(), expired(), cancelled, paid_in_part):
        assert told(ConfirmByHand("ann")) == ["confirmed"]
        assert told.payment.settled_sat == 0
    assert confirmed()(ConfirmByHand("ann")) == []


def test_what_a_person_confirmed_no_reorg_reverses() -> None:
    told = Told()
    told(view(mined("t1", 1000)))
    told(ConfirmByHand("ann"))
    dropped = view(off_chain=(block(1000),))
    assert told(dropped) == ["reorged", "replaced"]
    assert told.status() is Status.CONFIRMED


# -- claims ------------------------------------------------------------------------


def claim(txid: str | None = "t1", amount: int | None = 50_000) -> ProviderClaim:
    return ProviderClaim("blockonomics", txid, amount)


def test_a_claim_is_told_at_once_and_counts_for_nothing() -> None:
    told = Told()
    assert told(claim()) == ["detected"]
    assert (told.last.data.verified, told.last.txid) == (False, "t1")
    assert told.payment.received_sat == 0
    assert told.status() is Status.PENDING


@pytest.mark.parametrize("named", ["t1", None])
def test_a_claim_that_the_chain_bears_out_was_its_one_detection(
    named: str | None,
) -> None:
    told = Told()
    told(claim(named))
    assert told(view(mempool("t1"))) == ["confirming"]
    assert told.last.data.verified is True
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


def test_each_of_two_claims_is_borne_out_by_its_own_transaction() -> None:
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


def test_claims_are_bounded_and_final_states_hear_none() -> None:
    told = Told()
    for number in range(MAX_CLAIMS):
        assert told(claim(f"t{number}")) == ["detected"]
    assert told(claim("one more")) == []
    cancelled = Told()
    cancelled(Cancel("ann"))
    assert cancelled(claim()) == []
