"""The salon's events over a plain WebSocket: what is said there, and the answers.

    client                                    server
    {"type":"subscribe:payment-events",       {"type":"payment:status-update",
     "invoiceId","since"?,"paymentId"?,        "invoiceId","status","timestamp","data"},
     "steps"?,"ack"?,"token"?}              {"type":"payment:completed", the same}
    {"type":"unsubscribe:payment-events",
     "invoiceId","ack"?}
    {"type":"authenticate","token"}           {"type":"authenticated","timestamp"}
    {"type":"ping"}                           {"type":"pong","timestamp"}
    what cannot be done                       {"type":"error","code","message",
                                               "invoiceId"?}

on `/ws/payments/salon/<id>` and `/ws/payments/<merchant>` (`doors.py`). The document's
page sends no token and asks for no answer, and it drops its callback after the first
message: so a subscription is answered by what happens, and by an invoice that is paid
already, and by nothing else. With `steps` each step on the way is told too. With
`ack`, a number or a text, the answer is how the invoice stands:

    {"type":"subscribed:payment-events","ack","invoiceId",
     "state": null or {"invoiceId","status","timestamp","data"},"beginsAnew"?}
    {"type":"unsubscribed:payment-events","ack","invoiceId"}

An invoice that there is not yet is waited for. With `since` (and `paymentId`, both of
the `data` that came last) what was missed comes first. A place that cannot be gone on
from is an "error" (`begins_anew`, `since_in_future`) for who asks for no answer, and an
update of how it stands. Where a token is wanted it comes as `?token=`, or in the first
message; from then on its user's saved cards are told, of whatever invoice
(`saved_cards.py`).

One `SalonTalk` per socket; `on_message` runs in the connection's greenlet and may wait
for a read of the store; what is told comes from the dispatcher's.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated

import msgspec

from engine.errors.codes import StreamCode
from engine.gateway import Gateway
from engine.payment.events import iso
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import DoorClosed, Doors, Guest, TokenWanted
from transport.live.encoding import Frames, message
from transport.live.followed_invoice import ToldSeqs
from transport.live.invoice_places import InvoicePlaces
from transport.live.invoices import Name, Number, Wanted, followed, payments_of
from transport.live.leases import Lease, Leases
from transport.live.payment_messages import PaymentMessage, PaymentMessages
from transport.live.salon_invoice import Answer, SalonInvoice
from transport.live.saved_cards import SavedCards
from transport.live.sinks import Wire
from transport.server.websocket.frames import encode_text

__all__ = ["SalonParts", "SalonTalk"]

_Token = Annotated[str, msgspec.Meta(min_length=1, max_length=8_192)]


class _Kind(msgspec.Struct):
    type: str


class _Said(Wanted):
    ack: Name | Number | None = None
    token: _Token | None = None


class _Subscribe(_Said):
    pass


class _Unsubscribe(_Said):
    pass


class _Authenticate(msgspec.Struct):
    token: _Token


class _Ping(msgspec.Struct):
    pass


_Message = _Subscribe | _Unsubscribe | _Authenticate | _Ping

_KINDS: dict[str, type[_Message]] = {
    "subscribe:payment-events": _Subscribe,
    "unsubscribe:payment-events": _Unsubscribe,
    "authenticate": _Authenticate,
    "ping": _Ping,
}


class SalonParts:
    """What all sockets of the salon's kind share. One per node."""

    def __init__(
        self,
        gateway: Gateway,
        doors: Doors,
        frames: Frames,
        creation_listeners: CreationListeners,
        saved_cards: SavedCards,
        leases: Leases,
        *,
        most_followed: int = 64,
        most_waiting: int = 20_000,
    ) -> None:
        """`most_followed`: invoices of one socket; `most_waiting`: of one merchant, of
        all sockets together."""
        self.gateway = gateway
        self.doors = doors
        self.frames = frames
        self.messages = PaymentMessages(frames.epoch)
        self.creation_listeners = creation_listeners
        self.saved_cards = saved_cards
        self.leases = leases
        self.most_followed = most_followed
        self.places = InvoicePlaces(most_waiting)


