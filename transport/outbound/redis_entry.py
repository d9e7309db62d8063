"""One event as the fields of a stream's entry. Pure.

    eventType    what it is to a site of the salon's kind: payment:completed,
                 payment:status-update, payment:token-saved; of an event that changes
                 nothing for it (detected, one block deep, …) our own type
    timestamp    ms
    salonId      the merchant
    invoiceId    the payment's external id, or its own id where it has none
    status       SUCCESS, FAILED, PENDING
    paymentData  JSON: invoiceId, status, timestamp, paymentId, amountSat, receivedSat
    tokenData    JSON of a saved token, or nothing
    channel      that told it
    id, type     of the event; who has seen an id has seen the event
    event        the whole event, JSON, as every channel is told it

The first ones are those of the salon's own backend (its document's stream).
"""

from datetime import datetime
from typing import Final

import msgspec

from engine.payment.model import EventType, Status
from engine.payment.outcome import OUTCOMES

__all__ = ["CHANNEL", "EVENT_ID", "fields_of"]

EVENT_ID: Final = b"id"
CHANNEL: Final = b"channel"

_SAVED = "payment.token_saved"

_SETTLES = frozenset(
    {EventType.EXPIRED, EventType.CANCELLED, EventType.FAILED, EventType.REVERSED}
)


class _Data(msgspec.Struct):
    token: msgspec.Raw = msgspec.Raw(b"")


class _Wire(msgspec.Struct):
    """What is read of an event; the rest goes as it is."""

    id: str
    type: str
    at: str
    payment_id: str
    external_id: str | None
    merchant: str
    status: Status
    amount_sat: int | None
    received_sat: int
    data: _Data


_decode = msgspec.json.Decoder(_Wire).decode
_encode = msgspec.json.Encoder().encode


def fields_of(wire: bytes, channel_id: str) -> tuple[str | bytes, ...]:
    """Names and values, one after the other, as XADD takes them."""
    event = _decode(wire)
    status = OUTCOMES[event.status, event.received_sat > 0]
    at = round(datetime.fromisoformat(event.at).timestamp() * 1000)
    invoice = event.external_id or event.payment_id
    said = {
        "invoiceId": invoice,
        "status": status,
        "timestamp": at,
        "paymentId": event.payment_id,
        "amountSat": event.amount_sat,
        "receivedSat": event.received_sat,
    }
    return (
        *("eventType", _event_type(event.type, status == "SUCCESS")),
        *("timestamp", str(at)),
        *("salonId", event.merchant),
        *("invoiceId", invoice),
        *("status", status.encode()),
        *("paymentData", _encode(said)),
        *("tokenData", bytes(event.data.token)),
        *("channel", channel_id),
        *(EVENT_ID, event.id),
        *("type", event.type),
        *("event", wire),
    )


def _event_type(type_: str, is_success: bool) -> str:
    if type_ == EventType.CONFIRMED:
        return "payment:completed"
    if type_ == _SAVED:
        return "payment:token-saved"
    is_about_its_forward = type_ == EventType.FAILED and is_success
    if type_ in _SETTLES and not is_about_its_forward:
        return "payment:status-update"
    return type_
