"""Why did it not arrive? What a payment's channels were told, attempt by attempt; and
what a channel has not been told yet, or was given up.

A request is shown as it is made of the event, which never changes, without what is
secret of it: the signature, and what the channel's own headers hold. Reads through the
gateway, in the request's greenlet.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from engine.delivery.bodies import BODIES
from engine.delivery.channel import Channel
from engine.delivery.kinds import WEBHOOK
from engine.gateway import COUNT_UP_TO, Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.store.records import AttemptView, DeliveryRecord
from engine.store.writes import FIRST
from transport.control.channel_views import AttemptEntry
from transport.control.seen import seen_channel, seen_payment
from transport.http.auth import Auth
from transport.http.bottle_app import Api, answer, environ
from transport.http.cursors import age_cursor, read_age
from transport.http.openapi import Operation
from transport.http.params import CursorQuery
from transport.http.request_json import query
from transport.outbound.answer_head import shown_url

__all__ = ["PaymentDeliveries", "attempt_entry", "routes"]

BODY_CHARS: Final = 16_384
HIDDEN: Final = "***"


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is sent. The time in its headers is that of each attempt."""

    url: str
    headers: dict[str, str]
    body: str
    body_is_whole: bool


class DeliveryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one channel. `state` is pending, delivered or dead (given up);
    `next_attempt_at` null: none is due, or (pending) as soon as it has its turn.
    `log`: the newest 20 attempts, the newest first, as far as they are kept.
    """

    channel_id: str
    kind: str | None
    description: str | None
    channel_enabled: bool
    event_id: str
    type: str
    seq: int
    state: Literal["pending", "delivered", "dead"]
    attempts: int
    next_attempt_at: str | None
    request: RequestView | None
    log: list[AttemptEntry]


class PaymentDeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[DeliveryEntry]
    next_cursor: str | None


class OwedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the channel has not been told."""

    payment_id: str
    event_id: str
    type: str
    seq: int
    state: Literal["pending", "dead"]
    attempts: int
    next_attempt_at: str | None


class BacklogPage(msgspec.Struct, frozen=True, kw_only=True):
    """`pending` and `dead` count up to `counted_up_to`: that much means so much or
    more."""

    pending: int
    dead: int
    counted_up_to: int
    data: list[OwedEntry]
    next_cursor: str | None


class BacklogQuery(CursorQuery):
    """Which of it to list, by payment."""

    state: Annotated[
        Literal["pending", "dead"], Meta(description="pending or dead")
    ] = "dead"


def attempt_entry(attempt: AttemptView) -> AttemptEntry:
    said = {**msgspec.structs.asdict(attempt), "at": iso(attempt.at)}
    return AttemptEntry(**said)


def routes(app: Api, gateway: Gateway, auth: Auth) -> None:
    app.add_all(PaymentDeliveries(gateway, auth))


class PaymentDeliveries:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_payment_deliveries",
        method="GET",
        path="/v1/payments/<payment_id>/deliveries",
        scope=Scope.READ,
        tag="payments",
        summary="What channels were told of a payment, with each attempt, and what they"
        " are to be told; in the order of its events. POST …/redeliver with channel_id"
        " and event_id sends one again.",
        query=CursorQuery,
        answers={200: PaymentDeliveryPage},
        problems=(404,),
    )
    def list_payment_deliveries(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        payment = seen_payment(self._gateway, payment_id, principal)
        asked = query(environ(), CursorQuery)
        after = FIRST
        if asked.cursor is not None:
            offset, channel_id = read_age(asked.cursor)
            after = channel_id, offset
        found = self._gateway.deliveries_of(
            payment.id, principal.merchant, after, asked.limit + 1
        )
        page = found[: asked.limit]
        names = {delivery.channel_id for delivery in page}
        channels = {name: self._gateway.channel(name) for name in names}
        more = None
        if len(found) > len(page):
            more = age_cursor((page[-1].offset, page[-1].channel_id))
        entries = [_entry(delivery, channels[delivery.channel_id]) for delivery in page]
        return answer(PaymentDeliveryPage(data=entries, next_cursor=more))

    @Operation(
        name="list_backlog",
        method="GET",
        path="/v1/channels/<channel_id>/backlog",
        scope=Scope.READ,
        tag="channels",
        summary="How much the channel has not been told yet, and how much was given up,"
        " with the events themselves.",
        query=BacklogQuery,
        answers={200: BacklogPage},
        problems=(404,),
    )
    def list_backlog(self, channel_id: str) -> Any:
        channel = seen_channel(self._gateway, channel_id, self._auth.require(environ()))
        asked = query(environ(), BacklogQuery)
        after = "", 0
        if asked.cursor is not None:
            offset, payment_id = read_age(asked.cursor)
            after = payment_id, offset
        backlog = self._gateway.backlog(channel.id, asked.state, after, asked.limit + 1)
        page = backlog.deliveries[: asked.limit]
        more = None
        if len(backlog.deliveries) > len(page):
            more = age_cursor((page[-1].offset, page[-1].payment_id))
        return answer(
            BacklogPage(
                pending=backlog.pending,
                dead=backlog.dead,
                counted_up_to=COUNT_UP_TO,
                data=[msgspec.convert(_owed(one), OwedEntry) for one in page],
                next_cursor=more,
            )
        )


def _owed(delivery: DeliveryRecord) -> dict[str, Any]:
    return {
        "payment_id": delivery.payment_id,
        "event_id": delivery.event_id,
        "type": delivery.type,
        "seq": delivery.seq,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": _next_at(delivery),
    }


def _next_at(delivery: DeliveryRecord) -> str | None:
    is_due = delivery.state == "pending" and delivery.next_at > 0
    return iso(delivery.next_at) if is_due else None


def _entry(delivery: DeliveryRecord, channel: Channel | None) -> DeliveryEntry:
    said = {
        **_owed(delivery),
        "channel_id": delivery.channel_id,
        "kind": None if channel is None else channel.kind,
        "description": None if channel is None else channel.description,
        "channel_enabled": channel is not None and channel.enabled,
        "request": None if channel is None else _request(delivery, channel),
        "log": [attempt_entry(attempt) for attempt in delivery.log],
    }
    return msgspec.convert(said, DeliveryEntry)


def _request(delivery: DeliveryRecord, channel: Channel) -> RequestView | None:
    """Of a webhook, whose receiver somebody wrote; other kinds are told in words."""
    body_of = BODIES.get(channel.event_version)
    if channel.kind != WEBHOOK or body_of is None:
        return None
    at = msgspec.json.decode(delivery.wire, type=_Moment).at
    body = body_of(delivery.wire, delivery.type, at, delivery.skipped).decode()
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": "(when it was sent, in seconds)",
        "webhook-signature": f"v1,{HIDDEN}",
        **dict.fromkeys(channel.header_names, HIDDEN),
    }
    is_whole = len(body) <= BODY_CHARS
    return RequestView(
        url=shown_url(channel.url),
        headers=headers,
        body=body[:BODY_CHARS],
        body_is_whole=is_whole,
    )


class _Moment(msgspec.Struct):
    """What is needed of an event."""

    at: str
