"""What a socket hears of an external id: money, once, and nothing of others."""

import json
from typing import Any

import msgspec

from engine.errors.codes import StreamCode
from engine.payment.changed import Changed, TextMoved
from engine.payment.events import Change, CommittedEvent, Event, opening
from engine.payment.model import EventType, Payment, Status
from engine.ports import Freshness
from engine.store.epochs import Position
from tests.unit.transport.live.stage import (
    FakeGateway,
    FakeSession,
    SocketWire,
    terms_of,
)
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import Guest
from transport.live.encoding import Frames
from transport.live.topics import Identity, SubscribedSink

ORDER = terms_of("pay_1", "order-1")


def said(wire: SocketWire) -> list[dict[str, Any]]:
    """The JSON of the frames: all are shorter than 64 KiB."""
    return [json.loads(frame[4 if frame[1] == 126 else 2 :]) for frame in wire.sent]


def event(kind: EventType, payment_id: str = "pay_1") -> CommittedEvent:
    opened, _ = opening(ORDER)
    fact: Event = msgspec.structs.replace(
        opened, type=kind, payment_id=payment_id, received_sat=50_000, txid="ab" * 32
    )
    return CommittedEvent(7, fact, "default", b"{}")


def paid(payment: Payment) -> Payment:
    return msgspec.structs.replace(payment, status=Status.CONFIRMED)


def identified(
    gateway: FakeGateway, merchant: str | None = None
) -> tuple[Identity, SocketWire, CreationListeners, FakeSession]:
    wire = SocketWire()
    listeners = CreationListeners(gateway)  # type: ignore[arg-type]
    identity = Identity(wire, gateway, "order-1")  # type: ignore[arg-type]
    identity.begin(listeners, merchant)
    return identity, wire, listeners, gateway.sessions[0]


def test_only_the_newest_payment_of_the_id_is_followed() -> None:
    gateway = FakeGateway(terms_of("pay_2", "order-1"), ORDER)
    *_, session = identified(gateway)
    assert session.followed == [("pay_2", None)]


def test_a_merchant_narrows_it_to_one_shop() -> None:
    gateway = FakeGateway(terms_of("pay_2", "order-1", "theirs"), ORDER)
    *_, session = identified(gateway, "default")
    assert session.followed == [("pay_1", None)]
    gateway = FakeGateway(terms_of("pay_2", "order-1", "theirs"))
    *_, session = identified(gateway, "default")
    assert session.followed == []


def test_without_a_secret_only_those_count_who_have_it_so() -> None:
    """Also when that changes while somebody waits."""
    gateway = FakeGateway(terms_of("pay_2", "order-1", "theirs"), ORDER)
    gateway.open = {"default"}
    _, _, listeners, session = identified(gateway)
    listeners.created("pay_3", "order-1", "theirs")
    listeners.created("pay_4", "order-1", "default")
    gateway.open = {"theirs"}
    listeners.created("pay_5", "order-1", "default")
    listeners.created("pay_6", "order-1", "theirs")
    assert session.followed == [(f"pay_{n}", None) for n in (1, 4, 6)]


def test_a_payment_made_later_is_followed_too() -> None:
    gateway = FakeGateway()
    _, _, listeners, session = identified(gateway)
    listeners.created("pay_9", "order-1", "default")
    assert session.followed == [("pay_9", None)]


def test_a_payment_that_is_not_paid_says_nothing() -> None:
    identity, wire, *_ = identified(FakeGateway(ORDER))
    assert identity.state(opening(ORDER)[1], None)
    assert identity.event(event(EventType.DETECTED))
    assert identity.freshness(Freshness("devchain", True, 1))
    assert wire.sent == []


def test_that_it_is_paid_is_said_once_whether_by_state_or_by_event() -> None:
    identity, wire, *_ = identified(FakeGateway(ORDER))
    assert identity.state(paid(opening(ORDER)[1]), None)
    assert identity.event(event(EventType.CONFIRMED))
    assert identity.state(paid(opening(ORDER)[1]), None)
    (message,) = said(wire)
    assert (message["status"], message["externalId"]) == ("paid", "order-1")


def test_a_reversal_is_said_to_who_was_told_that_it_is_paid_and_then_paid_again() -> (
    None
):
    identity, wire, *_ = identified(FakeGateway(ORDER))
    assert identity.state(opening(ORDER)[1], None), "the state is always the first"
    assert identity.event(event(EventType.REVERSED))
    assert wire.sent == []
    for kind in (EventType.CONFIRMED, EventType.REVERSED, EventType.REVERSED):
        assert identity.event(event(kind))
    assert identity.event(event(EventType.CONFIRMED))
    assert [one["status"] for one in said(wire)] == ["paid", "reversed", "paid"]
    assert said(wire)[1]["amountSat"] == 50_000


