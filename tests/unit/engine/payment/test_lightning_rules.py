"""What comes by Lightning: final, once, beside whatever the chain shows."""

import pytest

from engine.errors import Refused
from engine.money.amount import MAX_SAT
from engine.payment.events import encode
from engine.payment.lightning_rules import expires_at
from engine.payment.model import EventType, Flag, Status
from engine.payment.notes import LeftOut
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
)
from engine.payment.rules import decide, follow, is_settled, next_deadline
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    INVOICE_HASH,
    T0,
    Told,
    alone,
    both,
    claim,
    gone,
    invoice,
    lightning_terms,
    mempool,
    terms,
    view,
)
from tests.unit.payment_cases import (
    settled as paid,
)

DAY_MS = 24 * HOUR_MS
HALF = 25_000


# -- Lightning alone -------------------------------------------------------------------


def test_a_settled_invoice_is_detected_and_confirmed_at_once() -> None:
    told = alone()
    assert told(paid()) == ["detected", "confirmed"]
    detected, confirmed = told.events[1:]
    assert detected.at == confirmed.at == T0
    assert (detected.status, confirmed.status) == (Status.CONFIRMING, Status.CONFIRMED)
    assert detected.txid == confirmed.txid == INVOICE_HASH
    assert detected.data.source == confirmed.data.source == "shop"
    assert detected.data.verified
    assert confirmed.data.settled_sat == 50_000
    assert confirmed.received_sat == 50_000
    assert told.payment.flags == ()
    assert told.payment.receipts[0].vout == 0
    assert told.payment.receipts[0].seen_at == T0


def test_the_same_invoice_again_changes_nothing_whatever_it_says() -> None:
    told = alone()
    told(paid())
    for again in (paid(), paid(49_000), paid(60_000, fee_msat=5)):
        assert told(again, after_ms=DAY_MS) == []


def test_an_invoice_has_no_transaction_to_look_up() -> None:
    told = both()
    told(paid(HALF))
    assert told.payment.tx_hash is None
    told(view(mempool("t1", HALF)))
    assert told.payment.tx_hash == "t1"


def test_gross_net_and_fee_stand_apart_in_the_event() -> None:
    told = alone()
    told(paid(50_000, fee_msat=1_200_001, credit_msat=3_000_001))
    receipt = told.events[1].data.receipt
    assert receipt is not None
    assert receipt.amount_sat == 50_000
    kept = receipt.settled
    assert receipt.is_lightning
    wire = encode(told.events[1], told.payment.terms)
    assert b'"settled":{"net_sat":45798,"fee_sat":1201,"credit_sat":3001}' in wire
    assert kept == told.payment.receipts[0].settled


@pytest.mark.parametrize(
    ("msat", "sat", "rest"),
    [(50_000_999, 50_000, 999), (50_001_000, 50_001, 0), (50_000_001, 50_000, 1)],
)
def test_a_part_of_a_satoshi_is_kept_and_in_no_sum(
    msat: int, sat: int, rest: int
) -> None:
    told = alone()
    told(paid(received_msat=msat))
    (receipt,) = told.payment.receipts
    assert (receipt.amount_sat, told.payment.received_sat) == (sat, sat)
    assert b'"msat":%d' % rest in encode(told.events[1], told.payment.terms) or not rest


def test_fee_and_credit_are_never_more_than_came() -> None:
    told = alone()
    told(paid(50_000, fee_msat=10**12, credit_msat=10**12))
    wire = encode(told.events[1], told.payment.terms)
    assert b'"settled":{"fee_sat":50000}' in wire


@pytest.mark.parametrize("msat", [0, -1, (MAX_SAT + 1) * 1000])
def test_a_sum_that_cannot_be_true_is_not_counted_and_noted(msat: int) -> None:
    payment = alone().payment
    built = follow(payment, paid(received_msat=msat), T0)
    assert built.events == []
    assert [note.why for note in built.notes] == [LeftOut.INVOICE]


def test_all_bitcoin_there_is_can_be_paid() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(MAX_SAT)) == ["detected", "confirmed"]


def test_another_invoice_or_a_payment_without_one_counts_nothing() -> None:
    for other in (paid(payment_hash="00" * 32), paid(node="another")):
        for told in (alone(), both(), Told(terms())):
            built = follow(told.payment, other, T0)
            assert built.events == []
            assert [note.why for note in built.notes] == [LeftOut.INVOICE]


def test_any_amount_is_enough_where_any_was_asked() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(1)) == ["detected", "confirmed"]
    assert told.last.data.settled_sat == 1


