"""`payment.refunded`: told once for each refund, whatever the payment's status.

And what is told where another transaction paid it after all.
"""

import pytest

from engine.errors import Refused
from engine.money.ledger import FEES, ONCHAIN, REFUNDS, SAT, Posting
from engine.payment.booking import postings_of
from engine.payment.events import decode, encode
from engine.payment.fold import evolve
from engine.payment.model import EventType, GivenBack, Payment, Status
from engine.payment.observations import PaidOtherwise, RefundPaid
from engine.payment.rules import decide, follow
from engine.payment.search import new_txid
from tests.unit.payment_cases import T0, terms

TOLD = RefundPaid(refund=GivenBack(id="ref_1", amount_sat=700, txid="ab" * 32))


@pytest.mark.parametrize("status", Status)
def test_a_refund_is_told_once_and_moves_no_status(status: Status) -> None:
    payment = Payment(terms(), status=status)
    (event,) = decide(payment, TOLD, T0)
    assert event.type is EventType.REFUNDED
    after = evolve(payment, event)
    assert (after.status, after.refunded_sat, after.refunds) == (
        status,
        700,
        ("ref_1",),
    )
    assert decide(after, TOLD, T0) == []


def test_parts_add_up() -> None:
    more = RefundPaid(refund=GivenBack(id="ref_2", amount_sat=300), by="api")
    payment = follow(Payment(terms()), TOLD, T0).payment
    after = follow(payment, more, T0).payment
    assert (after.refunded_sat, after.refunds) == (1_000, ("ref_1", "ref_2"))


def test_who_knows_only_the_address_does_not_learn_where_it_went() -> None:
    payment = Payment(terms())
    (event,) = decide(payment, TOLD, T0)
    assert event.txid is None
    body = encode(event, payment.terms)
    assert decode(body) == event


# -- by another transaction ------------------------------------------------------------


def otherwise(before: str, after: str, less_sat: int) -> PaidOtherwise:
    refund = GivenBack(
        id="ref_1",
        amount_sat=-less_sat,
        fee_sat=less_sat,
        txid=after * 32,
        is_ours=True,
    )
    return PaidOtherwise(before=before * 32, refund=refund)


@pytest.mark.parametrize("status", Status)
def test_another_transaction_is_told_once_with_what_is_different(
    status: Status,
) -> None:
    payment = follow(Payment(terms(), status=status), TOLD, T0).payment
    word = otherwise("ab", "cd", 30)
    (event,) = decide(payment, word, T0)
    assert (event.type, event.txid) == (EventType.UPDATED, None)
    after = evolve(payment, event)
    assert (after.status, after.refunded_sat, after.refunds) == (
        status,
        670,
        ("ref_1",),
    )
    assert after.updates == payment.updates, "nobody changed what was agreed"
    assert decide(after, word, T0) == []
    assert decode(encode(event, payment.terms)) == event
    assert new_txid(event, payment.terms) == "cd" * 32
    assert postings_of(event, payment.terms) == (
        Posting(SAT, REFUNDS, ONCHAIN, 30),
        Posting(SAT, ONCHAIN, FEES, 30),
    )


def test_the_first_one_may_be_mined_after_all_and_the_other_again() -> None:
    payment = follow(Payment(terms()), TOLD, T0).payment
    for before, after, less in (("ab", "cd", 30), ("cd", "ab", -30), ("ab", "cd", 30)):
        payment = follow(payment, otherwise(before, after, less), T0).payment
    assert payment.refunded_sat == 670


def test_a_difference_from_what_is_not_told_any_more_is_refused() -> None:
    payment = follow(Payment(terms()), TOLD, T0).payment
    payment = follow(payment, otherwise("ab", "cd", 30), T0).payment
    with pytest.raises(Refused):
        decide(payment, otherwise("ab", "ef", 50), T0)


def test_of_a_refund_that_was_not_told_there_is_no_other_transaction() -> None:
    with pytest.raises(Refused):
        decide(Payment(terms()), otherwise("ab", "cd", 30), T0)
