"""What is said on Socket.IO: joining a namespace, and which invoices to follow.

    client                                    server
    connect, auth {token}                     connect {sid}, or connect_error {message,
                                               data: {code}}
    subscribe:payment-events                  payment:status-update, payment:completed,
     {invoiceId, since?, steps?,               payment:token-saved, as things happen;
      paymentId?} or "invoiceId"              acknowledged, if asked: {invoiceId, state,
                                               beginsAnew?}
    (its token names a user)                  payment:token-saved of that user's cards
    unsubscribe:payment-events {invoiceId}    acknowledged, if asked: {invoiceId}
    what cannot be done                       acknowledged {error: {code, message,
                                               limit?}}, else the event
                                               `subscribe:error` {invoiceId, …}

What the messages are is in `transport/live/payment_messages.py`. Nothing is told on
subscribing that is not over yet: a page drops its callback after the first message, so
steps on the way are told to who says `steps: true`. How it stands is in the
acknowledgement, for who asks for one; that it is paid already is told to who asks for
none. `data.since` of each message is what a client comes back with: what it missed
comes first then. A place that cannot be gone on from is `beginsAnew` in the
acknowledgement, or a `subscribe:error` and an update of how it stands.

One per node: the `Owner` of the sessions. `on_message` runs in the client's greenlet
and may wait for a read of the store.
"""

import logging
import math
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.errors.codes import StreamCode
from engine.gateway import Gateway
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import DoorClosed, Doors
from transport.live.invoice_places import LIMIT, InvoicePlaces
from transport.live.invoices import Wanted, followed, payments_of
from transport.live.saved_cards import SavedCards
from transport.live.socketio import packets
from transport.live.socketio.invoices import ERROR, Invoice
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.packets import Packet
from transport.live.socketio.payment_packets import PaymentPackets
from transport.live.socketio.seat import Seat
from transport.live.socketio.session import Session

__all__ = ["SUBSCRIBE", "UNSUBSCRIBE", "Desk"]

_log = logging.getLogger("paybell.live")

SUBSCRIBE: Final = "subscribe:payment-events"
UNSUBSCRIBE: Final = "unsubscribe:payment-events"
_SID_BYTES: Final = 15


