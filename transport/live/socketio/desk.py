"""What is said on Socket.IO: joining a namespace, and which invoices to follow.

    client                                    server
    connect, auth {token}                     connect {sid}, or connect_error {message,
                                               data: {code}}
    subscribe:payment-events                  payment:status-update, payment:completed,
     {invoiceId, since?, steps?,               payment:token-saved, as things happen;
      paymentId?} or "invoiceId"              acknowledged, if asked: {invoiceId, state,
                                               beginsAnew?}
    unsubscribe:payment-events {invoiceId}    acknowledged, if asked: {invoiceId}
    what cannot be done                       acknowledged {error: {code, message,
                                               limit?}}, else the event
                                               `subscribe:error` {invoiceId, …}

What the messages are is in `transport/live/payment_messages.py`. Nothing is told on
subscribing that is not over yet: a page drops its callback after the first message, so
steps on the way are told to who says `steps: true`. How it stands is in the
acknowledgement, for who asks for one; that it is paid already is told to who asks for
none. `data.since` of each message is what a client comes back with: what it missed
comes first then.

One per node: the `Owner` of the sessions. `on_message` runs in the client's greenlet
and may wait for a read of the store.
"""

import logging
import secrets
from collections import Counter
from typing import Annotated, Any, Final

import msgspec

from engine.codes import StreamCode
from engine.gateway import Gateway
from engine.payment.model import Payment
from engine.store.epochs import POSITION, START, Position
from transport.live.creation_listeners import CreationListeners
from transport.live.payment_messages import invoice_of
from transport.live.socketio import packets
from transport.live.socketio.doors import DoorClosed, Doors
from transport.live.socketio.invoices import Invoice
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.packets import Packet
from transport.live.socketio.seat import Seat
from transport.live.socketio.session import Session
from transport.live.socketio.story import Story

__all__ = ["SUBSCRIBE", "UNSUBSCRIBE", "Desk"]

_log = logging.getLogger("paybell.live")

SUBSCRIBE: Final = "subscribe:payment-events"
UNSUBSCRIBE: Final = "unsubscribe:payment-events"
_ERROR: Final = "subscribe:error"
_SID_BYTES: Final = 15

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Number = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
_Since = Annotated[str, msgspec.Meta(pattern=POSITION)]


class _Wanted(msgspec.Struct, rename="camel"):
    """Unknown fields are a page's own business."""

    invoice_id: _Name | _Number
    since: _Number | _Since | None = None
    payment_id: _Name | None = None
    steps: bool = False

    @property
    def position(self) -> Position | None:
        if isinstance(self.since, str):
            return Position.parse(self.since)
        return None if self.since is None else Position(None, self.since)


class Desk:
    """See the module docstring."""

    def __init__(
        self,
        gateway: Gateway,
        doors: Doors,
        story: Story,
        creation_listeners: CreationListeners,
        limits: SocketioLimits | None = None,
    ) -> None:
        self._gateway = gateway
        self._doors = doors
        self._story = story
        self._creation_listeners = creation_listeners
        self._limits = limits or SocketioLimits()
        self._followed: Counter[str] = Counter()  # invoices, by merchant

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
            guest = self._doors.admit(namespace, auth)
        except DoorClosed as refusal:
            code = StreamCode.NOT_ALLOWED
            session.send(packets.refused(namespace, str(refusal), code))
            return
        seat = session.seats[namespace] = Seat(session, namespace, guest)
        session.send(packets.connected(namespace, secrets.token_urlsafe(_SID_BYTES)))
        seat.end_with_token(self._gateway.now, self._expired)

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
            self._unsubscribe(seat, str(wanted.invoice_id), ack)

    def _unsubscribe(self, seat: Seat, invoice_id: str, ack: int | None) -> None:
        invoice = seat.invoices.pop(invoice_id, None)
        if invoice is not None:
            invoice.end()
        if ack is not None:
            seat.acknowledge(ack, {"invoiceId": invoice_id})

    def _subscribe(self, seat: Seat, wanted: _Wanted, ack: int | None) -> None:
        invoice_id = str(wanted.invoice_id)
        known = seat.invoices.pop(invoice_id, None)
        if known is not None:
            known.end()
        refusal = self._full(seat)
        if refusal:
            limit, text = refusal
            self._refuse(seat, invoice_id, ack, StreamCode.TOO_MANY, text, limit)
            return
        invoice = Invoice(
            invoice_id, seat, self._gateway, self._story, ack, wanted.steps
        )
        seat.invoices[invoice_id] = invoice
        # Waiting first, looking then: a payment that is made in between is found by
        # both, and followed once.
        self._wait_for_more(invoice, invoice_id, seat.guest.merchant)
        payments = self._payments_of(seat, invoice_id)
        for payment_id, since in _followed(payments, wanted):
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
        most = self._limits.per_merchant
        if self._followed[seat.guest.merchant] >= most:
            text = f"at most {most} subscriptions of one shop (socketio_per_merchant)"
            return "socketio_per_merchant", text
        return None

    def _wait_for_more(self, invoice: Invoice, invoice_id: str, merchant: str) -> None:
        def stop() -> None:
            self._creation_listeners.remove(invoice_id, invoice.created)
            self._followed[merchant] -= 1
            if not self._followed[merchant]:
                del self._followed[merchant]

        self._followed[merchant] += 1
        invoice.stop_waiting = stop
        self._creation_listeners.add(invoice_id, merchant.__eq__, invoice.created)
        if invoice.ended:  # its client went while the first `add` of all waited
            self._creation_listeners.remove(invoice_id, invoice.created)

    def _payments_of(self, seat: Seat, invoice_id: str) -> list[Payment]:
        """Newest first; an invoice without a number is its payment's id."""
        merchant = seat.guest.merchant
        found = self._gateway.payments_of(invoice_id, merchant)
        if not found:
            payment = self._gateway.payment(invoice_id)
            is_meant = payment is not None and invoice_of(payment) == invoice_id
            found = [payment] if payment is not None and is_meant else []
        return [payment for payment in found if seat.may_hear_of(payment.terms)]

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
            seat.emit(_ERROR, {"invoiceId": invoice_id, **error})


def _parse(arguments: list[Any]) -> _Wanted | None:
    """None: it is nothing that can be followed."""
    if not arguments:
        return None
    said = arguments[0]
    if isinstance(said, str | int):
        said = {"invoiceId": said}
    try:
        return msgspec.convert(said, _Wanted)
    except msgspec.ValidationError:
        return None


def _followed(
    payments: list[Payment], wanted: _Wanted
) -> list[tuple[str, Position | None]]:
    """Which payments of an invoice to follow, and from where; `payments` newest first.

    `since` is of the payment that the client names. It names none: of the only one
    there is. Of several it may be an earlier one's, so the newest is told whole.
    """
    if not payments:
        return []
    newest, since = payments[0], wanted.position
    if since is None:
        return [(newest.id, None)]
    known = wanted.payment_id
    if known is None or known not in {payment.id for payment in payments}:
        return [(newest.id, since if len(payments) == 1 else START)]
    if known == newest.id:
        return [(newest.id, since)]
    ids = [payment.id for payment in payments]
    later = ids[: ids.index(known)]
    return [(known, since), *((each, START) for each in reversed(later))]
