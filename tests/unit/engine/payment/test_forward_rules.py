"""The forwarder's word about a payment's money: what is told, and what it comes to."""

from engine.payment.events import Event
from engine.payment.forwarding import ForwardPart
from engine.payment.model import EventType, Payment, Status
from engine.payment.observations import ConfirmByHand, Forward
from tests.unit.payment_cases import (
    T0,
    Told,
    confirmed,
    mined,
    terms,
    view,
)

TIP = 1_000


def part(outgoing: str = "out_1", **changes: object) -> ForwardPart:
    base: dict[str, object] = {
        "outgoing": outgoing,
        "txid": outgoing[-1] * 64,
        "amount_sat": 50_000,
        "fee_sat": 300,
        "at": T0,
    }
    return ForwardPart(**(base | changes))  # type: ignore[arg-type]


def arrived(outgoing: str = "out_1", **changes: object) -> ForwardPart:
    return part(outgoing, completed_at=T0 + 5, **changes)


def say(told: Told, what: ForwardPart) -> list[str]:
    return told(Forward(what))


def one(told: Told, what: ForwardPart) -> Event:
    """The one event that is told of it."""
    assert len(say(told, what)) == 1
    return told.last


def test_money_is_forwarded_when_its_transaction_has_arrived() -> None:
    told = confirmed()
    assert say(told, part()) == ["forwarding"]
    assert told.payment.status is Status.CONFIRMED
    event = one(told, arrived())
    assert (event.type, event.status) == (EventType.FORWARDED, Status.FORWARDED)
    assert event.data.forwarding_tx_hash == "1" * 64
    assert event.data.completed_at == "2025-10-09T08:53:20.005Z"
    assert (event.data.swept_sat, event.data.swept_fee_sat) == (50_000, 300)


def test_a_word_that_is_said_again_tells_nothing_whenever_it_was_said() -> None:
    told = confirmed()
    for what in (part(), arrived()):
        assert say(told, what)
        assert say(told, part(at=T0 + 9, completed_at=what.completed_at)) == []


def test_a_bump_takes_the_place_of_what_it_bumps() -> None:
    told = confirmed()
    say(told, part())
    assert say(told, part("out_2", fee_sat=900, instead_of="out_1")) == ["forwarding"]
    event = one(told, arrived("out_2", fee_sat=900, instead_of="out_1"))
    assert (event.data.swept_sat, event.data.swept_fee_sat) == (50_000, 900)
    assert told.payment.forward is not None
    assert [p.outgoing for p in told.payment.forward.parts] == ["out_2"]


def test_more_money_is_a_part_of_its_own_and_each_counts_once() -> None:
    told = confirmed()
    say(told, part())
    say(told, arrived())
    say(told, part("out_2", amount_sat=700, fee_sat=100))
    assert told.payment.status is Status.CONFIRMED
    event = one(told, arrived("out_2", amount_sat=700, fee_sat=100))
    assert (event.status, event.data.swept_sat) == (Status.FORWARDED, 700)
    assert told.payment.forward is not None
    assert told.payment.forward.arrived_sat == (50_700, 400)


def test_what_had_arrived_and_lost_its_block_is_taken_back_from_the_sums() -> None:
    told = confirmed()
    say(told, arrived())
    event = one(told, part())
    assert (event.type, event.status) == (EventType.FORWARDING, Status.CONFIRMED)
    assert (event.data.swept_sat, event.data.swept_fee_sat) == (-50_000, -300)
    event = one(told, arrived())
    assert (event.status, event.data.swept_sat) == (Status.FORWARDED, 50_000)


def test_a_forward_that_failed_leaves_the_payment_confirmed() -> None:
    told = confirmed()
    say(told, part())
    event = one(told, part(failed="its coin was spent by another"))
    assert (event.type, event.status) == (EventType.FAILED, Status.FAILED)
    assert event.data.reason == "its coin was spent by another"
    assert told.payment.counts_as_paid
    assert told(ConfirmByHand("somebody")) == []


def test_a_forward_that_failed_may_be_tried_again() -> None:
    told = confirmed()
    say(told, part())
    say(told, part(failed="no"))
    assert say(told, part("out_2", instead_of="out_1")) == ["forwarding"]
    assert told.payment.status is Status.CONFIRMED
    assert one(told, arrived("out_2")).status is Status.FORWARDED


def test_a_payment_whose_forward_failed_is_watched_for_reorganisations() -> None:
    told = confirmed()
    say(told, part())
    say(told, part(failed="no"))
    lost = told.payment.receipts[0]
    assert lost.block_hash is not None
    again = mined(lost.txid, TIP, branch="b")
    assert "reversed" in told(view(again, tip=TIP, off_chain=(lost.block_hash,)))
    assert told.payment.status is Status.CONFIRMING
    assert not told.payment.counts_as_paid


def test_of_a_payment_that_was_reversed_the_status_is_not_the_forwarders() -> None:
    told = confirmed()
    say(told, arrived())
    lost = told.payment.receipts[0]
    assert lost.block_hash is not None
    told(view(tip=TIP, off_chain=(lost.block_hash,)))
    before = told.payment.status
    assert before in {Status.CONFIRMING, Status.PENDING}
    assert say(told, part()) == ["forwarding"]
    assert say(told, part(failed="its coin is gone")) == []
    assert told.payment.status is before


def test_a_payment_that_is_confirmed_again_is_forwarded_as_before() -> None:
    """Nothing is added to the sums a second time."""
    told = confirmed()
    say(told, arrived())
    lost = told.payment.receipts[0]
    assert lost.block_hash is not None
    assert lost.block_height is not None
    again = mined(lost.txid, lost.block_height, branch="b")
    told(view(again, tip=lost.block_height, off_chain=(lost.block_hash,)))
    told(view(again, tip=lost.block_height + 5))
    assert told.payment.status is Status.CONFIRMED
    event = one(told, arrived())
    assert (event.type, event.status) == (EventType.FORWARDED, Status.FORWARDED)
    assert event.data.swept_sat is None


def test_nothing_fails_of_which_nobody_was_told() -> None:
    assert say(confirmed(), part(failed="its destination refuses it")) == []


def test_a_payment_without_a_forward_keeps_no_room_for_one() -> None:
    assert Payment(terms=terms()).forward is None
