"""What anybody may read of a payment who knows nothing but its address.

An address is public on the chain, and so are its outputs. So a stranger is told what
the chain shows of it and what was asked for: status, flags, sums, depth, txids, times.
Not whose payment it is, nor what the shop keeps about it, nor an id: `/pay/<id>` shows
the order number. Nor its invoice, which no chain shows, nor what the shop's node kept
of one that was settled: of such a receipt payment hash and sum are told. Who resumes
needs `seq` and the epoch only.

These types are the list: what they do not name is not there, so a field that is new
elsewhere is shown to nobody by itself. `data` is of one form for all types of events:
the outputs concerned, sums, and whether it is more than a claim. Terms, claims, names
of sources and providers, reasons and hands are the shop's.

A visitor of the shop's site, who has a token of it, may follow all payments of the
shop (or of one salon of its): so a visitor is told the payment's ids beside, to know
which of them it is, and no more; other visitors' `metadata` is none of theirs.

Pure; called once for each event, whoever hears it.
"""

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "event_for_strangers",
    "event_for_visitors",
    "state_for_strangers",
    "state_for_visitors",
]


class _Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None
    block_height: int | None
    confirmations: int
    is_coinbase: bool | UnsetType = UNSET
    method: str | UnsetType = UNSET


class _Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    receipt: _Receipt | UnsetType = UNSET
    receipts: tuple[_Receipt, ...] | UnsetType = UNSET
    verified: bool | UnsetType = UNSET
    short_sat: int | UnsetType = UNSET
    excess_sat: int | UnsetType = UNSET
    settled_sat: int | UnsetType = UNSET
    settled_minor: int | UnsetType = UNSET
    short_minor: int | UnsetType = UNSET
    excess_minor: int | UnsetType = UNSET


class _Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Words are text here: what is stored is told as it is."""

    seq: int
    type: str
    at: str
    status: str
    flags: tuple[str, ...]
    address: str | None
    amount_sat: int | None
    received_sat: int
    confirmations: int
    confirmations_required: int
    txid: str | None
    currency: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    amount_minor: int | UnsetType | None = UNSET
    data: _Data


class _Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """That less is known of this address than of others. Why is the shop's."""

    live: bool
    since_when: str


class _State(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    flags: tuple[str, ...]
    address: str | None
    amount_sat: int | None
    received_sat: int
    confirmed_sat: int
    confirmations: int
    confirmations_required: int
    receipts: tuple[_Receipt, ...]
    created_at: str
    expires_at: str
    seq: int
    currency: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    amount_minor: int | UnsetType | None = UNSET
    methods: tuple[str, ...] | UnsetType = UNSET
    received_minor: int | UnsetType = UNSET
    freshness: _Freshness | UnsetType = UNSET


class _VisitorsEvent(_Event, frozen=True, kw_only=True, gc=False):
    payment_id: str
    external_id: str | None = None


class _VisitorsState(_State, frozen=True, kw_only=True):
    id: str
    external_id: str | None = None


_encode = msgspec.json.Encoder().encode
_visitors_event = msgspec.json.Decoder(_VisitorsEvent)
_visitors_state = msgspec.json.Decoder(_VisitorsState)
_event = msgspec.json.Decoder(_Event)
_state = msgspec.json.Decoder(_State)


def event_for_strangers(wire: bytes) -> bytes:
    """A stored event (`CommittedEvent.wire`) without what is not on the list."""
    return _encode(_event.decode(wire))


def state_for_strangers(state: bytes) -> bytes:
    """A payment as it is now (`Frames.state_object`), likewise."""
    return _encode(_state.decode(state))


def event_for_visitors(wire: bytes) -> bytes:
    """A stored event for who has a token of the shop's site."""
    return _encode(_visitors_event.decode(wire))


def state_for_visitors(state: bytes) -> bytes:
    """A payment as it is now, likewise."""
    return _encode(_visitors_state.decode(state))
