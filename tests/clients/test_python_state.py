"""`PaymentState`: no order of arrival and no repetition lets an old event win."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paybell_client import PaymentState
from tests.clients.events import event

EPOCHS = ("aaaaaaaa", "zzzzzzzz", "mmmmmmmm", "")
STATUSES = ("pending", "confirming", "confirmed", "forwarded", "failed", "expired")


@st.composite
def lives(draw: st.DrawFn) -> list[dict[str, Any]]:
    """All that was ever told of one payment, the newest last: a story, cut back by each
    restore to what the backup held, and gone on with in an epoch of its own."""
    told: list[dict[str, Any]] = []
    at, kept = 0, 0
    names = draw(st.permutations(EPOCHS))
    for epoch in names[: draw(st.integers(1, 4))]:
        for seq in range(kept + 1, kept + 1 + draw(st.integers(1, 5))):
            at += draw(st.integers(0, 2)) if seq > kept + 1 else 1
            said = event(
                seq, epoch=epoch, at=at, status=draw(st.sampled_from(STATUSES))
            )
            told.append(said)
        kept = draw(st.integers(0, told[-1]["seq"]))
    return told


@given(lives(), st.data())
def test_whatever_the_order_of_arrival_the_newest_event_is_the_state(
    told: list[dict[str, Any]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=5))
    state = PaymentState()
    best = -1
    for said in data.draw(st.permutations([*told, *again])):
        news = state.apply(said)
        assert news == (told.index(said) > best), "told of what is old, or not of news"
        best = max(best, told.index(said))
        assert state.event is not None
        assert state.event["id"] == told[best]["id"], "an old event undid a later one"
        state = PaymentState.load(state.dump())  # as a shop keeps it
    assert (state.status, state.seq) == (told[-1]["status"], told[-1]["seq"])


def test_after_a_restore_a_smaller_seq_is_the_newer_one() -> None:
    lost = event(9, epoch="aaaaaaaa", at=1_000, status="confirmed")
    anew = event(5, epoch="bbbbbbbb", at=2_000, status="pending")
    for order in ([lost, anew], [anew, lost]):
        assert PaymentState.of(order).status == "pending"


@pytest.mark.parametrize(
    ("status", "flags", "received", "paid", "ship"),
    [
        ("pending", [], 0, False, False),
        ("confirming", [], 5_000, False, False),
        ("confirmed", [], 5_000, True, True),
        ("confirmed", [], 0, True, True),  # by hand
        ("confirmed", ["overpaid"], 6_000, True, True),
        ("confirmed", ["late"], 5_000, True, False),
        ("forwarded", [], 5_000, True, True),
        ("failed", [], 5_000, True, True),  # only its forward failed
        ("failed", [], 1, True, True),
        ("failed", [], 0, False, False),  # a card that was declined
        ("expired", ["underpaid"], 10, False, False),
        ("cancelled", ["late"], 5_000, False, False),
    ],
)
def test_what_may_be_shipped(
    status: str, flags: list[str], received: int, paid: bool, ship: bool
) -> None:
    said = event(2, status=status, flags=flags, received_sat=received)
    state = PaymentState.of([said])
    assert (state.is_paid, state.may_ship) == (paid, ship)


def test_a_reversed_payment_may_not_be_shipped_though_confirmed_comes_again() -> None:
    confirmed = event(3, type="payment.confirmed", status="confirmed")
    reversed_ = event(4, type="payment.reversed", status="confirming")
    state = PaymentState.of([confirmed, reversed_])
    assert not state.apply(confirmed)
    assert not state.may_ship


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "evt_x_1"},
        {"id": "alert_1"},
        {"seq": 0},
        {"seq": True},
        {"seq": "3"},
        {"at": "yesterday"},
        {"status": None},
        {"flags": "late"},
        {"received_sat": 1.5},
        {"payment_id": "pay_2"},
    ],
)
def test_what_is_no_event_of_this_payment_changes_nothing(
    wrong: dict[str, Any],
) -> None:
    state = PaymentState.of([event(1)])
    kept = state.dump()
    with pytest.raises(ValueError):
        state.apply({**event(2), **wrong})
    assert state.dump() == kept


def test_of_any_number_of_epochs_a_few_are_kept() -> None:
    state = PaymentState()
    for number in range(40):
        assert state.apply(event(1, epoch=f"{number:08}", at=number))
    kept = [one["id"] for one in json.loads(state.dump())]
    assert kept == [event(1, epoch=f"{n:08}")["id"] for n in range(24, 40)]
    assert not state.apply(event(1, epoch="zzzzzzzz", at=3))


def test_before_the_first_event_nothing_is_known_of_it() -> None:
    state = PaymentState()
    said = (state.event, state.payment_id, state.status, state.flags, state.seq)
    assert said == (None, "", "pending", frozenset(), 0)
    assert (state.received_sat, state.is_paid, state.dump()) == (0, False, "[]")
    assert repr(state) == "PaymentState(-: pending, seq 0)"
    assert repr(PaymentState.of([event(3)])) == "PaymentState(pay_1: confirming, seq 3)"


@pytest.mark.parametrize("text", ['{"a": 1}', "7", '"[]"', "null", "true"])
def test_what_dump_did_not_write_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"not what dump\(\) wrote"):
        PaymentState.load(text)


def test_it_is_kept_without_spaces_so_that_two_clients_write_the_same() -> None:
    assert ", " not in PaymentState.of([event(1)]).dump()