def test_a_visitor_of_one_salon_hears_nothing_of_anothers_payment() -> None:
    """Of a payment made later with its number; the session tells on in its turn."""
    theirs = msgspec.structs.replace(ORDER, metadata={"salonId": "2"})
    gateway, wire = FakeGateway(), SocketWire()
    identity = Identity(wire, gateway, "order-1")  # type: ignore[arg-type]
    listeners = CreationListeners(gateway)  # type: ignore[arg-type]
    identity.begin(listeners, None, Guest("default", "1", is_known=True))
    identity.follow("pay_1")
    assert identity.state(opening(theirs)[1], 0)
    assert identity.event(event(EventType.CONFIRMED))
    assert wire.sent == []


def renamed(to: str | None) -> CommittedEvent:
    told = event(EventType.UPDATED)
    changed = Changed(external_id=TextMoved("order-1", to))
    fact = msgspec.structs.replace(told.event, data=Change(changed=changed))
    return msgspec.structs.replace(told, event=fact)


def test_a_payment_that_goes_over_to_another_order_says_nothing_of_this_one() -> None:
    identity, wire, _, session = identified(FakeGateway(ORDER))
    assert identity.state(opening(ORDER)[1], None)
    assert identity.event(renamed("order-2"))
    assert session.followed == []
    assert identity.event(event(EventType.CONFIRMED)), "what is on its way yet"
    assert wire.sent == []
    # Or it did so between the look and the answer.
    identity.follow("pay_1")
    assert identity.state(paid(opening(terms_of("pay_1", "order-2"))[1]), None)
    assert session.followed == []
    assert wire.sent == []
    # And back again.
    identity.follow("pay_1")
    assert identity.state(paid(opening(ORDER)[1]), None)
    assert [one["status"] for one in said(wire)] == ["paid"]


def test_who_has_the_payments_secret_hears_of_it_whatever_its_order_is() -> None:
    gateway, wire = FakeGateway(ORDER), SocketWire()
    identity = Identity(wire, gateway, "order-1")  # type: ignore[arg-type]
    identity.follow("pay_1")
    assert identity.state(opening(ORDER)[1], None)
    assert identity.event(renamed("order-2"))
    assert identity.event(event(EventType.CONFIRMED))
    assert [one["status"] for one in said(wire)] == ["paid"]


def test_nothing_is_said_and_nobody_waits_after_the_end() -> None:
    identity, wire, listeners, session = identified(FakeGateway(ORDER))
    identity.end()
    assert session.closed
    assert len(listeners) == 0
    identity.follow("pay_9")
    assert session.followed == [("pay_1", None)]
    assert not identity.event(event(EventType.CONFIRMED))
    assert wire.sent == []
    identity.close(1001, "server stops")
    assert wire.close_code is None  # its client stays, for what else it follows


def test_the_end_of_its_session_is_the_end_of_the_socket() -> None:
    identity, wire, *_ = identified(FakeGateway(ORDER))
    identity.close(1001, "server stops")
    assert wire.close_code == 1001
    assert not identity.event(event(EventType.DETECTED))


def test_a_subscription_follows_its_payment_from_where_it_was_asked_to() -> None:
    gateway, wire = FakeGateway(ORDER), SocketWire()
    since = Position("simulate", 3)
    subscription = SubscribedSink(wire, Frames("simulate"), "pay_1")  # type: ignore[arg-type]
    subscription.begin(gateway, since)  # type: ignore[arg-type]
    (session,) = gateway.sessions
    assert session.followed == [("pay_1", since)]
    assert subscription.state(opening(ORDER)[1], 3)
    (message,) = said(wire)
    assert (message["type"], message["payment_id"]) == ("subscribed", "pay_1")
    assert message["state"]["id"] == "pay_1"
    assert subscription.problem(StreamCode.UNKNOWN, "no such payment")
    assert said(wire)[1]["code"] == StreamCode.UNKNOWN_PAYMENT
    assert said(wire)[1]["payment_id"] == "pay_1"
    subscription.end()
    assert session.closed
    assert not subscription.event(event(EventType.CONFIRMED))
    assert not subscription.freshness(Freshness("devchain", True, 1))
    assert len(wire.sent) == 2
    subscription.close(1001, "server stops")
    assert wire.close_code is None
