"""What one client on `/ws` follows: an external id, or a payment it has the secret of.

Each is the `Sink` of a session of its own, so that what is told about one is never
taken for the other, and ending one ends nothing else. Made and ended by
`conversation.py` in the connection's greenlet; told by the dispatcher's.
"""

from collections.abc import Callable
from typing import Final

from engine.errors.codes import StreamCode
from engine.gateway import Gateway, SessionHandle
from engine.payment.events import CommittedEvent, iso
from engine.payment.model import EventType, Payment
from engine.ports import Freshness
from engine.store.epochs import Position
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import Guest
from transport.live.encoding import Frames, error_message, message
from transport.live.events_only import EventsOnly
from transport.live.invoices import payments_of
from transport.live.sinks import Wire
from transport.server.websocket.frames import encode_text

__all__ = ["Identity", "SubscribedSink", "payment_message"]

_RECEIVED: Final = "Payment received successfully!"


class Identity(EventsOnly):
    """The `Sink` behind one external id: tells of money, and of nothing else."""

    __slots__ = (
        "_creation_listeners",
        "_ended",
        "_external_id",
        "_gateway",
        "_guest",
        "_is_of_order",
        "_own",
        "_paid",
        "_session",
        "_wire",
        "merchant",
    )

    def __init__(self, wire: Wire, gateway: Gateway, external_id: str) -> None:
        self._wire = wire
        self._gateway = gateway
        self._external_id = external_id
        self._session: SessionHandle = gateway.open_session("identity", self)
        self._creation_listeners: CreationListeners | None = None
        self._guest: Guest | None = None
        self._is_of_order = False  # not of one payment, whose secret it has
        self._own: set[str] = set()  # payments that it may hear of
        self._paid: set[str] = set()  # of these, those that it knows are paid
        self.merchant: str | None = None  # of the payment that it follows
        self._ended = False

    def begin(
        self,
        creation_listeners: CreationListeners,
        merchant: str | None,
        guest: Guest | None = None,
    ) -> None:
        """Without a secret: the newest payment of the external id, of merchants who
        have it so, and those that are created later. `guest`: those that it may hear
        of, and no others."""
        self._guest = guest
        self._is_of_order = True

        def is_meant(name: str) -> bool:
            if guest is not None:
                return name == guest.merchant
            return merchant in {None, name} and (
                self._gateway.identifies_without_secret(name)
            )

        # Listening first, looking then: a payment that is created in between is found
        # by both, and followed once.
        creation_listeners.add(self._external_id, is_meant, self.follow)
        self._creation_listeners = creation_listeners
        if guest is None:
            found = self._gateway.payments_of(self._external_id, merchant)
        else:
            found = payments_of(self._gateway, self._external_id, guest)
        newest = next((p for p in found if is_meant(p.terms.merchant)), None)
        if newest is not None:
            self.follow(newest.id)

    def _may_hear_of(self, payment: Payment) -> bool:
        if self._is_left_by(payment.id, payment.terms.external_id):
            return False
        return self._guest is None or self._guest.may_hear_of(payment.terms)

    def _is_left_by(self, payment_id: str, external_id: str | None) -> bool:
        """Whether the payment is another order's by now: that it is paid says nothing
        of this one. Who has its secret, or names it by its id, means it all the same.
        """
        names = external_id, payment_id
        return self._is_of_order and self._external_id not in names

    def follow(self, payment_id: str) -> None:
        if not self._ended:
            self._session.follow(payment_id, None)

    def end(self) -> None:
        self._ended = True
        if self._creation_listeners is not None:
            self._creation_listeners.remove(self._external_id, self.follow)
        self._session.close()

    def state(self, payment: Payment, since: int | None) -> bool:
        if not self._may_hear_of(payment):
            self._session.unfollow(payment.id)
            return self.is_open
        self._own.add(payment.id)
        self.merchant = payment.terms.merchant
        if not payment.counts_as_paid:
            return self.is_open
        txid = payment.receipts[-1].txid if payment.receipts else None
        return self._send_paid(payment.id, payment.received_sat, txid)

    def event(self, event: CommittedEvent) -> bool:
        fact = event.event
        if fact.payment_id not in self._own:
            return self.is_open  # it is being left, but its session's turn goes on
        changed = fact.data.changed
        moved = None if changed is None else changed.external_id
        if moved is not None and self._is_left_by(fact.payment_id, moved.new):
            self._own.discard(fact.payment_id)
            self._paid.discard(fact.payment_id)
            self._session.unfollow(fact.payment_id)
            return self.is_open
        if fact.type is EventType.CONFIRMED:
            return self._send_paid(fact.payment_id, fact.received_sat, fact.txid)
        if fact.type is EventType.REVERSED and fact.payment_id in self._paid:
            self._paid.discard(fact.payment_id)
            text = "The payment was taken back by a reorganisation of the chain."
            return self._send("reversed", fact.received_sat, fact.txid, text)
        return self.is_open

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    @property
    def is_open(self) -> bool:
        return not self._ended and not self._wire.websocket.closed

    def _send_paid(self, payment_id: str, amount_sat: int, txid: str | None) -> bool:
        if payment_id in self._paid:
            return self.is_open
        self._paid.add(payment_id)
        return self._send("paid", amount_sat, txid, _RECEIVED)

    def _send(self, status: str, amount_sat: int, txid: str | None, text: str) -> bool:
        now = iso(self._gateway.now())
        data = _message(self._external_id, status, amount_sat, txid, text, now)
        return self.is_open and self._wire.send(encode_text(data))


