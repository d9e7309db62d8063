"""What a mail can say of an event: the values that templates put into their holes.

Two audiences. The shop is told all that its mails are for. Whoever paid gave us an
address that nobody has checked, so the mail may reach somebody else: it says what
`transport/live/allow_list.py` lets strangers read (what the chain shows, and what was
asked for) and the shop's name, and no order number, no id and nothing that the shop
keeps. A template of the one cannot use a name of the other's: `NAMES`.

Values are text on one line, of bounded length; "" is "there is none". Pure.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from engine.money.amount import sat_to_btc
from engine.payment.model import EventType
from engine.payment.money_terms import Price
from transport.outbound.email_message import one_line
from transport.outbound.email_words import CUSTOMER_WORDS, OTHER_WORDS, SHOP_WORDS
from transport.outbound.event_words import price_words

__all__ = ["NAMES", "EventEnvelope", "read", "values_for_customer", "values_for_shop"]

FAST_S: Final = 15
"""An address that is looked at so often, or oftener, is watched fast (S1.7)."""

MAX_VALUE = 300
_TYPES = tuple(str(t).partition(".")[2] for t in EventType)
_FOR_BOTH = (
    "address", "amount", "confirmations", "confirmations_required", "excess",
    "headline", "payment_hash", "price", "received", "returned", "sentence", "shop",
    "short", "status", "time", "txid", *_TYPES,
)  # fmt: skip
_FOR_SHOP = (
    "alert", "detail", "event", "event_id", "external_id", "fast", "flags", "gateway",
    "merchant", "credits", "sent_on", "payment_id", "poll_interval", "reason",
    "skipped", "source", "subject", "test", "total", "unverified",
)  # fmt: skip

NAMES: Final[dict[str, frozenset[str]]] = {
    "customer": frozenset(_FOR_BOTH),
    "shop": frozenset((*_FOR_BOTH, *_FOR_SHOP)),
}
"""By audience, the names that its templates may use."""


class _Refund(msgspec.Struct, frozen=True, kw_only=True):
    amount_sat: int
    txid: str = ""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    amount_sat: int
    fee_sat: int


class _Receipt(msgspec.Struct, frozen=True, kw_only=True):
    settled: dict[str, Any] | None = None  # of a Lightning invoice


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of what events of any type say beyond their type, what mails tell."""

    short_sat: int | None = None
    excess_sat: int | None = None
    short_minor: int | None = None
    excess_minor: int | None = None
    settled_minor: int | None = None
    source: str | None = None
    reason: str | None = None
    verified: bool | None = None
    refund: _Refund | None = None
    forward: _Part | None = None
    credits: int | None = None
    receipt: _Receipt | None = None


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """The event object (`engine/payment/events.py`), as far as mails go; of
    an alert or a test, other fields of it."""

    payment_id: str = ""
    status: str = ""
    flags: tuple[str, ...] = ()
    address: str | None = None
    external_id: str | None = None
    merchant: str | None = None
    amount_sat: int | None = None
    received_sat: int = 0
    confirmations: int = 0
    confirmations_required: int = 0
    txid: str | None = None
    payment_hash: str = ""
    method: str = "onchain"
    gateway: str = ""
    currency: str = "BTC"
    decimals: int = 8
    amount_minor: int | None = None
    data: _Data = _Data()
    kind: str = ""
    subject: str = ""
    detail: str = ""
    message: str = ""
    total: int = 1  # of alerts in one message


class EventEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of an event (`engine/delivery/channel.py`, `payload`)."""

    type: str
    timestamp: str
    skipped: tuple[int, ...] = ()
    data: _Event

    @property
    def at(self) -> int:
        """ms"""
        return round(datetime.fromisoformat(self.timestamp).timestamp() * 1000)

    @property
    def is_of_payment(self) -> bool:
        return self.type.startswith("payment.")


_read = msgspec.json.Decoder(EventEnvelope)


def read(body: bytes) -> EventEnvelope:
    """Raises `msgspec.MsgspecError` for what is no envelope of ours."""
    return _read.decode(body)


def values_for_customer(
    told: EventEnvelope, shop: str, price: Price | None = None
) -> dict[str, str]:
    """Of a payment's event. `shop`: the name that payers know the merchant by.
    `price`: the payment's, if it has one."""
    assert told.is_of_payment, "nobody who pays is told of alerts"
    return _bounded(_common(told, shop, CUSTOMER_WORDS, price))


