"""`payment.refunded`: told once for each refund, whatever the payment's status."""

import pytest

from engine.payment.events import decode, encode
from engine.payment.fold import evolve
from engine.payment.model import EventType, GivenBack, Payment, Status
from engine.payment.observations import RefundPaid
from engine.payment.rules import decide, follow
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