def payment_message(payment: Payment, now: str) -> bytes | None:
    """What an identity is told first of a payment with an external id: that it is paid,
    or nothing."""
    if not payment.counts_as_paid or payment.terms.external_id is None:
        return None
    txid = payment.receipts[-1].txid if payment.receipts else None
    order = payment.terms.external_id
    return _message(order, "paid", payment.received_sat, txid, _RECEIVED, now)


def _message(
    order: str, status: str, amount_sat: int, txid: str | None, text: str, now: str
) -> bytes:
    return message(
        "payment",
        status=status,
        paymentHash=txid,
        amountSat=amount_sat,
        externalId=order,
        message=text,
        timestamp=now,
    )


class SubscribedSink:
    """The `Sink` behind one subscribed payment."""

    __slots__ = ("_ended", "_frames", "_payment_id", "_session", "_wire", "merchant")

    def __init__(self, wire: Wire, frames: Frames, payment_id: str) -> None:
        self._wire = wire
        self._frames = frames
        self._payment_id = payment_id
        self._session: SessionHandle | None = None
        self._ended = False
        self.merchant: str | None = None  # of the payment, once it was found

    def begin(self, gateway: Gateway, since: Position | None) -> None:
        self._session = gateway.open_session("subscription", self)
        self._session.follow(self._payment_id, since)

    def end(self) -> None:
        self._ended = True
        if self._session is not None:
            self._session.close()

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._wire.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        self.merchant = payment.terms.merchant
        frames = self._frames
        head = message("subscribed", payment_id=self._payment_id, epoch=frames.epoch)
        state = frames.state_object(payment)
        return self._send(encode_text(b'%b,"state":%b}' % (head[:-1], state)))

    def event(self, event: CommittedEvent) -> bool:
        frame = self._frames.websocket(event)
        return not self._ended and self._wire.send_event(frame)

    def freshness(self, freshness: Freshness) -> bool:
        frame = self._frames.freshness_frame(freshness)
        return not self._ended and self._wire.send_source(frame)

    def problem(self, code: StreamCode, message: str) -> bool:
        if code is StreamCode.UNKNOWN:
            code = StreamCode.UNKNOWN_PAYMENT
        return self._send(encode_text(error_message(code, message, self._payment_id)))

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    def _send(self, frame: bytes) -> bool:
        return not self._ended and self._wire.send(frame)
