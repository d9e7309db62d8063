"""Deadlines, late money, people's commands, and an address that is released."""

import pytest

from engine.chain.feed import ChainView
from engine.errors import Refused
from engine.payment.model import (
    EventType,
    Flag,
    Status,
)
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    ReleasedByHand,
)
from engine.payment.rules import is_settled, next_deadline
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    T0,
    Told,
    block,
    claim,
    confirmed,
    expired,
    mempool,
    mined,
    view,
)

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


# -- an address that is released ------------------------------------------------------

LET_GO = ReleasedByHand("operator")


def test_a_payment_whose_address_is_released_is_cancelled_with_the_reason() -> None:
    told = Told()
    assert told(LET_GO) == ["cancelled"]
    said = told.last.data
    assert (said.by, said.reason) == ("operator", "the operator released its address")
    assert told(LET_GO) == []
    late = expired()
    assert late(LET_GO) == ["cancelled"]


def test_neither_claims_nor_dust_hold_an_address_that_is_released() -> None:
    """Whoever squats an address could send himself both."""
    told = Told()
    told(claim("t1"))
    told(view(mempool("t2", 600)))
    assert told(LET_GO) == ["replaced", "expired", "cancelled"]
    (withdrawn,) = told.of(EventType.REPLACED)
    assert withdrawn.data.reason == "the operator released its address"
    assert (withdrawn.txid, told.payment.claims) == ("t1", ())
    assert told.payment.received_sat == 600, "it stays known, and pays no other order"


def test_money_in_full_that_is_on_its_way_keeps_its_address_until_it_is_settled() -> (
    None
):
    told = Told()
    told(view(mempool("t1")))
    with pytest.raises(Refused, match=r"50000 sat are on their way.*or by hand"):
        told(LET_GO)
    told(ConfirmByHand("ann"))
    assert told(LET_GO) == []
    assert confirmed()(LET_GO) == []
