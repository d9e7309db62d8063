"""Events: committed facts about one payment, and their one form on every wire.

`Event` is what `decide` returns and `evolve` folds; the journal gives it an offset.
`encode` makes the JSON object that every channel sends: it is stored as it is, so what
a shop was told once is told the same for ever.
"""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from engine.payment.changed import Changed
from engine.payment.forwarding import ForwardPart
from engine.payment.model import (
    Claim,
    EventType,
    External,
    Flag,
    GivenBack,
    Payment,
    Receipt,
    SavedToken,
    Status,
    Terms,
    external_key,
    lightning_key,
)
from engine.payment.money_terms import Quoted, Worth
from engine.payment.order import Order
from engine.payment.times import iso

__all__ = [
    "VERSION",
    "Change",
    "CommittedEvent",
    "Event",
    "decode",
    "encode",
    "iso",
    "opening",
    "with_offset",
]


VERSION = 1
"""Of the wire form. What is stored never changes, and what is told in this version has
these fields for ever: a field may be added, none changes or goes. Another form is
another version, told to whoever asks for it: an endpoint keeps the one it was made with
(`Channel.event_version`). `tests/unit/engine/payment/events_0_1_0.jsonl` is version 1.
"""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an event says beyond its type; `data` on the wire. Absent: not concerned."""

    terms: Terms | None = None  # created
    receipt: Receipt | None = None  # detected, replaced, reorged: the one concerned
    receipts: tuple[Receipt, ...] = ()  # confirming: those that moved, as they are now
    claim: Claim | None = None  # detected by a webhook; corroborated; withdrawn
    source: str | None = None  # who says so
    verified: bool | None = None  # False: a claim only
    short_sat: int | None = None
    excess_sat: int | None = None
    settled_sat: int | None = None  # confirmed: for this sum
    reason: str | None = None
    by: str | None = None  # whose hand
    # Of `external` payments; sums in minor units of the payment's currency:
    reference: str | None = None  # the transaction, as its gateway names it
    external: External | None = None  # all that the gateway has said, with this
    settled_minor: int | None = None  # confirmed: for this sum
    short_minor: int | None = None
    excess_minor: int | None = None
    token: SavedToken | None = None  # token_saved
    # Where others have the same external_id: how the order stands with them.
    order: Order | None = None  # expired, cancelled, failed, late, reversed
    refund: GivenBack | None = None  # refunded; updated: paid by another transaction
    changed: Changed | None = None  # updated: what was, and what is in its place
    # Of money that goes on to its owner (forwarding, forwarded, failed):
    forward: ForwardPart | None = None  # how it stands with this part of it
    forwarding_tx_hash: str | None = None
    completed_at: str | None = None  # forwarded: since when, as `at`
    swept_sat: int | None = None  # so much more (or less) than before has arrived
    swept_fee_sat: int | None = None  # with the fee that was paid of it
    # What the ledger books of it (`engine/payment/booking.py`): differences, so much
    # more or less than before. Of events from before the ledger, nothing.
    booked_sat: int | None = None  # sold: what is confirmed of a paid payment
    booked_minor: int | None = None  # the same of an `external` one
    # Of `booked_sat` and `held_sat` so much came by Lightning, and so much of that its
    # node kept:
    booked_lightning_sat: int | None = None
    held_lightning_sat: int | None = None
    lightning_fee_sat: int | None = None
    held_sat: int | None = None  # confirmed, of a payment that is over unpaid
    credits: int | None = None  # credited: to the account of its terms; reversed: back
    worth: Worth | None = None  # of `booked_sat`, at the rate in it
    held_worth: Worth | None = None  # the same of `held_sat`
    credits_worth: Worth | None = None  # of `credits`: what was paid for them
    quoted: Quoted | None = None  # the rate of its moment, for all else that is booked


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact about one payment, numbered within it."""

    payment_id: str
    seq: int
    type: EventType
    at: int  # ms
    status: Status  # after the event
    flags: tuple[Flag, ...]  # after the event
    received_sat: int
    confirmations: int
    txid: str | None
    data: Change


class CommittedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with its place in the journal and its wire form (a JSON object)."""

    offset: int
    event: Event
    merchant: str
    wire: bytes


class _Wire(msgspec.Struct, kw_only=True):
    """Field order here is field order on the wire, after `id` and `offset`."""

    payment_id: str
    seq: int
    type: EventType
    at: str
    status: Status
    flags: tuple[Flag, ...]
    address: str | None
    external_id: str | None
    merchant: str
    amount_sat: int | None
    received_sat: int
    confirmations: int
    confirmations_required: int
    txid: str | None
    payment_hash: str | UnsetType = UNSET  # of an invoice, where Lightning can pay it
    # Of a payment without a chain only; `amount_sat` is null of a gateway's.
    method: str | UnsetType = UNSET
    gateway: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    amount_minor: int | UnsetType | None = UNSET
    data: Change


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Wire)


def encode(event: Event, terms: Terms) -> bytes:
    """The wire form without `id` and `offset`, which only the commit gives."""
    is_external, invoice = terms.is_external, terms.lightning
    has_chain = terms.has_chain
    return _encoder.encode(
        _Wire(
            payment_id=event.payment_id,
            seq=event.seq,
            type=event.type,
            at=iso(event.at),
            status=event.status,
            flags=event.flags,
            address=terms.shown_address,
            external_id=terms.external_id,
            merchant=terms.merchant,
            amount_sat=terms.amount_sat,
            received_sat=event.received_sat,
            confirmations=event.confirmations,
            confirmations_required=terms.confirmations_required,
            txid=event.txid,
            payment_hash=UNSET if invoice is None else _hash_of(event, terms),
            method=UNSET if has_chain else terms.method,
            gateway=terms.gateway if is_external else UNSET,
            currency=terms.asset if is_external else UNSET,
            decimals=terms.decimals if is_external else UNSET,
            amount_minor=terms.amount_minor if is_external else UNSET,
            data=event.data if has_chain else _shown(event.data),
        )
    )


def _hash_of(event: Event, terms: Terms) -> str:
    """Of the invoice for the whole sum; of what tells of another one's money, that."""
    assert terms.lightning is not None, terms.id
    if any(rest.payment_hash == event.txid for rest in terms.rests):
        assert event.txid is not None
        return event.txid
    return terms.lightning.payment_hash


def _shown(data: Change) -> Change:
    """Without what stands in the place of an address, which nobody is shown."""
    if data.terms is None:
        return data
    return msgspec.structs.replace(
        data, terms=msgspec.structs.replace(data.terms, address="")
    )


def _kept(data: Change) -> Change:
    """What `_shown` was made of."""
    terms = data.terms
    if terms is None or terms.has_chain:
        return data
    if terms.lightning is not None:
        key = lightning_key(terms.lightning.payment_hash)
    else:
        key = external_key(terms.merchant, terms.gateway, terms.external_id or "")
    return msgspec.structs.replace(
        data, terms=msgspec.structs.replace(terms, address=key)
    )


def with_offset(offset: int, body: bytes, epoch: str | None = None) -> bytes:
    """The whole wire form, from a stored body. `epoch` is the one in which the event
    was committed: `engine.store.epochs`."""
    if epoch is None:
        return b'{"id":"evt_%d","offset":%d,' % (offset, offset) + body[1:]
    ids = epoch.encode(), offset, offset
    return b'{"id":"evt_%b_%d","offset":%d,' % ids + body[1:]


def decode(body: bytes) -> Event:
    """An event from its stored body. Raises `msgspec.ValidationError`."""
    wire = _decoder.decode(body)
    at = datetime.fromisoformat(wire.at)
    return Event(
        payment_id=wire.payment_id,
        seq=wire.seq,
        type=wire.type,
        at=round(at.timestamp() * 1000),
        status=wire.status,
        flags=wire.flags,
        received_sat=wire.received_sat,
        confirmations=wire.confirmations,
        txid=wire.txid,
        data=_kept(wire.data),
    )


def opening(terms: Terms) -> tuple[Event, Payment]:
    """The first event of a payment, and the payment it makes."""
    event = Event(
        payment_id=terms.id,
        seq=1,
        type=EventType.CREATED,
        at=terms.created_at,
        status=Status.PENDING,
        flags=(),
        received_sat=0,
        confirmations=0,
        txid=None,
        data=Change(terms=terms),
    )
    return event, Payment(terms=terms, seq=1)
