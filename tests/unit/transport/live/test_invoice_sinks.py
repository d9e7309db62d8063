"""An invoice that a page follows, plain and over Socket.IO: what counts as told."""

import json
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from engine.errors.codes import StreamCode
from engine.payment.events import Change, CommittedEvent, opening
from engine.payment.model import EventType, Payment, SavedToken, Status, Terms
from engine.store.epochs import Position
from tests.unit.transport.live.stage import (
    FakeGateway,
    FakeSession,
    SocketWire,
    terms_of,
)
from transport.live.doors import Guest
from transport.live.encoding import Frames
from transport.live.followed_invoice import ToldSeqs
from transport.live.payment_messages import PaymentMessages
from transport.live.salon_invoice import SalonInvoice
from transport.live.socketio.invoices import Invoice
from transport.live.socketio.payment_packets import PaymentPackets
from transport.live.socketio.seat import Seat

EPOCH = "00000000"
INVOICE, PAYMENT = "inv-1", "pay_1"


def paid(terms: Terms, seq: int = 2) -> tuple[CommittedEvent, Payment]:
    created, payment = opening(terms)
    fact = msgspec.structs.replace(
        created, type=EventType.CONFIRMED, seq=seq, status=Status.CONFIRMED
    )
    wire = {
        "seq": seq,
        "type": "payment.confirmed",
        "status": "confirmed",
        "payment_id": terms.id,
        "external_id": terms.external_id,
    }
    event = CommittedEvent(100 + seq, fact, terms.merchant, json.dumps(wire).encode())
    return event, msgspec.structs.replace(payment, status=Status.CONFIRMED, seq=seq)


class _SocketioSession:
    """What a seat says, counted."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, encoded: Any) -> bool:
        self.sent.append(encoded)
        return True

    send_event = send


class Plain:
    """One plain WebSocket."""

    def __init__(self, gateway: FakeGateway, guest: Guest) -> None:
        wire, fake = cast(Any, SocketWire()), cast(Any, gateway)
        messages, told = PaymentMessages(EPOCH), ToldSeqs()
        self.gateway, self.sent, self.told = gateway, wire.sent, told
        tell_anew = self._tell_anew
        self.invoice: Callable[[], Any] = lambda: SalonInvoice(
            wire, fake, Frames(EPOCH), messages, guest, told, tell_anew
        )

    def _tell_anew(self, code: StreamCode, _text: str) -> None:
        self.sent.append(f"error {code}".encode())


class Socketio:
    """One namespace of one Socket.IO client."""

    def __init__(self, gateway: FakeGateway, guest: Guest) -> None:
        session: Any = _SocketioSession()
        fake: Any = gateway
        self.gateway, self.sent = gateway, session.sent
        seat = Seat(session, "/payments/salon/1", guest)
        self.told = seat.told
        payment_packets = PaymentPackets(Frames(EPOCH), gateway.now)
        self.invoice: Callable[[], Any] = lambda: Invoice(
            INVOICE, seat, fake, payment_packets, None, False
        )


Client = Plain | Socketio


@pytest.fixture(params=[Plain, Socketio])
def client(request: pytest.FixtureRequest) -> Client:
    made: Client = request.param(FakeGateway(), Guest("default", salon="1"))
    return made


def followed(client: Client, payment_id: str = PAYMENT) -> tuple[Any, FakeSession]:
    invoice = client.invoice()
    invoice.follow(payment_id, None)
    return invoice, client.gateway.sessions[-1]


def test_what_comes_after_the_end_is_not_noted_as_told(client: Client) -> None:
    event, payment = paid(terms_of(PAYMENT, INVOICE))
    before, _ = followed(client)
    before.state(opening(payment.terms)[1], None)
    before.end()
    assert not before.state(payment, None)
    assert not before.event(event)
    assert client.sent == []
    _, session = followed(client)
    assert session.followed == [(PAYMENT, Position(EPOCH, 1))], "the event is lost"


def test_a_card_that_was_told_as_its_users_own_is_not_told_again(
    client: Client,
) -> None:
    terms = terms_of(PAYMENT, INVOICE)
    event, payment = paid(terms)
    card = msgspec.structs.replace(
        event,
        event=msgspec.structs.replace(
            event.event,
            type=EventType.TOKEN_SAVED,
            data=Change(token=SavedToken("tok_1", {})),
        ),
    )
    invoice, _ = followed(client)
    invoice.state(opening(payment.terms)[1], 0)
    assert client.told.is_new_card(card.offset)
    assert invoice.event(card), "its session goes on"
    assert client.sent == []
    assert not client.told.is_new_card(card.offset)
    again = msgspec.structs.replace(card, offset=card.offset + 1)
    assert invoice.event(again)
    assert invoice.event(again)
    assert len(client.sent) == 1


def test_a_page_hears_nothing_of_another_salons_payment(client: Client) -> None:
    terms = terms_of(PAYMENT, INVOICE)
    theirs = msgspec.structs.replace(terms, metadata={"salonId": "2"})
    event, payment = paid(theirs)
    invoice, session = followed(client)
    invoice.state(opening(payment.terms)[1], 0)
    assert session.followed == []
    assert invoice.event(event), "the session still tells what it read"
    assert client.sent == []


def test_after_an_unsubscribe_a_paid_one_is_told_anew(client: Client) -> None:
    _, payment = paid(terms_of(PAYMENT, INVOICE))
    for _ in range(2):
        invoice, session = followed(client)
        assert session.followed == [(PAYMENT, None)], "it goes on from what it left"
        before = len(client.sent)
        invoice.state(payment, None)
        assert len(client.sent) > before
        invoice.unsubscribe()


def test_with_a_place_nothing_is_told_twice_after_an_unsubscribe(
    client: Client,
) -> None:
    _, payment = paid(terms_of(PAYMENT, INVOICE))
    invoice, _ = followed(client)
    invoice.state(payment, None)
    invoice.unsubscribe()
    again = client.invoice()
    again.follow(PAYMENT, Position(EPOCH, 0))
    assert client.gateway.sessions[-1].followed == [(PAYMENT, Position(EPOCH, 2))]


def test_a_page_that_asks_for_no_answer_is_told_once_that_it_begins_anew(
    client: Client,
) -> None:
    invoice, _ = followed(client)
    _, payment = opening(terms_of(PAYMENT, INVOICE))
    invoice.problem(StreamCode.BEGINS_ANEW, "it was restored")
    invoice.state(payment, None)
    error, update = map(_text, client.sent)
    assert "begins_anew" in error
    assert "payment:status-update" in update
    assert f'"since":"{EPOCH}-1"' in update
    _, later = opening(terms_of("pay_2", INVOICE))
    invoice.state(later, None)
    assert len(client.sent) == 2, "what is waited for is no news"


def _text(sent: Any) -> str:
    """Of a frame, a packet, or packets."""
    return (
        sent.decode("latin-1")
        if isinstance(sent, bytes)
        else getattr(sent, "text", sent)
    )