def values_for_shop(
    told: EventEnvelope,
    shop: str,
    event_id: str,
    poll_interval_s: int | None,
    price: Price | None = None,
) -> dict[str, str]:
    """Of any event. `poll_interval_s`, `price`: of the payment, if it is known."""
    event, interval = told.data, poll_interval_s
    fast = interval is not None and interval <= FAST_S and told.is_of_payment
    values = _common(told, shop, SHOP_WORDS, price)
    values |= {
        "alert": event.kind,
        "credits": _credits(event),
        "detail": event.detail or event.message,
        "event": told.type,
        "event_id": event_id,
        "external_id": event.external_id or "",
        "fast": "fast" if fast else "",
        "flags": ", ".join(event.flags),
        "gateway": event.gateway,
        "merchant": event.merchant or "",
        "payment_id": event.payment_id,
        "poll_interval": "" if interval is None else f"{interval} s",
        "reason": event.data.reason or "",
        "sent_on": _sent_on(event),
        "skipped": ", ".join(map(str, told.skipped[:20])),
        "source": event.data.source or "",
        "subject": event.subject,
        "total": str(event.total) if event.total > 1 else "",
        "txid": values["txid"] or _txid(event),
        "test": "yes" if told.type == "channel.test" else "",
        "unverified": "yes" if event.data.verified is False else "",
    }
    return _bounded(values)


def _common(
    told: EventEnvelope,
    shop: str,
    words: dict[str, tuple[str, str]],
    price: Price | None,
) -> dict[str, str]:
    event, refund = told.data, told.data.data.refund
    values = {
        "address": event.address or "",
        "amount": _asked(event),
        "confirmations": str(event.confirmations) if _has_chain(event) else "",
        "confirmations_required": str(event.confirmations_required)
        if _has_chain(event)
        else "",
        "excess": _sum(event, event.data.excess_sat, event.data.excess_minor),
        "price": "" if price is None else price_words(price),
        "received": _received(event),
        "returned": "" if refund is None else _sum(event, refund.amount_sat, None),
        "shop": shop,
        "short": _sum(event, event.data.short_sat, event.data.short_minor),
        "status": event.status,
        "time": f"{datetime.fromtimestamp(told.at // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC",
        "txid": "",  # where money went back, or on to, is told to the shop only
        "payment_hash": event.payment_hash if _tells_invoice(event) else "",
    }
    if event.txid and event.data.forward is None and not _tells_invoice(event):
        values["txid"] = event.txid
    if told.is_of_payment:
        values[told.type.partition(".")[2]] = "yes"
    special = ""
    if event.data.verified is False:
        special = f"{told.type}, unverified"
    elif event.data.forward is not None:
        special = f"{told.type}, forward"
    elif refund is not None:
        special = f"{told.type}, refund"
    elif _is_by_lightning(event):
        special = f"{told.type}, lightning"
    headline, sentence = (
        words.get(special)
        or words.get(told.type)
        or OTHER_WORDS.get(told.type, ("", ""))
    )
    said = {**values, "subject": event.subject, "detail": event.detail}
    said["count"] = f"{event.confirmations} of {event.confirmations_required}"
    said["credits"] = _credits(event) or "The"
    said["sent_on"] = _sent_on(event) or "It"
    for name in ("amount", "received", "returned", "short", "excess"):
        said[name] = values[name] or "the sum"
    values["headline"] = headline or told.type
    values["sentence"] = sentence.format_map(said)
    return values


def _credits(event: _Event) -> str:
    return "" if event.data.credits is None else f"{event.data.credits:,}"


def _sent_on(event: _Event) -> str:
    part = event.data.forward
    return "" if part is None else _sum(event, part.amount_sat - part.fee_sat, None)


def _has_chain(event: _Event) -> bool:
    if event.method in {"external", "lightning"} or _tells_invoice(event):
        return False
    return bool(event.payment_id)


def _tells_invoice(event: _Event) -> bool:
    """Whether what stands in the place of a txid is a payment hash."""
    return bool(event.txid) and event.txid == event.payment_hash


def _is_by_lightning(event: _Event) -> bool:
    """Whether it tells of an invoice that was paid, or of a payment that nothing else
    can pay."""
    receipt = event.data.receipt
    is_settled = receipt is not None and receipt.settled is not None
    return is_settled or event.method == "lightning"


def _txid(event: _Event) -> str:
    """For the shop: also of where money went back, or on to."""
    if event.txid and not _tells_invoice(event):
        return event.txid
    return "" if event.data.refund is None else event.data.refund.txid


def _asked(event: _Event) -> str:
    return _sum(event, event.amount_sat, event.amount_minor)


def _received(event: _Event) -> str:
    if event.method == "external":
        return _sum(event, None, event.data.settled_minor)
    return _sum(event, event.received_sat, None) if event.received_sat else ""


def _sum(event: _Event, sat: int | None, minor: int | None) -> str:
    """In the currency of the payment; "" if nothing is said of it."""
    if event.method != "external":
        return "" if sat is None else f"{sat_to_btc(sat)} BTC"
    if minor is None:
        return ""
    places = min(max(event.decimals, 0), 18)
    digits = str(abs(minor)).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}{'.' if part else ''}{part} {event.currency}"


def _bounded(values: dict[str, Any]) -> dict[str, str]:
    return {name: one_line(value, MAX_VALUE) for name, value in values.items()}