class SalonTalk:
    """One client."""

    def __init__(
        self,
        wire: Wire,
        parts: SalonParts,
        path: str,
        guest: Guest | None,
        ask_wait_s: Callable[[], float] = lambda: 0.0,
        client: str = "",
    ) -> None:
        """`guest` None: a token is still wanted. `ask_wait_s`: how long its address
        (`client`) has still to wait before it asks after one more invoice without a
        token."""
        self._wire = wire
        self._parts = parts
        self._path = path
        self._guest: Guest | None = None
        self._ask_wait_s = ask_wait_s
        self._client = client
        self._told = ToldSeqs()
        self._invoices: dict[str, SalonInvoice] = {}  # by the number that it gave
        self._leases: list[Lease] = []  # of its token's time, and of the shop's rules
        self._leave_cards: Callable[[], None] | None = None
        self._has_gone = False
        if guest is not None:
            self._seat(guest)

    def close(self) -> None:
        """The client has gone: nothing of it stays."""
        self._has_gone = True
        if self._leave_cards is not None:
            self._leave_cards()
        for lease in self._leases:
            lease.release()
        for invoice in self._invoices.values():
            invoice.end()
        self._invoices.clear()

    def on_message(self, text: str | bytes) -> None:
        """Answer one message."""
        wanted = _parse(text)
        if isinstance(wanted, tuple):
            self._refuse(*wanted)
            return
        token = getattr(wanted, "token", None)
        if self._guest is None and not isinstance(wanted, _Ping):
            guest = self._admitted(token)
            if guest is None:
                return
            self._seat(guest)
        match wanted:
            case _Ping():
                self._say("pong", timestamp=self._timestamp())
            case _Authenticate():
                self._say("authenticated", timestamp=self._timestamp())
            case _Subscribe():
                self._subscribe(wanted)
            case _Unsubscribe():
                self._unsubscribe(wanted)

    # Who it is.

    def _admitted(self, token: str | None) -> Guest | None:
        """None: it is refused, and the socket closes."""
        try:
            return self._parts.doors.admit(self._path, token)
        except DoorClosed as refusal:
            self._refuse(StreamCode.NOT_ALLOWED, str(refusal))
            reason = "a token is wanted"
            if not isinstance(refusal, TokenWanted):
                reason = "the token is refused"
            self._wire.websocket.close(1008, reason)
            return None

    def _seat(self, guest: Guest) -> None:
        self._guest = guest
        leases = self._parts.leases
        if guest.expires_at is not None:
            until = leases.until(guest.expires_at, self._end("the token has expired"))
            self._leases.append(until)
        end = self._end("the shop's rules for tokens have changed")
        self._leases.append(leases.of_key(guest.rules, end))
        leave = self._parts.saved_cards.join(guest, self._tell_card)
        if self._has_gone:  # while the first `join` of all waited
            leave()
        else:
            self._leave_cards = leave

    def _end(self, reason: str) -> Callable[[], None]:
        return lambda: self._wire.websocket.close(1008, reason)

    # What it follows.

    def _subscribe(self, wanted: _Subscribe) -> None:
        guest, name = self._guest, wanted.name
        assert guest is not None, "nobody is let in"
        known = self._invoices.get(name)
        refusal = self._full(guest) if known is None else ""
        if refusal:
            self._refuse(StreamCode.TOO_MANY, refusal, name)
            return
        if known is not None:  # in whose place the new one comes
            known.end()
        parts = self._parts
        invoice = SalonInvoice(
            self._wire,
            parts.gateway,
            parts.frames,
            parts.messages,
            guest,
            self._told,
            partial(self._refuse, invoice_id=name),
            with_steps=wanted.steps,
            answer=None if wanted.ack is None else self._answer_to(wanted),
        )
        self._invoices[name] = invoice
        # Waiting first, looking then: a payment that is made in between is found by
        # both, and followed once.
        self._wait_for_more(invoice, name, guest)
        payments = payments_of(parts.gateway, name, guest)
        for payment_id, since in followed(payments, wanted, parts.gateway.epochs):
            invoice.follow(payment_id, since)
        if not payments:
            invoice.nothing_yet()

    def _full(self, guest: Guest) -> str:
        """The sentence that names the setting; "": there is room."""
        parts = self._parts
        if len(self._invoices) >= parts.most_followed:
            return f"at most {parts.most_followed} invoices on one socket (ws_topics)"
        if refusal := parts.places.refusal(guest, self._client):
            return refusal
        wait_s = 0.0 if guest.is_known else self._ask_wait_s()
        if wait_s > 0:
            return (
                "too many invoices were asked after from this address"
                f" (identifies_per_s); come back in {math.ceil(wait_s)} s"
            )
        return ""

    def _wait_for_more(self, invoice: SalonInvoice, name: str, guest: Guest) -> None:
        parts, merchant = self._parts, guest.merchant
        listeners = parts.creation_listeners

        leave = parts.places.take(guest, self._client)

        def stop() -> None:
            listeners.remove(name, invoice.created)
            leave()

        invoice.stop_waiting = stop
        listeners.add(name, merchant.__eq__, invoice.created)
        if invoice.ended:  # its client went while the first `add` of all waited
            listeners.remove(name, invoice.created)

    def _unsubscribe(self, wanted: _Unsubscribe) -> None:
        known = self._invoices.pop(wanted.name, None)
        if known is not None:
            known.unsubscribe()
        if wanted.ack is not None:
            kind = "unsubscribed:payment-events"
            self._say(kind, ack=wanted.ack, invoiceId=wanted.name)

    # What it is told.

    def _answer_to(self, wanted: _Subscribe) -> Answer:
        def answer(body: bytes | None, begins_anew: str | None) -> None:
            more = {} if begins_anew is None else {"beginsAnew": begins_anew}
            self._say(
                "subscribed:payment-events",
                ack=wanted.ack,
                invoiceId=wanted.name,
                state=None if body is None else msgspec.Raw(body),
                **more,
            )

        return answer

    def _tell_card(self, offset: int, card: PaymentMessage) -> None:
        if self._told.is_new_card(offset):
            self._wire.send_event(encode_text(card.flat))

    def _say(self, kind: str, **fields: object) -> None:
        self._wire.send(encode_text(message(kind, **fields)))

    def _refuse(
        self, code: StreamCode, text: str, invoice_id: str | None = None
    ) -> None:
        more = {} if invoice_id is None else {"invoiceId": invoice_id}
        self._say("error", code=code, message=text, **more)

    def _timestamp(self) -> str:
        return iso(self._parts.gateway.now())


def _parse(text: str | bytes) -> _Message | tuple[StreamCode, str]:
    """The message, or the code and the text of what is wrong with it."""
    if isinstance(text, bytes):
        return StreamCode.BAD_MESSAGE, "send text, not binary"
    raw = text.encode()
    try:
        kind = msgspec.json.decode(raw, type=_Kind).type
    except msgspec.ValidationError as error:
        return StreamCode.BAD_MESSAGE, f'a message is an object with a "type": {error}'
    except (msgspec.DecodeError, RecursionError):
        return StreamCode.BAD_JSON, "this is not JSON"
    wanted = _KINDS.get(kind)
    if wanted is None:
        allowed = ", ".join(_KINDS)
        return StreamCode.UNKNOWN_TYPE, f'"type" must be one of: {allowed}'
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        return StreamCode.BAD_MESSAGE, str(error)