def test_less_than_a_satoshi_is_received_and_too_little() -> None:
    told = alone(amount_sat=None, lightning=invoice(amount_msat=None))
    assert told(paid(received_msat=1)) == ["detected"]
    assert told.payment.flags == (Flag.UNDERPAID,)
    assert told.review(EXPIRY) == ["expired"]


def test_too_much_is_told_and_confirmed() -> None:
    told = alone()
    assert told(paid(60_000)) == ["detected", "overpaid", "confirmed"]
    assert told.events[2].data.excess_sat == 10_000
    assert told.payment.flags == (Flag.OVERPAID,)


def test_too_little_is_told_and_over_at_the_deadline() -> None:
    """Its invoice is settled: nothing can come any more, and no node need say so."""
    told = alone()
    assert told(paid(49_999)) == ["detected", "underpaid"]
    assert told.events[2].data.short_sat == 1
    assert told.status() is Status.CONFIRMING
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY) == ["expired"]


def test_a_tolerance_counts_as_on_the_chain() -> None:
    assert alone(tolerance_sat=1)(paid(49_999)) == ["detected", "confirmed"]


def test_confirmations_shown_are_those_required() -> None:
    """Nobody waits for more; a page that draws `2 of 3` draws all of them."""
    for required in (0, 1, 3):
        told = both(confirmations_required=required)
        told(paid())
        assert told.last.confirmations == told.payment.confirmations == required


# -- over unpaid -----------------------------------------------------------------------


def test_nothing_expires_before_its_node_was_asked_after_the_expiry() -> None:
    told = alone()
    assert next_deadline(told.payment) == EXPIRY
    assert told.review(EXPIRY + DAY_MS) == []
    assert told(gone(EXPIRY - 1)) == []
    assert told(gone(EXPIRY)) == ["expired"]
    assert told.status() is Status.EXPIRED


def test_the_invoice_s_own_expiry_counts_where_it_is_later() -> None:
    told = alone(lightning=invoice(expires_at=EXPIRY + 90_000))
    assert next_deadline(told.payment) == expires_at(told.payment) == EXPIRY + 90_000
    assert told(gone(EXPIRY + 89_999)) == []
    assert told(gone(EXPIRY + 90_000)) == ["expired"]


def test_the_payment_s_own_expiry_counts_where_that_is_later() -> None:
    told = alone(lightning=invoice(expires_at=EXPIRY - 90_000))
    assert told(gone(EXPIRY - 1)) == []
    assert told(gone(EXPIRY)) == ["expired"]


def test_the_word_on_another_invoice_expires_nothing() -> None:
    other = gone(EXPIRY)
    told = Told(lightning_terms(lightning=invoice(payment_hash="00" * 32)))
    assert told(other) == []


def test_a_word_that_nothing_came_never_takes_back_what_came() -> None:
    told = alone()
    told(paid())
    assert told(gone(EXPIRY + DAY_MS)) == []
    assert told.review(EXPIRY + DAY_MS, EXPIRY + DAY_MS) == []
    assert told.status() is Status.CONFIRMED


@pytest.mark.parametrize("sat", [50_000, 49_999])
def test_after_the_expiry_it_is_late(sat: int) -> None:
    told = alone()
    told(gone(EXPIRY))
    rest = ["confirmed"] if sat == 50_000 else ["underpaid"]
    assert told(paid(sat), after_ms=2 * HOUR_MS) == ["detected", "late", *rest]
    assert Flag.LATE in told.payment.flags
    late = told.of(EventType.LATE)[0]
    assert (late.txid, late.data.receipt) == (INVOICE_HASH, told.payment.receipts[0])
    after = Status.CONFIRMED if sat == 50_000 else Status.EXPIRED
    assert told.status() is after


def test_after_cancelling_it_is_late_and_stays_cancelled() -> None:
    told = alone()
    told(Cancel("api"))
    assert told(paid()) == ["detected", "late"]
    assert told.status() is Status.CANCELLED
    assert told(ConfirmByHand("ann")) == ["confirmed"]


def test_what_came_in_cannot_be_cancelled() -> None:
    told = alone()
    told(paid(1))
    with pytest.raises(Refused):
        decide(told.payment, Cancel("api"), T0)


def test_after_a_hand_confirmed_it_money_is_told_and_nothing_else() -> None:
    told = alone()
    told(ConfirmByHand("ann"))
    assert told(paid()) == ["detected"]


def test_who_waits_is_not_let_go() -> None:
    told = alone()
    end = told.payment.terms.monitor_until
    assert not is_settled(told.payment, end)
    told(gone(EXPIRY))
    assert is_settled(told.payment, end)
    assert not is_settled(told.payment, end - 1)


def test_a_claim_of_a_transaction_does_not_concern_it() -> None:
    assert alone()(claim()) == []
    assert both()(claim()) == ["detected"]
