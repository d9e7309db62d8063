"""Entries of the node's Redis stream to their gateways, and how the stream stands.

An entry is believed as a webhook is: by the signature over the gateway's own bytes,
which it carries. Only for gateways that the operator names (`--redis-trusted`) is
whoever may write to the stream believed without one.
"""

import hashlib
import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.config import Config
from engine.errors.codes import Code
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.policy.periods import DAY_MS
from transport.http.auth import Auth
from transport.http.bottle_app import Api, answer, environ
from transport.http.openapi import Operation
from transport.http.problems import Problem
from transport.inbound.gateway_body import BODY_BYTES, read_gateway_body
from transport.inbound.gateway_reading import read_notification
from transport.inbound.gateways import Gateways
from transport.inbound.redis_entries import Notification
from transport.inbound.redis_stream import (
    HeldWatch,
    RedisStreamReader,
    StreamNames,
    StreamState,
)
from transport.outbound.lookups import Lookups

__all__ = ["reader_of", "routes", "taker"]


OLDEST_MS = DAY_MS
"""So long an entry may wait and its signature's time be held against when Redis got it.
A signed notification that somebody puts in again is a repetition for the journal."""


def reader_of(
    config: Config, gateways: Gateways, watch: HeldWatch
) -> RedisStreamReader | None:
    """Of the node's stream, not started. None: the node has no Redis."""
    if config.redis is None:
        return None
    # Only where it is asked for: a node without a Redis needs nothing of it.
    from transport.outbound.redis_link import RedisLink

    consumer = config.redis_consumer or socket.gethostname()
    names = StreamNames(config.redis_stream, config.redis_group, consumer)
    link = RedisLink(config.redis, Lookups(), allow_private=True, name="paybell-in")
    take = taker(gateways, config.redis_trusted, watch.now)
    return RedisStreamReader(link, names, take, watch)


def taker(
    gateways: Gateways, trusted: Mapping[str, str], now: Callable[[], int]
) -> Callable[[Notification], str]:
    """What takes an entry: returns accepted, noted or duplicate when that is committed.

    `trusted`: the merchant of each gateway whose entries need no signature.
    """

    def take(one: Notification) -> str:
        merchant = trusted.get(one.gateway)
        if merchant is None:
            at = min(max(one.at, now() - OLDEST_MS), now())
            found = gateways.take(
                one.gateway, one.raw, one.headers, dedupe=one.dedupe, at=at
            )
            return found.status
        mapping = gateways.mappings.get(one.gateway)
        if mapping is None or merchant not in mapping.merchants:
            raise Problem(
                Code.GATEWAY_NOT_FOUND,
                "This node has no such gateway, or it does not act for the merchant"
                " that --redis-trusted names.",
            )
        if len(one.raw) > BODY_BYTES:
            detail = f"A notification has at most {BODY_BYTES} bytes."
            raise Problem(Code.BODY_TOO_LARGE, detail)
        body = read_gateway_body(one.raw, mapping.body)
        read = read_notification(one.gateway, mapping, body)
        digest = hashlib.sha256(one.raw).hexdigest()
        return gateways.take_read(read, merchant, one.dedupe or "", digest).status

    return take


class RedisView(msgspec.Struct, frozen=True, kw_only=True):
    """The stream that the node reads. `state`: reading, waiting (the journal takes
    nothing now) or unreachable; `reason` says why. `pending`: read by somebody of the
    group and not committed yet; `lag`: not read yet, as far as Redis knows. The counts
    are since the node's start; `dead`: put aside in `<stream>:dead`."""

    url: str
    stream: str
    group: str
    consumer: str
    state: str
    since: str
    reason: str | None
    taken: int
    duplicates: int
    dead: int
    pending: int | None
    lag: int | None
    last_id: str | None


class RedisPage(msgspec.Struct, frozen=True, kw_only=True):
    """One, or none: the node has no Redis."""

    data: list[RedisView]


class _Redis:
    """One method for each operation."""

    def __init__(self, auth: Auth, state: Callable[[], StreamState] | None) -> None:
        self._auth = auth
        self._state = state

    @Operation(
        name="list_redis",
        method="GET",
        path="/v1/redis",
        scope=Scope.OPERATOR,
        tag="node",
        summary="The Redis stream that notifications of gateways are taken from: state,"
        " backlog, counts. Needs a key of the whole node.",
        answers={200: RedisPage},
    )
    def list_redis(self) -> Any:
        self._auth.require(environ())
        if self._state is None:
            return answer(RedisPage(data=[]))
        values = msgspec.structs.asdict(self._state())
        view = RedisView(**values | {"since": iso(values["since"])})
        return answer(RedisPage(data=[view]))


def routes(app: Api, auth: Auth, state: Callable[[], StreamState] | None) -> None:
    """`state` None: the node has no Redis."""
    app.add_all(_Redis(auth, state))
