"""Whose saved cards a client is told of that follows no invoice: its user's own."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace

from engine.errors import StoreUnavailable
from engine.payment.events import Change, CommittedEvent, encode, opening
from engine.payment.model import EventType, SavedToken, Terms
from tests.tools.wait import wait_until
from tests.unit.transport.live.stage import FakeGateway, terms_of
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import Guest
from transport.live.payment_messages import PaymentMessage
from transport.live.saved_cards import SavedCards

Cards = list[tuple[int, str]]

ANN = Guest("default", is_known=True, user="ann")
THEIRS = {"customer": "ann", "salonId": "s1"}


def terms(number: int, merchant: str = "default", **metadata: Any) -> Terms:
    of = terms_of(f"pay_{number}", f"inv-{number}", merchant)
    return replace(of, metadata=metadata)


def saved(of: Terms, offset: int) -> CommittedEvent:
    opened, _ = opening(of)
    token = SavedToken(f"tok_{offset}", {"brand": "VISA", "last4": "4242"})
    data = Change(source="payable", token=token)
    fact = replace(opened, type=EventType.TOKEN_SAVED, seq=2, data=data)
    return CommittedEvent(offset, fact, of.merchant, encode(fact, of))


class Stage:
    """Saved cards, one after the other, and who is told of each."""

    def __init__(self, *cards: Terms) -> None:
        self.gateway = cast(Any, FakeGateway(*cards))
        self.listeners = CreationListeners(self.gateway)
        self.cards = SavedCards(self.gateway, self.listeners)

    def join(self, guest: Guest) -> tuple[Cards, Callable[[], None]]:
        heard: Cards = []

        def tell(offset: int, message: PaymentMessage) -> None:
            heard.append((offset, json.loads(message.body)["tokenId"]))

        return heard, self.cards.join(guest, tell)

    def save_all(self) -> None:
        """The card of each payment; and one more, which a guest of all is told last."""
        last, leave = self.join(Guest("last", is_known=True, user="last"))
        end = terms(99, "last", customer="last")
        self.gateway.payments.append(opening(end)[1])
        (session,) = [one for one in self.gateway.sessions if not one.closed]
        for offset, payment in enumerate(tuple(self.gateway.payments), 1):
            session.sink.event(saved(payment.terms, offset))
        wait_until(lambda: last, 10, "the last card")
        leave()


@pytest.mark.parametrize(
    ("guest", "told"),
    [
        (ANN, [1, 2]),
        (replace(ANN, salon="s1"), [1, 2]),
        (replace(ANN, salon="s2"), [2]),  # one that names no salon is of each
        (replace(ANN, user="bob"), [3]),
        (replace(ANN, user="7"), [6]),
        (replace(ANN, user="None"), []),
        (Guest("default", "s1", is_known=True), [1, 3, 4]),  # the salon itself
        (replace(ANN, merchant="cafe"), [5]),
        (Guest("default", "s1"), []),  # without a token of the site
        (Guest("default", user="ann"), []),
        (Guest("default", is_known=True), []),
    ],
)
def test_a_client_is_told_of_its_own_users_cards_only(
    guest: Guest, told: list[int]
) -> None:
    stage = Stage(
        terms(1, **THEIRS),
        terms(2, customer="ann"),
        terms(3, customer="bob", salonId="s1"),
        terms(4, salonId="s1"),
        terms(5, "cafe", customer="ann", salonId="s9"),
        terms(6, customer=7),
        terms(7, customer=None),
        terms(8),
    )
    heard, leave = stage.join(guest)
    stage.save_all()
    assert heard == [(offset, f"tok_{offset}") for offset in told]
    leave()
    assert len(stage.cards) == 0


def test_tabs_of_one_user_are_all_told_and_who_left_is_not() -> None:
    stage = Stage(terms(1, **THEIRS))
    (one, _), (other, leave_other), (left, leave) = (stage.join(ANN) for _ in range(3))
    leave()
    leave()  # twice costs nobody else anything
    assert len(stage.cards) == 2
    stage.save_all()
    assert (one, other, left) == ([(1, "tok_1")], [(1, "tok_1")], [])
    leave_other()
    assert len(stage.cards) == 1


def test_the_session_ends_with_the_last_client() -> None:
    stage = Stage()
    _, leave = stage.join(ANN)
    (session,) = stage.gateway.sessions
    leave()
    assert session.closed


def test_a_payment_that_cannot_be_read_costs_no_other_its_news() -> None:
    stage = Stage(terms(1, **THEIRS), terms(2, **THEIRS))
    heard, _ = stage.join(ANN)
    read = stage.gateway.payment

    def payment(payment_id: str) -> Any:
        if payment_id == "pay_1":
            raise StoreUnavailable("the disk is away", "wait")
        return read(payment_id)

    stage.gateway.payment = payment
    stage.save_all()
    assert heard == [(2, "tok_2")]
