"""Outbound channels as values, and the rules of delivering to them. Pure.

A channel is one way to tell a shop: a webhook endpoint (Standard Webhooks), or one of
the other kinds in `engine/delivery/kinds.py`.
Delivery is stop-and-wait per payment: the next event of a payment is sent only after
the one before it was delivered or given up. Payments do not wait for one another.
"""

from typing import Any

import msgspec

from engine.delivery.attempt import (
    DONE,
    SCHEDULE_S,
    AttemptOutcome,
    SendResult,
    next_delay_s,
    was_held_back,
)
from engine.delivery.kinds import WEBHOOK
from engine.delivery.refusal import (
    REFUSED_ATTEMPTS,
    REFUSED_S,
    Refusals,
    is_refusal,
)
from engine.delivery.selection import every_payment, is_chosen
from engine.payment.model import EventType
from engine.store.records import ChannelRecord, Pending
from engine.store.writes import ChannelRow, DeliveryResult

__all__ = [
    "SECRET_OVERLAP_S",
    "Channel",
    "active_secrets",
    "after_attempt",
    "channel_of",
    "channel_row",
    "result_of",
    "payload",
    "wants",
]

SECRET_OVERLAP_S = 86_400
"""After a rotation the old secret signs beside the new one for a day (Svix: 24 h)."""


_THE_LAST = frozenset({AttemptOutcome.GONE, AttemptOutcome.REFUSED})

_AGAIN_AT_ONCE = frozenset({AttemptOutcome.MOVED, AttemptOutcome.RESTED})
"""At the new place, or when the channel is enabled again. These are attempts too, and
end with the schedule: an endpoint that moves for ever is given up like any other."""


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An outbound channel. `secret` is sealed (see `engine/secrets/vault.py`).

    A webhook has a `url` and what belongs to it; every other kind has `settings`.
    """

    id: str
    kind: str = WEBHOOK
    merchant: str = "*"  # whose events; "*": everybody's
    url: str = ""
    types: tuple[str, ...] = ()  # see `selection.py`; empty: every event of a payment
    enabled: bool = True
    disabled_reason: str | None = None
    secret: str = ""
    old_secret: str | None = None
    old_secret_until: int = 0  # ms
    sealed_headers: str | None = None  # its own: see `endpoint.py`
    header_names: tuple[str, ...] = ()  # of these, to be shown
    settings: dict[str, Any] = {}  # of its kind: those that are shown
    sealed_settings: str | None = None  # and those that are not: see `endpoint.py`
    sealed_names: tuple[str, ...] = ()  # of these, to be shown
    ca_pem: str | None = None  # whose certificates are believed; None: the usual CAs
    schedule_s: tuple[float, ...] = tuple(float(s) for s in SCHEDULE_S)
    refused_attempts: int = REFUSED_ATTEMPTS
    refused_s: float = REFUSED_S
    timeout_s: float = 15.0
    description: str = ""
    event_version: int = 1  # of the events it is told: the one it was made with
    created_at: int  # ms


def wants(channel: Channel, type_: EventType, merchant: str) -> bool:
    """Whether an event concerns the channel. Mirrors the journal's outbox query."""
    mine = channel.merchant in {"*", merchant}
    return channel.enabled and mine and is_chosen(channel.types, type_)


def active_secrets(channel: Channel, now: int) -> tuple[str, ...]:
    """Sealed secrets to sign with at `now` (ms): the new one first. A kind that signs
    nothing has none."""
    if not channel.secret:
        return ()
    if channel.old_secret is not None and now < channel.old_secret_until:
        return channel.secret, channel.old_secret
    return (channel.secret,)


def result_of(
    channel: Channel,
    result: SendResult,
    *,
    payment_id: str,
    head: Pending,
    now: int,
    rand: float,
) -> DeliveryResult:
    """What an attempt to deliver `head` means for the delivery.

    Delivered; or pending with the time (ms) of the next attempt; or, when the schedule
    is used up, the endpoint says 410 or that it will never have it, or has refused it
    for as long as the channel permits, dead: kept for `redeliver`.
    """
    state, next_at = "delivered", 0
    is_held_back = was_held_back(result)
    attempt = head.attempts if is_held_back else head.attempts + 1
    refusals = Refusals(head.refusals, head.refused_at) if head.attempts else Refusals()
    if result.outcome not in DONE:
        delay = None
        if is_held_back:
            delay = next_delay_s(0, (0.0,), rand, result.retry_after_s)
        elif result.outcome not in _THE_LAST:
            delay = next_delay_s(
                attempt, channel.schedule_s, rand, result.retry_after_s
            )
        if delay is not None and result.outcome in _AGAIN_AT_ONCE:
            delay = 0.0
        state = "dead" if delay is None else "pending"
        next_at = 0 if delay is None else now + round(delay * 1000)
        if is_refusal(result):
            refusals = refusals.and_one(now)
            until = refusals.since + round(channel.refused_s * 1000)
            if refusals.count >= channel.refused_attempts or now >= until:
                state, next_at = "dead", 0
            next_at = min(next_at, until)
    return DeliveryResult(
        channel_id=channel.id,
        payment_id=payment_id,
        offset=head.offset,
        seq=head.seq,
        attempt=attempt,
        at=now,
        latency_ms=round(result.latency_ms),
        status=result.status,
        outcome=str(result.outcome.value),
        error=result.error,
        state=state,
        next_at=next_at,
        refusals=refusals.count,
        refused_at=refusals.since,
        answer=result.answer,
    )


def after_attempt(channel: Channel, result: SendResult) -> Channel | None:
    """The channel as its endpoint wants it from now on; None: as it is."""
    match result.outcome:
        case AttemptOutcome.GONE:
            reason = "the endpoint answered 410 Gone"
        case AttemptOutcome.RESTED:
            reason = result.error or "its endpoint takes nothing"
        case AttemptOutcome.MOVED:
            settings = {**channel.settings, **(result.settings or {})}
            return msgspec.structs.replace(channel, settings=settings)
        case _:
            return None
    return msgspec.structs.replace(channel, enabled=False, disabled_reason=reason)


def payload(
    event_json: bytes, event_type: str, timestamp: str, skipped: tuple[int, ...] = ()
) -> bytes:
    """The body of a webhook. `event_json` is put in as it is, already encoded.

    `skipped`: numbers (`seq`) of events of the payment that were given up since the
    last that was delivered; without any the body says nothing of it.
    """
    said: dict[str, object] = {"type": event_type, "timestamp": timestamp}
    if skipped:
        said["skipped"] = skipped
    head = msgspec.json.encode(said)
    return head[:-1] + b',"data":' + event_json + b"}"


def channel_row(
    channel: Channel, replaces: tuple[bytes, ...] | None = None
) -> ChannelRow:
    """The channel as the journal keeps it; `replaces`: see `ChannelRow`."""
    return ChannelRow(
        id=channel.id,
        merchant=channel.merchant,
        enabled=channel.enabled,
        types=() if every_payment(channel.types) else tuple(map(str, channel.types)),
        created_at=channel.created_at,
        state=msgspec.json.encode(channel),
        replaces=replaces,
    )


def channel_of(record: ChannelRecord) -> Channel:
    """The channel from its row."""
    return msgspec.json.decode(record.state, type=Channel)
