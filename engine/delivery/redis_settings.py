"""What a channel of the kind `redis` is configured with. Values only."""

from typing import Annotated

import msgspec

from engine.delivery.kind_settings import ChannelSettings

__all__ = ["MAXLEN", "RedisSettings"]

MAXLEN = 100_000
"""Entries of 2 KB: 200 MB of Redis, a busy day of a shop. A consumer that is further
behind than that reads the events from `/v1/events`."""


class RedisSettings(ChannelSettings, frozen=True, kw_only=True):
    """One stream of one Redis."""

    stream: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[!-~]{1,200}$",
            description="1 to 200 printable ASCII characters without spaces",
        ),
    ] = "paybell:events"

    url: Annotated[
        Annotated[str, msgspec.Meta(max_length=2_048)] | None,
        msgspec.Meta(
            description="redis://, rediss:// or unix://; null: the node's own Redis"
        ),
    ] = None
    """Sealed: it may hold a password."""

    maxlen: Annotated[
        int,
        msgspec.Meta(ge=1_000, le=100_000_000, description="from 1000 to 100000000"),
    ] = MAXLEN
    """So many entries at least are kept (`MAXLEN ~`)."""

    ca_pem: Annotated[
        Annotated[str, msgspec.Meta(max_length=65_536)] | None,
        msgspec.Meta(description="certificates in PEM, or null"),
    ] = None
    """Only these authorities are believed; None: the usual ones."""
