"""A page of the salon that subscribes to an invoice which it follows already, or too
soon to one more."""

import json
from typing import Any

from tests.unit.transport.live.stage import FakeGateway, SocketWire, terms_of
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import Guest
from transport.live.encoding import Frames
from transport.live.leases import Leases
from transport.live.salon import SalonParts, SalonTalk
from transport.live.saved_cards import SavedCards
from transport.live.socketio.desk import SUBSCRIBE, Desk
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.payment_packets import PaymentPackets
from transport.live.socketio.seat import Seat

INVOICE = "inv-1"


class _SocketioSession:
    client = "127.0.0.1"

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}
        self.sent: list[Any] = []

    def send(self, text: Any) -> bool:
        self.sent.append(text)
        return True


def one_followed(gateway: FakeGateway) -> int:
    return [session.closed for session in gateway.sessions].count(False)


def test_a_known_invoice_on_a_plain_websocket_needs_no_new_allowance() -> None:
    gateway: Any = FakeGateway(terms_of("pay_1", INVOICE))
    listeners = CreationListeners(gateway)
    doors: Any = None
    parts = SalonParts(
        gateway,
        doors,
        Frames("0"),
        listeners,
        SavedCards(gateway, listeners),
        Leases(gateway.now),
        most_waiting=1,
    )
    wire: Any = SocketWire()
    waits = iter([0.0])  # the address may ask after one invoice
    path = "/ws/payments/default"
    talk = SalonTalk(wire, parts, path, Guest("default"), lambda: next(waits, 3.0))
    for _ in range(2):
        talk.on_message(json.dumps({"type": SUBSCRIBE, "invoiceId": INVOICE}))
    assert wire.sent == []
    assert len(parts.places) == 1
    assert one_followed(gateway) == 2, "the listeners' session, and the invoice's"


def test_a_page_that_must_wait_is_never_told_to_come_back_in_0_s() -> None:
    gateway: Any = FakeGateway(terms_of("pay_1", INVOICE))
    doors: Any = None
    listeners = CreationListeners(gateway)
    cards, leases = SavedCards(gateway, listeners), Leases(gateway.now)
    parts = SalonParts(
        gateway, doors, Frames("0"), listeners, cards, leases, most_waiting=1
    )
    wire: Any = SocketWire()
    path = "/ws/payments/default"
    talk = SalonTalk(wire, parts, path, Guest("default"), lambda: 0.2)
    talk.on_message(json.dumps({"type": SUBSCRIBE, "invoiceId": INVOICE}))
    assert b"come back in 1 s" in b"".join(wire.sent)


def test_a_known_invoice_on_socketio_needs_no_new_allowance() -> None:
    gateway: Any = FakeGateway(terms_of("pay_1", INVOICE))
    listeners = CreationListeners(gateway)
    doors: Any = None  # nobody comes in here
    waits = iter([0.0])
    desk = Desk(
        gateway,
        doors,
        PaymentPackets(Frames("0"), gateway.now),
        listeners,
        SavedCards(gateway, listeners),
        SocketioLimits(per_merchant=1),
        lambda _client: next(waits, 3.0),
    )
    session: Any = _SocketioSession()
    namespace = "/payments/default"
    session.seats[namespace] = Seat(session, namespace, Guest("default"))
    said = json.dumps([SUBSCRIBE, {"invoiceId": INVOICE}])
    for _ in range(2):
        desk.on_message(session, f"2{namespace},{said}")
    assert session.sent == []
    assert one_followed(gateway) == 2, "the listeners' session, and the invoice's"
