"""Channels and their deliveries as the API shows them. Values only."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from engine.delivery.channel import Channel
from engine.payment.events import iso

__all__ = [
    "AttemptEntry",
    "ChannelPage",
    "ChannelView",
    "DeliveryPage",
    "TestResult",
    "channel_view",
]


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel. `secret` is returned only when it is created or rotated.

    Of its own headers and of its kind's settings those that are credentials are not
    shown, only their names. `url` is null of a kind that has none.
    """

    id: str
    kind: str
    merchant: str
    url: str | None
    settings: dict[str, Any]
    sealed_settings: tuple[str, ...]
    types: tuple[str, ...]
    enabled: bool
    disabled_reason: str | None
    header_names: tuple[str, ...]
    has_own_ca: bool
    timeout_s: float
    refused_attempts: int
    refused_s: float
    schedule_s: tuple[float, ...]
    description: str
    event_version: int
    created_at: str
    old_secret_until: str | None
    secret: str | UnsetType = UNSET


class ChannelPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ChannelView]
    next_cursor: str | None


class AttemptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery attempt. `answer`: how the endpoint's answer began, 2,048 characters
    at most (200 where it took the event), without what the channel's headers hold."""

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
    answer: str | None


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[AttemptEntry]
    next_cursor: str | None


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the endpoint answered a test event."""

    delivered: bool
    status: int | None
    error: str | None
    latency_ms: int


def channel_view(
    channel: Channel, now: int, *, secret: str | None = None
) -> ChannelView:
    """A channel at `now` (ms), without its secrets but the new one given."""
    rotating = channel.old_secret is not None and now < channel.old_secret_until
    return ChannelView(
        id=channel.id,
        kind=channel.kind,
        merchant=channel.merchant,
        url=channel.url or None,
        settings=channel.settings,
        sealed_settings=channel.sealed_names,
        types=channel.types,
        enabled=channel.enabled,
        disabled_reason=channel.disabled_reason,
        header_names=channel.header_names,
        has_own_ca=channel.ca_pem is not None,
        timeout_s=channel.timeout_s,
        refused_attempts=channel.refused_attempts,
        refused_s=channel.refused_s,
        schedule_s=channel.schedule_s,
        description=channel.description,
        event_version=channel.event_version,
        created_at=iso(channel.created_at),
        old_secret_until=iso(channel.old_secret_until) if rotating else None,
        secret=UNSET if secret is None else secret,
    )