class Desk:
    """See the module docstring."""

    def __init__(
        self,
        gateway: Gateway,
        doors: Doors,
        payment_packets: PaymentPackets,
        creation_listeners: CreationListeners,
        saved_cards: SavedCards,
        limits: SocketioLimits | None = None,
        ask_wait_s: Callable[[str], float] = lambda _client: 0.0,
    ) -> None:
        """`ask_wait_s`: how long a client's address has still to wait before it asks
        after one more invoice without a token."""
        self._ask_wait_s = ask_wait_s
        self._gateway = gateway
        self._doors = doors
        self._packets = payment_packets
        self._creation_listeners = creation_listeners
        self._saved_cards = saved_cards
        self._limits = limits or SocketioLimits()
        self._places = InvoicePlaces(self._limits.per_merchant)

    # `Owner`.

    def on_message(self, session: Session, text: str) -> None:
        packet = Packet(text)
        if packet.packet_type == packets.CONNECT:
            self._connect(session, packet.namespace, packet.data)
            return
        seat = session.seats.get(packet.namespace)
        if seat is None:
            return  # it has left, or was refused: what it said meanwhile is for nobody
        if packet.packet_type == packets.DISCONNECT:
            self._leave(seat)
        else:
            self._on_event(seat, packet.data[0], packet.data[1:], packet.id)

    def on_closed(self, session: Session) -> None:
        for seat in tuple(session.seats.values()):
            seat.leave()
        session.seats.clear()

    # Namespaces.

    def _connect(self, session: Session, namespace: str, auth: Any) -> None:
        try:
            if namespace in session.seats:
                raise DoorClosed("this namespace is joined already")
            most = self._limits.namespaces
            if len(session.seats) >= most:
                raise DoorClosed(f"at most {most} namespaces on one connection")
            guest = self._doors.admit(namespace, _token(auth))
        except DoorClosed as refusal:
            code = StreamCode.NOT_ALLOWED
            session.send(packets.refused(namespace, str(refusal), code))
            return
        seat = session.seats[namespace] = Seat(session, namespace, guest)
        leave_cards = self._saved_cards.join(guest, seat.tell_card)
        if seat.closed:  # its client went while the first `join` of all waited
            leave_cards()
            return
        seat.leave_cards = leave_cards
        session.send(packets.connected(namespace, secrets.token_urlsafe(_SID_BYTES)))
        seat.end_with_token(self._gateway.now, self._doors.is_welcome, self._expired)

    def _leave(self, seat: Seat) -> None:
        session = seat.session
        seat.leave()
        session.seats.pop(seat.namespace, None)
        if not session.seats:
            session.unseated()

    def _expired(self, seat: Seat) -> None:
        """Its page connects again with a newer token, or is refused with the reason."""
        seat.session.send(packets.disconnected(seat.namespace))
        self._leave(seat)

    # Events.

    def _on_event(
        self, seat: Seat, name: str, arguments: list[Any], ack: int | None
    ) -> None:
        if name not in (SUBSCRIBE, UNSUBSCRIBE):
            text = f"there are the events {SUBSCRIBE} and {UNSUBSCRIBE}"
            self._refuse(seat, None, ack, StreamCode.UNKNOWN_TYPE, text)
            return
        wanted = _parse(arguments)
        if wanted is None:
            text = (
                "one argument is wanted: {invoiceId, since?, paymentId?}, or the id of"
                " an invoice, of at most 256 characters; since is <epoch>-<seq> or seq"
            )
            self._refuse(seat, None, ack, StreamCode.BAD_MESSAGE, text)
        elif name == SUBSCRIBE:
            self._subscribe(seat, wanted, ack)
        else:
            self._unsubscribe(seat, wanted.name, ack)

    def _unsubscribe(self, seat: Seat, invoice_id: str, ack: int | None) -> None:
        invoice = seat.invoices.pop(invoice_id, None)
        if invoice is not None:
            invoice.unsubscribe()
        if ack is not None:
            seat.acknowledge(ack, {"invoiceId": invoice_id})

    def _subscribe(self, seat: Seat, wanted: Wanted, ack: int | None) -> None:
        invoice_id = wanted.name
        known = seat.invoices.get(invoice_id)
        is_free = seat.guest.is_known or known is not None
        wait_s = 0.0 if is_free else self._ask_wait_s(seat.session.client)
        if wait_s > 0:
            text = (
                "too many invoices were asked after from this address"
                f" (identifies_per_s); come back in {math.ceil(wait_s)} s"
            )
            limit = "identifies_per_s"
            self._refuse(seat, invoice_id, ack, StreamCode.TOO_MANY, text, limit)
            return
        refusal = self._full(seat) if known is None else None
        if refusal:
            limit, text = refusal
            self._refuse(seat, invoice_id, ack, StreamCode.TOO_MANY, text, limit)
            return
        if known is not None:  # in whose place the new one comes
            known.end()
        invoice = Invoice(
            invoice_id, seat, self._gateway, self._packets, ack, wanted.steps
        )
        seat.invoices[invoice_id] = invoice
        # Waiting first, looking then: a payment that is made in between is found by
        # both, and followed once.
        self._wait_for_more(invoice, invoice_id, seat)
        payments = payments_of(self._gateway, invoice_id, seat.guest)
        for payment_id, since in followed(payments, wanted, self._gateway.epochs):
            invoice.follow(payment_id, since)
        if not payments:
            invoice.nothing_yet()

    def _full(self, seat: Seat) -> tuple[str, str] | None:
        """The setting that was run into, and the sentence."""
        most = self._limits.subscriptions
        followed = sum(len(each.invoices) for each in seat.session.seats.values())
        if followed >= most:
            text = f"at most {most} invoices on one socket (socketio_subscriptions)"
            return "socketio_subscriptions", text
        text = self._places.refusal(seat.guest, seat.session.client)
        return (LIMIT, text) if text else None

    def _wait_for_more(self, invoice: Invoice, invoice_id: str, seat: Seat) -> None:
        leave = self._places.take(seat.guest, seat.session.client)

        def stop() -> None:
            self._creation_listeners.remove(invoice_id, invoice.created)
            leave()

        is_meant = seat.guest.merchant.__eq__
        invoice.stop_waiting = stop
        self._creation_listeners.add(invoice_id, is_meant, invoice.created)
        if invoice.ended:  # its client went while the first `add` of all waited
            self._creation_listeners.remove(invoice_id, invoice.created)

    def _refuse(
        self,
        seat: Seat,
        invoice_id: str | None,
        ack: int | None,
        code: StreamCode,
        text: str,
        limit: str | None = None,
    ) -> None:
        error = {"code": code, "message": text}
        if limit is not None:
            error["limit"] = limit
        if ack is not None:
            seat.acknowledge(ack, {"invoiceId": invoice_id, "error": error})
        else:
            seat.emit(ERROR, {"invoiceId": invoice_id, **error})


def _parse(arguments: list[Any]) -> Wanted | None:
    """None: it is nothing that can be followed."""
    if not arguments:
        return None
    said = arguments[0]
    if isinstance(said, str | int):
        said = {"invoiceId": said}
    try:
        return msgspec.convert(said, Wanted)
    except msgspec.ValidationError:
        return None


def _token(auth: Any) -> str | None:
    token = auth.get("token") if isinstance(auth, dict) else None
    return token if isinstance(token, str) else None
