"""The WebSocket paths: who may open which, and what runs on it.

    /ws/balance/<address>?since=<epoch>-<seq>&token=    one payment, for whoever knows
                                                        its address
    /ws                                                 see conversation.py
    /ws/payments/salon/<id>, /ws/payments/<merchant>    see salon.py

`LiveRoutes` is the gate's `Routes`: asked in the connection's greenlet before the 101,
so that an unknown address is a 404 and not a socket that closes. On `/ws/balance` the
state comes first, then what was missed since `since`, then every event, each exactly
the event object of the API; a stranger is told a part of each (`audience.py`). A
client stays with the payment it began with, also when
the address gets a new one later; connecting again leads to the new one. What a client
says there is counted, and ignored but for `{"type":"ping"}`, which gets a "pong": a
page cannot see the protocol's own pings.
"""

import time
from functools import partial
from typing import Any, Final

from engine.errors.codes import Code
from engine.gateway import Gateway, SessionHandle
from engine.merchants.name import DEFAULT
from engine.policy.token_bucket import TokenBucket
from engine.secrets.vault import Vault
from engine.store.epochs import Position
from transport.http.find_payment import find_followed
from transport.http.problems import Problem
from transport.http.site_tokens import SiteTokens
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.live.audience import OPENED_BY, Audience, Require, parameters
from transport.live.conversation import Conversation, is_ping
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import DoorClosed, Doors, Guest, TokenWanted, as_written
from transport.live.encoding import Frames
from transport.live.leases import Lease, Leases
from transport.live.limits import LiveLimits
from transport.live.salon import SalonParts, SalonTalk
from transport.live.saved_cards import SavedCards
from transport.live.sinks import QUEUE_BYTES, QUEUE_MESSAGES, WebSocketSink, Wire
from transport.live.visit import Visit, is_site_token
from transport.server.client_address import address_key
from transport.server.limits import RateLimiter
from transport.server.refusal import Refusal, problem, rate_limited
from transport.server.upgrade import Endpoint, Routes
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text

__all__ = ["LiveRoutes"]

_BALANCE: Final = "/ws/balance/"
_SALON: Final = "/ws/payments/"
_RETRY: Final = (("Retry-After", "5"),)

#: Messages that a client may send at once, and again in a minute (OWASP's figure for
#: a start); above: 1008. Nobody needs more than a few.
MESSAGES_PER_MIN: Final = 100

_PONG: Final = encode_text(b'{"type":"pong"}')


