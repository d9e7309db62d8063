"""What of a payment a till sends on, how the payment is told, and what is booked."""

import pytest

from engine.lightning.till import TillState
from engine.money.ledger import FEES, OWN, SALES, SAT, balances
from engine.payment.booking import postings_of
from engine.payment.lightning_terms import Invoice, lightning_key
from engine.payment.model import EventType, Status
from engine.payment.observations import ConfirmByHand, Forward, InvoicePaid
from engine.payment.till_rules import came_of, concerns_till, part_of
from tests.unit.engine.lightning.till_cases import NOW, forward, invoiced
from tests.unit.payment_cases import EXPIRY, Told, mined, terms, view

HASH = "cd" * 32
S = TillState


def order(**changes: object) -> Told:
    """A payment of 5,000 sat whose invoice is a till's."""
    invoice = Invoice(
        node="till", payment_hash=HASH, bolt11="ln", expires_at=EXPIRY, is_till=True
    )
    base: dict[str, object] = {
        "method": "lightning",
        "address": lightning_key(HASH),
        "amount_sat": 5_000,
        "lightning": invoice,
    }
    return Told(terms(**(base | changes)))


def paid(sat: int = 5_000, **more: int) -> InvoicePaid:
    return InvoicePaid(
        node="till", payment_hash=HASH, received_msat=sat * 1_000, **more
    )


def concerned(told: Told) -> list[EventType]:
    return [event.type for event in told.events if concerns_till(event)]


def test_what_is_confirmed_concerns_its_till() -> None:
    told = order()
    told(paid())
    assert concerned(told) == [EventType.CONFIRMED]
    assert came_of(told.payment) == (5_000, 0)


def test_too_little_is_not_sent_on_until_a_hand_confirms_it() -> None:
    told = order()
    told(paid(4_000))
    assert concerned(told) == []
    assert came_of(told.payment) is None
    told(ConfirmByHand("me"))
    assert concerned(told) == [EventType.CONFIRMED]
    assert came_of(told.payment) == (4_000, 0)


def test_what_comes_by_lightning_after_the_chain_paid_concerns_the_till() -> None:
    told = order(method="onchain", address=terms().address)
    told(view(mined("t1", 900, 5_000)))
    assert told.status() is Status.CONFIRMED
    assert came_of(told.payment) is None, "coins are not a till's"
    told(paid())
    assert concerned(told) == [EventType.CONFIRMED, EventType.DETECTED]
    assert came_of(told.payment) == (5_000, 0)


def test_a_receipt_of_the_chain_concerns_no_till() -> None:
    told = order(method="onchain", address=terms().address)
    told(paid())
    told(view(mined("t1", 900, 5_000)))
    assert len(told.of(EventType.DETECTED)) == 2
    assert concerned(told) == [EventType.CONFIRMED]
    assert came_of(told.payment) == (5_000, 0)


def test_fee_and_credit_are_not_sent_on() -> None:
    told = order()
    told(paid(fee_msat=1_001, credit_msat=500_000))
    assert came_of(told.payment) == (4_498, 500)


# -- how the payment is told -----------------------------------------------------------


def test_a_forward_is_on_its_way_and_then_arrives_with_its_fee() -> None:
    told = order()
    told(paid())
    one = invoiced()
    assert told(Forward(part_of(one))) == ["forwarding"]
    assert told.last.data.forwarding_tx_hash == "ab" * 32
    assert told(Forward(part_of(invoiced(S.PAYING)))) == [], "nothing new for a client"
    arrived = invoiced(S.PAID, amount_sat=4_990, fee_sat=7, moved_at=NOW + 9)
    assert told(Forward(part_of(arrived))) == ["forwarded"]
    assert told.status() is Status.FORWARDED
    data = told.last.data
    assert (data.swept_sat, data.swept_fee_sat) == (4_997, 7)
    assert told(Forward(part_of(arrived))) == []


def test_it_is_booked_from_the_tills_account() -> None:
    told = order()
    told(paid(fee_msat=100_000))
    arrived = invoiced(S.PAID, amount_sat=4_890, fee_sat=7)
    told(Forward(part_of(arrived)))
    postings = [p for e in told.events for p in postings_of(e, told.payment.terms)]
    assert balances(postings) == {
        (SAT, SALES): -5_000,
        (SAT, FEES): 107,
        (SAT, OWN): 4_890,
        (SAT, "lightning:till"): 3,
    }


def test_an_invoice_that_takes_the_place_of_one_is_told_again() -> None:
    told = order()
    told(paid())
    told(Forward(part_of(invoiced())))
    other = invoiced(payment_hash="ee" * 32, former=("ab" * 32,))
    assert told(Forward(part_of(other))) == ["forwarding"]
    assert told.payment.forward is not None
    assert len(told.payment.forward.parts) == 1


def test_a_forward_that_is_given_up_has_failed_and_the_payment_stays_paid() -> None:
    told = order()
    told(paid())
    told(Forward(part_of(invoiced())))
    over = forward(state=S.GIVEN_UP, former=("ab" * 32,), reason="by hand")
    part = part_of(over)
    assert (part.txid, part.amount_sat, part.failed) == ("ab" * 32, 5_000, "by hand")
    assert told(Forward(part)) == ["failed"]
    assert told.payment.counts_as_paid
    bare = forward(state=S.GIVEN_UP, former=("ab" * 32,))
    assert part_of(bare).failed == "given up"
    assert told(Forward(part_of(invoiced(former=("ab" * 32,))))) == ["forwarding"]
    assert told.status() is Status.CONFIRMED


@pytest.mark.parametrize("state", [S.INVOICED, S.PAYING, S.STUCK, S.WAITING])
def test_what_has_not_arrived_says_so(state: S) -> None:
    part = part_of(invoiced(state, reason="why"))
    assert (part.completed_at, part.failed, part.fee_sat) == (None, "", 0)
    assert (part.outgoing, part.till, part.at) == ("lnf_1", "till", NOW)


def test_a_payment_hears_of_no_forward_without_an_invoice() -> None:
    with pytest.raises(AssertionError):
        part_of(forward())
