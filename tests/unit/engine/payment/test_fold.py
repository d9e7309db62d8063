"""The fold by itself: an event follows its payment, or nothing changes."""

import pytest
from msgspec.structs import replace

from engine.errors import BrokenSequence, IllegalTransition
from engine.payment.events import opening
from engine.payment.fold import evolve
from engine.payment.model import EventType, Status
from engine.payment.rules import decide
from tests.unit.payment_cases import T0, Told, mempool, mined, terms, view


def test_an_event_follows_the_one_before_it_of_its_own_payment() -> None:
    _, payment = opening(terms())
    (event,) = decide(payment, view(mempool("t1")), T0)
    assert (payment.seq, event.seq) == (1, 2)
    assert evolve(payment, event).seq == 2
    for wrong in (
        replace(event, seq=1),
        replace(event, seq=3),
        replace(event, payment_id="another"),
    ):
        with pytest.raises(BrokenSequence, match="cannot follow event 1 of pay_1"):
            evolve(payment, wrong)


def test_an_event_that_the_table_does_not_know_is_not_folded() -> None:
    _, payment = opening(terms())
    (event,) = decide(payment, view(mempool("t1")), T0)
    with pytest.raises(IllegalTransition):
        evolve(payment, replace(event, status=Status.FORWARDED))
    with pytest.raises(IllegalTransition):
        evolve(payment, replace(event, type=EventType.REVERSED))


def test_a_receipt_that_moved_keeps_its_place_among_the_others() -> None:
    told = Told()
    shown = [mempool(txid, 100) for txid in ("t1", "t2", "t3")]
    told(view(*shown))
    told(view(shown[0], mined("t2", 1000, 100), shown[2]))
    assert [r.txid for r in told.payment.receipts] == ["t1", "t2", "t3"]
    assert [r.confirmations for r in told.payment.receipts] == [0, 1, 0]
