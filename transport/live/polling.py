"""What a page is told that neither WebSockets nor event streams get through to.

    GET /poll/balance/<address>?since=&token=       who knows an address
    GET /poll/payment/<payment_id>?since=&token=    who has a payment's client_secret
    GET /poll/order?external_id=&token=&merchant=   as `identify` on /ws

The answer holds the messages that a WebSocket would have begun with, as an array: the
state, how fresh it is, and with `since` the events after it, so many at a time. It is
made by a session as theirs are, which ends when the answer is whole.

A page whose origin is not allowed may read that it is not, and nothing else: browsers
hide from scripts why a WebSocket was refused, so `paybell.js` asks here.

Runs in the request's greenlet.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from gevent.event import Event as Signal
from msgspec import Meta

from engine.errors.codes import Code, StreamCode
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT
from engine.payment.events import CommittedEvent, iso
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.secrets.vault import Vault
from engine.store.epochs import POSITION, Position
from transport.http.bottle_app import Api, HttpAnswer, environ
from transport.http.find_payment import find_followed
from transport.http.input_values import MAX_EXTERNAL_ID
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.http.problems import Problem, problem_of, rate_limited, retry_later
from transport.http.request_json import query
from transport.http.site_tokens import SiteTokens
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.live.audience import NOT_PROVEN, Audience
from transport.live.doors import DoorClosed, Doors, Guest
from transport.live.encoding import Frames, error_message, message, source_message
from transport.live.topics import payment_message
from transport.live.visit import is_site_token
from transport.server.client_address import address_key
from transport.server.upgrade import is_allowed_origin

__all__ = ["MAX_EVENTS", "Polled", "routes"]

#: Events in one answer, about 100 KB: who lacks more asks again.
MAX_EVENTS: Final = 200
#: A session reads its state in milliseconds; a client would not wait for longer.
ANSWER_S: Final = 10.0

_Token = Annotated[
    str | None,
    Meta(description="the payment's client_secret, or a token of the shop's site"),
]


class PollQuery(Query):
    """Where a reader goes on."""

    since: Annotated[
        Annotated[str, Meta(pattern=POSITION)] | None,
        Meta(description="the last event that was read, <epoch>-<seq>, or its seq"),
    ] = None
    token: _Token = None


class OrderQuery(Query):
    """Whose order. Not in the path: an order's number may have any characters."""

    external_id: Annotated[str, Meta(min_length=1, max_length=MAX_EXTERNAL_ID)]
    token: _Token = None
    merchant: Annotated[
        str | None, Meta(description="narrows it to one shop of a shared node")
    ] = None


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """The messages that a WebSocket would have begun with."""

    messages: list[msgspec.Raw]


