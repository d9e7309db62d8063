"""What sites of the salon's kind are told: `payment:status-update` and its like.

    payment:status-update  {"invoiceId","status","timestamp","data"}
    payment:completed      the same but for `since`, after the update to SUCCESS
    payment:token-saved    {"tokenId","timestamp","data"}: a gateway keeps a card

`invoiceId` is the payment's external id, or its own id where it has none; `status` is
SUCCESS, FAILED or PENDING (`engine/payment/outcome.py`); `timestamp` is a number of ms.
`data` is what anybody may read of the event (`allow_list.py`), with `paymentId` and
`since`, the place to go on from: of an update that a completion follows the place
before both, so that whoever loses the line between the two is told them again. Of a
saved card `data` is what a page shows of it (brand, last four digits), and the
`invoiceId`; no `since` for who does not follow the invoice (`saved_cards.py`). Whoever
has a token of the site's, or names an invoice, is a visitor like others: metadata and
reasons are the shop's.

The document's page drops its callback after the first message. So a message tells that
the outcome is another one; those that only tell of a step on the way (`is_step`: it is
detected, one block deep, …; always PENDING) are for who asks for them.

Pure, and the one place that makes these: the plain WebSocket sends `flat`, Socket.IO
`name` and `body`, byte for byte the same for all who hear it.
"""

from collections import OrderedDict
from typing import Final, Literal

import msgspec

from engine.payment.events import CommittedEvent
from engine.payment.model import EventType, Payment
from engine.payment.outcome import (
    Outcome,
    completes,
    outcome_after,
    outcome_of,
    settles,
)
from engine.store.epochs import Position
from transport.live.allow_list import event_for_strangers
from transport.live.encoding import Frames
from transport.server.websocket.frames import encode_text

__all__ = [
    "COMPLETED",
    "STATUS_UPDATE",
    "TOKEN_SAVED",
    "FramedMessage",
    "MessageName",
    "PaymentMessage",
    "PaymentMessages",
    "card_message",
    "invoice_of",
    "messages",
    "messages_of_state",
    "state_body",
]

MessageName = Literal[
    "payment:status-update", "payment:completed", "payment:token-saved"
]
STATUS_UPDATE: Final[MessageName] = "payment:status-update"
COMPLETED: Final[MessageName] = "payment:completed"
TOKEN_SAVED: Final[MessageName] = "payment:token-saved"  # noqa: S105 - a name

#: Events whose messages are kept. Each is told to all its followers at nearly the same
#: time; who comes back for older ones has them made again.
KEPT: Final = 1_024


class PaymentMessage(msgspec.Struct, frozen=True, gc=False):
    """One message: its name, and its object as JSON."""

    name: MessageName
    body: bytes
    is_step: bool = False

    @property
    def flat(self) -> bytes:
        """As one JSON object with `type`."""
        return b'{"type":"%b",%b' % (self.name.encode(), self.body[1:])


class FramedMessage(PaymentMessage, frozen=True, gc=False):
    """One message with its frame of a WebSocket, made once."""

    frame: bytes = b""


class _Names(msgspec.Struct, frozen=True, gc=False):
    payment_id: str
    external_id: str | None = None


_names = msgspec.json.Decoder(_Names)
_encode = msgspec.json.Encoder().encode


def messages(event: CommittedEvent, epoch: str) -> tuple[PaymentMessage, ...]:
    """What this event is told as: nothing, one message, or two at the completion.
    `epoch`: the one in which the node runs (`Frames.epoch`)."""
    fact = event.event
    if fact.type is EventType.TOKEN_SAVED:
        since = Position(epoch, fact.seq)
        return (_token_saved(event, {"since": str(since)}),)
    outcome = outcome_after(fact)
    is_step = not settles(fact)
    if is_step and (outcome is not Outcome.PENDING or fact.type is EventType.CREATED):
        return ()
    names = _names.decode(event.wire)
    invoice = names.external_id or names.payment_id
    data = event_for_strangers(event.wire)

    def body(seq: int) -> bytes:
        since = Position(epoch, seq)
        return _body(invoice, outcome, fact.at, data, fact.payment_id, since)

    if completes(fact):
        return (
            PaymentMessage(STATUS_UPDATE, body(fact.seq - 1), is_step),
            PaymentMessage(COMPLETED, body(fact.seq)),
        )
    return (PaymentMessage(STATUS_UPDATE, body(fact.seq), is_step),)


def card_message(event: CommittedEvent) -> PaymentMessage:
    """A saved card, for who does not follow its payment."""
    return _token_saved(event, {})


def _token_saved(event: CommittedEvent, place: dict[str, str]) -> PaymentMessage:
    """Of the token its name and what a page shows of it: it holds nothing else."""
    fact, names = event.event, _names.decode(event.wire)
    token = fact.data.token
    assert token is not None, "a saved token without one"
    body = {
        "tokenId": token.id,
        "timestamp": fact.at,
        "data": {
            **token.display,
            "invoiceId": names.external_id or names.payment_id,
            "paymentId": fact.payment_id,
            **place,
        },
    }
    return PaymentMessage(TOKEN_SAVED, _encode(body))


def state_body(payment: Payment, frames: Frames, now: int) -> bytes:
    """A payment as it is now, in the form of an update: for who asks how it stands.
    `frames`: those for strangers are used; `now` in ms."""
    return _body(
        invoice_of(payment),
        outcome_of(payment),
        now,
        frames.for_strangers.state_object(payment),
        payment.id,
        Position(frames.epoch, payment.seq),
    )


def messages_of_state(
    payment: Payment, frames: Frames, now: int, *, is_anew: bool = False
) -> tuple[PaymentMessage, ...]:
    """For who comes when it is paid already, and missed the messages of that; nothing
    for others: an update without news would be the last that such a page hears. An
    attempt that failed is no news either, as the next one may be about to begin.
    `is_anew`: for who came with a place that cannot be gone on from, always."""
    is_paid = outcome_of(payment) is Outcome.SUCCESS
    if not (is_paid or is_anew):
        return ()
    body = state_body(payment, frames, now)
    update = PaymentMessage(STATUS_UPDATE, body)
    return (update, PaymentMessage(COMPLETED, body)) if is_paid else (update,)


def invoice_of(payment: Payment) -> str:
    """What the site calls it."""
    return payment.terms.external_id or payment.id


def _body(
    invoice: str,
    outcome: Outcome,
    at: int,
    data: bytes,
    payment_id: str,
    since: Position,
) -> bytes:
    return (
        b'{"invoiceId":%b,"status":"%b","timestamp":%d,"data":%b,'
        b'"paymentId":%b,"since":"%b"}}'
    ) % (
        _encode(invoice),
        outcome.encode(),
        at,
        data[:-1],
        _encode(payment_id),
        str(since).encode(),
    )


class PaymentMessages:
    """`messages`, made once for all who hear them. One per node."""

    __slots__ = ("_epoch", "_kept")

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._kept: OrderedDict[int, tuple[FramedMessage, ...]] = OrderedDict()

    def of(self, event: CommittedEvent) -> tuple[FramedMessage, ...]:
        """An offset names one event as long as the node runs."""
        kept = self._kept.get(event.offset)
        if kept is None:
            kept = self._kept[event.offset] = tuple(
                FramedMessage(one.name, one.body, one.is_step, encode_text(one.flat))
                for one in messages(event, self._epoch)
            )
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept
