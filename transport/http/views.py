"""What the control API gives, as types: every answer. `inputs.py` has what it takes.

The OpenAPI document is made from these. `view` is the one JSON form of a payment, on
every wire. Values only, no I/O.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from engine.delivery.channel import Channel
from engine.money.amount import payment_uri
from engine.payment.events import iso
from engine.payment.model import EventType, Flag, Payment, Status
from engine.ports import Freshness
from transport.server.refusal import ProblemBody

__all__ = [
    "CoreView",
    "AttemptEntry",
    "BatchEntry",
    "BatchPage",
    "ChannelPage",
    "ChannelView",
    "DeliveryPage",
    "EventPage",
    "EventView",
    "FreshnessView",
    "HealthView",
    "PaymentPage",
    "PaymentView",
    "PollAccepted",
    "ReadyView",
    "ReceiptView",
    "Requeued",
    "SourcePage",
    "SourceView",
    "TestResult",
    "WatcherPage",
    "WatcherView",
    "WebSocketHealth",
    "channel_view",
    "freshness_view",
    "iso_or_none",
    "view",
]


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """One output that pays a payment."""

    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None
    block_height: int | None
    confirmations: int


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it is now. `client_secret` only in the answer that creates it."""

    id: str
    status: Status
    flags: tuple[Flag, ...]
    method: str
    network: str
    asset: str
    address: str
    uri: str
    amount_sat: int | None
    tolerance_sat: int
    received_sat: int
    confirmed_sat: int
    confirmations: int
    confirmations_required: int
    receipts: tuple[ReceiptView, ...]
    external_id: str | None
    merchant: str
    metadata: dict[str, str | int | bool | None]
    created_at: str
    expires_at: str
    seq: int
    checkout_url: str
    client_secret: str | UnsetType = UNSET


class PaymentPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[PaymentView]
    next_cursor: str | None


class BatchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one payment of a batch: exactly one of the two is there."""

    payment: PaymentView | UnsetType = UNSET
    problem: ProblemBody | UnsetType = UNSET


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """One entry for each payment that was sent, in their order."""

    data: list[BatchEntry]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event; the same object on every channel. Written here for the document:
    on the wire it is the stored bytes.
    """

    id: str
    offset: int
    payment_id: str
    seq: int
    type: EventType
    at: str
    status: Status
    flags: tuple[Flag, ...]
    address: str
    external_id: str | None
    merchant: str
    amount_sat: int | None
    received_sat: int
    confirmations: int
    confirmations_required: int
    txid: str | None
    data: dict[str, Any]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_after` continues the reading; null at the end of what there is."""

    data: list[EventView]
    next_after: int | None


class Requeued(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries are pending again."""

    requeued: int


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel. `secret` only in the answer that made it."""

    id: str
    kind: str
    merchant: str
    url: str
    types: tuple[EventType, ...]
    enabled: bool
    disabled_reason: str | None
    timeout_s: float
    schedule_s: tuple[float, ...]
    description: str
    created_at: str
    old_secret_until: str | None
    secret: str | UnsetType = UNSET


class ChannelPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ChannelView]


class AttemptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a delivery."""

    id: int
    event_id: str
    payment_id: str
    seq: int
    attempt: int
    at: str
    latency_ms: int
    status: int | None
    outcome: str
    error: str | None


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[AttemptEntry]
    next_cursor: str | None


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the endpoint said to a test event."""

    delivered: bool
    status: int | None
    error: str | None
    latency_ms: int


class WatcherView(msgspec.Struct, frozen=True, kw_only=True):
    """One watcher in the live supervision tree."""

    payment_id: str
    address: str
    status: str
    state: Literal["running", "restarting", "quarantined"]
    incarnation: int
    restarts: int
    backlog: int
    last_error: str | None
    seen_at: str | None
    next_poll_at: str | None
    next_deadline_at: str | None


class CoreView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the actors that all watchers depend on."""

    name: str
    state: str
    incarnation: int
    backlog: int


class WatcherPage(msgspec.Struct, frozen=True, kw_only=True):
    """The tree: `core` in order of dependence, and a page of watchers."""

    core: list[CoreView]
    data: list[WatcherView]
    next_cursor: str | None


class PollAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The chain is looked at now; what is found comes as events."""

    address: str
    payment_id: str


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source. `state` is that of its circuit breaker."""

    name: str
    kind: str
    state: str
    active: bool
    tip_height: int | None
    tip_hash: str | None
    last_answer_at: str | None
    lag_s: float | None
    requests: int
    errors: int
    last_error: str | None
    budget_per_min: float | None
    budget_left: float | None
    watched: int
    waiting: int


class SourcePage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[SourceView]


class WebSocketHealth(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    clients: int


class FreshnessView(msgspec.Struct, frozen=True, kw_only=True):
    """How far what is shown can be trusted to be present."""

    source: str
    live: bool
    since: str | None
    tip_height: int | None


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers. Whether it takes new work, `GET /ready` says."""

    status: Literal["ok", "degraded"]
    service: str
    version: str
    network: str
    reasons: tuple[str, ...]
    websocket: WebSocketHealth
    watchers: int
    quarantined: int
    freshness: FreshnessView


class ReadyView(msgspec.Struct, frozen=True, kw_only=True):
    """The node takes new payments."""

    ready: bool
    watchers: int
    freshness: FreshnessView


# -- from the engine's values ---------------------------------------------------------


def view(payment: Payment, *, client_secret: str | None = None) -> PaymentView:
    """The JSON form of a payment; see api.md, "A payment"."""
    terms = payment.terms
    return PaymentView(
        id=terms.id,
        status=payment.status,
        flags=payment.flags,
        method=terms.method,
        network=terms.network,
        asset=terms.asset,
        address=terms.address,
        uri=payment_uri(terms.address, terms.amount_sat, None),
        amount_sat=terms.amount_sat,
        tolerance_sat=terms.tolerance_sat,
        received_sat=payment.received_sat,
        confirmed_sat=payment.confirmed_sat,
        confirmations=payment.confirmations,
        confirmations_required=terms.confirmations_required,
        receipts=tuple(
            ReceiptView(
                txid=receipt.txid,
                vout=receipt.vout,
                amount_sat=receipt.amount_sat,
                block_hash=receipt.block_hash,
                block_height=receipt.block_height,
                confirmations=receipt.confirmations,
            )
            for receipt in payment.receipts
        ),
        external_id=terms.external_id,
        merchant=terms.merchant,
        metadata=terms.metadata,
        created_at=iso(terms.created_at),
        expires_at=iso(terms.expires_at),
        seq=payment.seq,
        checkout_url=f"/pay/{terms.id}",
        client_secret=UNSET if client_secret is None else client_secret,
    )


def channel_view(
    channel: Channel, now: int, *, secret: str | None = None
) -> ChannelView:
    """A channel at `now` (ms), without its secrets but the new one given."""
    rotating = channel.old_secret is not None and now < channel.old_secret_until
    return ChannelView(
        id=channel.id,
        kind=channel.kind,
        merchant=channel.merchant,
        url=channel.url,
        types=channel.types,
        enabled=channel.enabled,
        disabled_reason=channel.disabled_reason,
        timeout_s=channel.timeout_s,
        schedule_s=channel.schedule_s,
        description=channel.description,
        created_at=iso(channel.created_at),
        old_secret_until=iso(channel.old_secret_until) if rotating else None,
        secret=UNSET if secret is None else secret,
    )


def freshness_view(freshness: Freshness) -> FreshnessView:
    return FreshnessView(
        source=freshness.source,
        live=freshness.live,
        since=iso_or_none(freshness.since),
        tip_height=freshness.tip_height,
    )


def iso_or_none(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