class _Collector:
    """A `Sink` that keeps what it is told until the present state is reached."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.messages: list[bytes] = []
        self.done = Signal()
        self._until: int | None = None  # the seq to be reached
        self._seq = 0

    def has_room(self, _again: Callable[[], None]) -> bool:
        if len(self.messages) < MAX_EVENTS:
            return True
        self.done.set()
        return False

    def state(self, payment: Payment, since: int | None) -> bool:
        self._until = payment.seq
        self._seq = payment.seq if since is None else since
        return self._keep(self._frames.state(payment))

    def freshness(self, freshness: Freshness) -> bool:
        kept = self._keep(source_message(freshness))
        self._finish()
        return kept

    def event(self, event: CommittedEvent) -> bool:
        self._seq = event.event.seq
        kept = self._keep(self._frames.text(event))
        self._finish()
        return kept

    def problem(self, code: StreamCode, message: str) -> bool:
        return self._keep(error_message(code, message))

    def close(self, code: int, reason: str) -> None:
        self.done.set()

    def _keep(self, text: bytes) -> bool:
        if self.done.is_set():
            return False
        self.messages.append(text)
        return True

    def _finish(self) -> None:
        if self._until is not None and self._seq >= self._until:
            self.done.set()


class _Polling:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        audience: Audience,
        vault: Vault,
        identify_wait_s: Callable[[str], float],
        doors: Doors,
        default_merchant: str,
    ) -> None:
        self._doors = doors
        self._default_merchant = default_merchant
        self._gateway = gateway
        self._audience = audience
        self._vault = vault
        self._identify_wait_s = identify_wait_s

    def balance(self, address: str) -> list[bytes]:
        asked = query(environ(), PollQuery)
        since = _position(asked)
        if since is not None:
            since = self._gateway.epochs().at_an_address(since)
        payment = find_followed(self._gateway, address)
        if payment is None:
            raise Problem(
                Code.PAYMENT_NOT_FOUND, "No payment is known at this address."
            )
        frames = self._audience.frames(environ(), payment)
        return self._messages(payment.id, frames, since)

    def payment(self, payment_id: str) -> list[bytes]:
        asked = query(environ(), PollQuery)
        payment = self._gateway.payment(payment_id)
        if payment is not None and is_site_token(asked.token):
            guest = self._guest(asked.token, (payment.terms.merchant,))
            if guest is not None and guest.may_hear_of(payment.terms):
                frames = self._audience.visitors
                return self._messages(payment_id, frames, _position(asked))
        frames = self._audience.insiders(environ(), payment)
        return self._messages(payment_id, frames, _position(asked))

    def order(self) -> list[bytes]:
        asked = query(environ(), OrderQuery)
        external_id = asked.external_id
        client = address_key(environ().get("REMOTE_ADDR", ""))
        wait_s = self._identify_wait_s(client)
        if wait_s > 0:
            raise rate_limited(
                "Too many order numbers were asked after from this address"
                " (identifies_per_s).",
                wait_s,
                "identifies_per_s",
            )
        found = self._gateway.payments_of(external_id, asked.merchant)
        proven = meant = None
        if is_site_token(asked.token):
            whose = [p.terms.merchant for p in found] + [self._default_merchant]
            guest = self._guest(asked.token, [asked.merchant or n for n in whose])
            if guest is None:
                raise Problem(Code.FORBIDDEN, NOT_PROVEN)
            meant = next((p for p in found if guest.may_hear_of(p.terms)), None)
        else:
            is_open = self._gateway.identifies_without_secret
            token, secret = asked.token or "", self._vault.is_client_secret
            proven = next((p for p in found if secret(p.id, token)), None)
            if proven is None and not is_open(asked.merchant):
                # The same for a number that there is and for one that there is not.
                raise Problem(Code.FORBIDDEN, NOT_PROVEN)
            newest = next((p for p in found if is_open(p.terms.merchant)), None)
            meant = proven or newest
        now = iso(self._gateway.now())
        head = {"externalId": external_id, "timestamp": now}
        if proven is not None:
            head["paymentId"] = proven.id
        messages = [message("identified", **head)]
        told = meant and payment_message(meant, now)
        return [*messages, told] if told else messages

    def _guest(self, token: str | None, merchants: Iterable[str]) -> Guest | None:
        """Whom the site's token stands for, of the first merchant whose it is."""
        for merchant in dict.fromkeys(merchants):
            with suppress(DoorClosed):
                return self._doors.guest_of(token or "", merchant)
        return None

    def _messages(
        self, payment_id: str, frames: Frames, since: Position | None
    ) -> list[bytes]:
        sink = _Collector(frames)
        session = self._gateway.open_session("poll", sink)
        try:
            session.follow(payment_id, since)
            sink.done.wait(ANSWER_S)
        finally:
            session.close()
        if not sink.messages:
            raise retry_later(Code.BUSY, "The node is busy; ask again.", 5)
        return sink.messages


def routes(
    app: Api,
    gateway: Gateway,
    audience: Audience,
    vault: Vault,
    origins: Collection[str] = (),
    *,
    strangers: Strangers | None = None,
    identify_wait_s: Callable[[str], float] = lambda _client: 0.0,
    doors: Doors | None = None,
    default_merchant: str = DEFAULT,
) -> None:
    """Add them. `doors` and `default_merchant`: of `LiveRoutes`. `identify_wait_s`: how
    long a client address has to wait before it may ask after one more order number;
    called once for each."""
    doors = doors or Doors(SiteTokens(gateway, vault))
    polling = _Polling(
        gateway, audience, vault, identify_wait_s, doors, default_merchant
    )
    limits = strangers or Strangers()

    def readable(handler: Callable[..., list[bytes]]) -> Callable[..., HttpAnswer]:
        """The answer with what lets the page read it, whatever the answer is."""

        def answered(**path: str) -> HttpAnswer:
            headers = {"Content-Type": "application/json", "Vary": "Origin"}
            origin = environ().get("HTTP_ORIGIN")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
            try:
                _refuse(environ(), origins, limits)
                body = b'{"messages":[%b]}' % b",".join(handler(**path))
            except Exception as error:
                problem = problem_of(error)
                del headers["Content-Type"]
                problem.headers.update(headers)
                raise problem from error
            return HttpAnswer(body, 200, headers)

        return answered

    for operation, handler in (
        (_operation("pollBalance", "balance/<address>", PollQuery), polling.balance),
        (_operation("pollPayment", "payment/<payment_id>", PollQuery), polling.payment),
        (_operation("pollOrder", "order", OrderQuery), polling.order),
    ):
        app.add(operation, readable(handler))


def _refuse(
    environ: dict[str, Any], origins: Collection[str], strangers: Strangers
) -> None:
    wait_s = strangers.wait_s(environ)
    if wait_s > 0:
        raise rate_limited(TOO_MANY, wait_s, LIMIT)
    if not is_allowed_origin(environ, origins):
        raise Problem(
            Code.ORIGIN_NOT_ALLOWED,
            "Pages of this origin may not follow payments here. The node's operator"
            " names the origin in the setting allowed_origins (--allowed-origins).",
        )


def _operation(name: str, path: str, asked: type[Query]) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=f"/poll/{path}",
        tag="live",
        summary="What a WebSocket would begin with, for who gets none and no stream",
        answers={200: Polled},
        query=asked,
        needs_key=False,
        limited_by_itself=True,
        problems=(401, 403, 404),
    )


def _position(asked: PollQuery) -> Position | None:
    return None if asked.since is None else Position.parse(asked.since)