class LiveRoutes:
    """Call it with an environ. One per node."""

    def __init__(
        self,
        gateway: Gateway,
        vault: Vault,
        frames: Frames,
        *,
        max_sockets: int = 14_000,
        messages_per_min: int = MESSAGES_PER_MIN,
        queue_messages: int = QUEUE_MESSAGES,
        queue_bytes: int = QUEUE_BYTES,
        strangers: Strangers | None = None,
        require: Require | None = None,
        audience: Audience | None = None,
        doors: Doors | None = None,
        leases: Leases | None = None,
        default_merchant: str = DEFAULT,
        limits: LiveLimits | None = None,
    ) -> None:
        """`max_sockets`: see `keep_below`. `strangers` limits openings per address.
        `require`: of `Audience`; without it, keys open nothing here. `audience`: one in
        place of that. `doors`: who may follow payments by their invoices' numbers;
        without, nobody. `default_merchant`: whose site's tokens come to `/ws`, if
        nothing says otherwise."""
        self._default_merchant = default_merchant
        self._gateway = gateway
        self._vault = vault
        self._frames = frames
        self._audience = audience or Audience(frames, vault, require)
        self._max_sockets = max_sockets
        self._strangers = strangers
        self.messages_per_min = messages_per_min
        self._queue = (queue_messages, queue_bytes)
        self.creation_listeners = CreationListeners(gateway)
        self.saved_cards = SavedCards(gateway, self.creation_listeners)
        self._limits = limits = limits or LiveLimits()
        self._identifies = RateLimiter(
            limits.identifies_per_s, limits.identifies_at_once
        )
        self.salon = SalonParts(
            gateway,
            doors or Doors(SiteTokens(gateway, vault)),
            frames,
            self.creation_listeners,
            self.saved_cards,
            Leases(gateway.now) if leases is None else leases,
            most_followed=limits.topics,
            most_waiting=limits.per_merchant,
        )
        self.open = 0  # live clients now, with those of Socket.IO
        self._also: Routes | None = None
        self._talks: dict[WebSocket, Conversation] = {}  # those on /ws

    def identify_wait_s(self, client: str) -> float:
        """How long this client address must wait before it asks after one more order
        number; asking counts as one."""
        return self._identifies.allow(client, time.monotonic())

    def talks_of(self, merchant: str | None) -> list[Conversation]:
        """Conversations on `/ws` that follow a payment of the merchant; None: all."""
        if merchant is None:
            return [*self._talks.values()]
        return [talk for talk in self._talks.values() if talk.is_about(merchant)]

    def over(self, websocket: WebSocket) -> None:
        """It has closed."""
        self._talks.pop(websocket, None)

    def keep_below(self, connections: int) -> None:
        """Leave some of all connections to others: the API can be reached however many
        browsers watch.
        """
        self._max_sockets = min(self._max_sockets, connections * 7 // 8)

    def also_ask(self, routes: Routes) -> None:
        """About paths that are none of ours."""
        self._also = routes

    def __call__(self, environ: dict[str, Any]) -> Endpoint | Refusal | None:
        path = environ["PATH_INFO"]
        if path != "/ws" and not path.startswith((_BALANCE, _SALON)):
            return None if self._also is None else self._also(environ)
        if refusal := self._too_often(environ):
            return refusal
        if path == "/ws":
            return self._full() or self._talk_endpoint(environ)
        if path.startswith(_SALON):
            return self._full() or self._salon_endpoint(environ)
        try:
            since = _since(environ)
        except ValueError as error:
            return problem(Code.INVALID_REQUEST, str(error))
        payment = find_followed(self._gateway, path.removeprefix(_BALANCE))
        if payment is None:
            return problem(
                Code.PAYMENT_NOT_FOUND, "No payment is known at this address."
            )
        try:
            frames = self._audience.frames(environ, payment)
        except Problem as error:
            headers = tuple(error.headers.items())
            return problem(error.code, error.detail, headers, error.limit)
        payment_id = payment.id
        if since is not None:
            since = self._gateway.epochs().at_an_address(since)

        key_id = environ.get(OPENED_BY)

        def watch(websocket: WebSocket) -> None:
            self._watch(websocket, frames, payment_id, since, key_id)

        return self._full() or watch

    def closed_to(self, environ: dict[str, Any]) -> Refusal | None:
        """Why this client cannot come in now, whatever it asks for."""
        return self._too_often(environ) or self._full()

    def _too_often(self, environ: dict[str, Any]) -> Refusal | None:
        wait_s = self._strangers.wait_s(environ) if self._strangers else 0
        if wait_s == 0:
            return None
        return rate_limited(TOO_MANY, wait_s, LIMIT)

    @property
    def is_full(self) -> bool:
        """Nobody else may come now, by whatever protocol."""
        return self.open >= self._max_sockets

    def _talk_endpoint(self, environ: dict[str, Any]) -> Endpoint | Refusal:
        guest = None
        try:
            query = parameters(environ)
            merchant = query.get("merchant", [self._default_merchant])[0]
            for token in filter(is_site_token, query.get("token", ())):
                guest = self.salon.doors.guest_of(token, merchant)
        except ValueError as error:
            return problem(Code.INVALID_REQUEST, str(error))
        except DoorClosed as refusal:
            return problem(Code.UNAUTHORIZED, _sentence(refusal))
        client = address_key(environ.get("REMOTE_ADDR", ""))
        return partial(self._talk, client, guest)

    def _salon_endpoint(self, environ: dict[str, Any]) -> Endpoint | Refusal | None:
        try:
            path = as_written(environ["PATH_INFO"])
        except UnicodeError:
            return problem(Code.NOT_FOUND, "The path is not UTF-8.")
        try:
            tokens = parameters(environ).get("token", [])
        except ValueError as error:
            return problem(Code.INVALID_REQUEST, str(error))
        guest = None
        try:
            guest = self.salon.doors.admit(path, tokens[0] if tokens else None)
        except TokenWanted:
            pass  # it may come in the first message
        except DoorClosed as refusal:
            code = Code.UNAUTHORIZED if tokens else Code.NOT_FOUND
            return problem(code, _sentence(refusal))
        client = address_key(environ.get("REMOTE_ADDR", ""))
        return partial(self._talk_of_salon, client, path, guest)

    def _full(self) -> Refusal | None:
        if not self.is_full:
            return None
        return problem(
            Code.OVERLOADED, "Too many browsers are connected; come back.", _RETRY
        )

    # Endpoints: the connection's greenlet; what they leave behind needs none.

    def _watch(
        self,
        websocket: WebSocket,
        frames: Frames,
        payment_id: str,
        since: Position | None,
        key_id: str | None,
    ) -> None:
        wire = Wire(websocket, *self._queue)
        sink = WebSocketSink(wire, frames)
        session = self._gateway.open_session("balance", sink)
        lease = None
        if key_id is not None:
            lease = self.salon.leases.of_key(key_id, partial(_revoked, websocket))
        websocket.listen(_Watcher(self, websocket, session, lease, wire))
        session.follow(payment_id, since)

    def _talk(self, client: str, guest: Guest | None, websocket: WebSocket) -> None:
        salon = self.salon
        visit = Visit(salon.doors, salon.leases, partial(_expire, websocket), guest)
        wire = Wire(websocket, *self._queue)
        talk = Conversation(
            wire,
            self._gateway,
            self._vault,
            self.creation_listeners,
            self._frames,
            partial(self.identify_wait_s, client),
            visit,
            self._default_merchant,
            self._limits.topics,
        )
        websocket.listen(_Talker(self, websocket, talk))
        self._talks[websocket] = talk
        talk.open()

    def _talk_of_salon(
        self, client: str, path: str, guest: Guest | None, websocket: WebSocket
    ) -> None:
        wire = Wire(websocket, *self._queue)
        wait_s = partial(self.identify_wait_s, client)
        talk = SalonTalk(wire, self.salon, path, guest, wait_s, client)
        websocket.listen(_Talker(self, websocket, talk))


class _Client:
    """Counts a socket, and what it says. Its `Listener`."""

    __slots__ = ("_allowance", "_routes", "_websocket")

    def __init__(self, routes: LiveRoutes, websocket: WebSocket) -> None:
        self._routes = routes
        self._websocket = websocket
        self._allowance: TokenBucket | None = None  # most never say anything
        routes.open += 1

    def on_message(self, message: str | bytes) -> None:
        if self._allowance is None:
            most = self._routes.messages_per_min
            self._allowance = TokenBucket.full(most / 60, most)
        self._allowance, wait_s = self._allowance.take(time.monotonic())
        if wait_s:
            self._websocket.refuse(1008, "too many messages")
        else:
            self.answer(message)

    def answer(self, message: str | bytes) -> None:
        """One that was not too many."""
        raise NotImplementedError

    def ended(self) -> None:
        self._routes.open -= 1


class _Watcher(_Client):
    __slots__ = ("_lease", "_session", "_wire")

    def __init__(
        self,
        routes: LiveRoutes,
        websocket: WebSocket,
        session: SessionHandle,
        lease: Lease | None,
        wire: Wire,
    ) -> None:
        super().__init__(routes, websocket)
        self._session = session
        self._lease = lease
        self._wire = wire

    def answer(self, message: str | bytes) -> None:
        if is_ping(message):
            self._wire.send(_PONG)

    def ended(self) -> None:
        super().ended()
        self._session.close()
        if self._lease is not None:
            self._lease.release()


class _Talker(_Client):
    __slots__ = ("_conversation",)

    def __init__(
        self,
        routes: LiveRoutes,
        websocket: WebSocket,
        conversation: Conversation | SalonTalk,
    ) -> None:
        super().__init__(routes, websocket)
        self._conversation = conversation

    def answer(self, message: str | bytes) -> None:
        self._conversation.on_message(message)

    def ended(self) -> None:
        super().ended()
        self._routes.over(self._websocket)
        self._conversation.close()


def _expire(websocket: WebSocket) -> None:
    websocket.close(1008, "the token has expired")


def _revoked(websocket: WebSocket) -> None:
    websocket.close(1008, "the API key was revoked")


def _sentence(refusal: DoorClosed) -> str:
    text = str(refusal)
    return f"{text[:1].upper()}{text[1:]}."


def _since(environ: dict[str, Any]) -> Position | None:
    """What `?since=` says. Raises ValueError, with a sentence for the client."""
    values = parameters(environ).get("since")
    if values is None:
        return None
    position = Position.parse(values[0])
    if len(values) > 1 or position is None:
        raise ValueError(
            "since must be one <epoch>-<seq>: the epoch of the state and the seq of the"
            " last event that you had; or the seq alone, a whole number from 0"
        )
    return position
