"""`/socket.io/`: who may open a session of Engine.IO 4, and where its requests go.

    GET  ?EIO=4&transport=polling             a session, and its first packet
    GET  ?EIO=4&transport=polling&sid=…       waits for packets
    POST ?EIO=4&transport=polling&sid=…       packets of the client
    GET  ?EIO=4&transport=websocket           a session, in the WebSocket
    GET  ?EIO=4&transport=websocket&sid=…     the session goes on in the WebSocket

Refused are: pages of origins that may not follow payments, addresses that open too
many (`anonymous_per_s`, and so many that poll), and everybody while the node has as
many live clients as it takes. JSONP and older protocols are not spoken. Runs in the
greenlets of connections.
"""

import secrets
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import Any, Final

import bottle
import gevent

from engine.errors import BodyError
from engine.errors.codes import Code
from transport.http.bottle_app import HttpAnswer
from transport.http.hold import hold
from transport.http.problems import Problem, rate_limited
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.live.audience import parameters
from transport.live.routes import LiveRoutes
from transport.live.socketio import packets
from transport.live.socketio.limits import PATH, SocketioLimits
from transport.live.socketio.packets import PacketError
from transport.live.socketio.session import Owner, Session
from transport.server.client_address import address_key
from transport.server.refusal import Refusal, problem
from transport.server.request_body import read_body
from transport.server.upgrade import Endpoint, is_allowed_origin

__all__ = ["Engine"]

_TEXT: Final = "text/plain; charset=UTF-8"
_SID_BYTES: Final = 15  # 20 characters, that nobody guesses


class Engine:
    """All sessions of a node. One per node; their `Owner`, on behalf of another."""

    def __init__(
        self,
        owner: Owner,
        live: LiveRoutes,
        strangers: Strangers | None = None,
        origins: Collection[str] = (),
        limits: SocketioLimits | None = None,
    ) -> None:
        """`live` counts all live clients together. `origins`: see
        `transport.server.upgrade`."""
        self._owner = owner
        self._live = live
        self._strangers = strangers
        self._origins = origins
        self._limits = limits or SocketioLimits()
        self._sessions: dict[str, Session] = {}
        self._polling: Counter[str] = Counter()  # sessions that began so, by address
        self._watches_stop = False

    def __len__(self) -> int:
        return len(self._sessions)

    # WebSockets: asked before the 101, and by every GET.

    def route(self, environ: dict[str, Any]) -> Endpoint | Refusal | None:
        """`transport.server.upgrade.Routes`, of this path."""
        if environ["PATH_INFO"] != PATH:
            return None
        try:
            asked = _Asked(environ)
            if asked.transport != "websocket":
                return None
            return self._endpoint(environ, asked)
        except Problem as error:
            headers = tuple(error.headers.items())
            return problem(error.code, error.detail, headers, error.limit)

    def _endpoint(self, environ: dict[str, Any], asked: "_Asked") -> Endpoint:
        if asked.sid is not None:
            return self._session(environ, asked.sid).probe_by
        self._admit(environ)
        alarms = environ["paybell.alarms"]
        client = address_key(environ.get("REMOTE_ADDR", ""))

        def begin(websocket: Any) -> None:
            session = self._open(alarms, client)
            session.begin_in(websocket, self._opened(session, []))

        return begin

    # Polling: bottle's routes.

    def answer(self) -> HttpAnswer:
        environ: dict[str, Any] = bottle.request.environ
        headers = self._allow_origin(environ)
        try:
            status, text = self._respond(environ)
        except (PacketError, UnicodeDecodeError) as error:
            detail = str(error) if isinstance(error, PacketError) else "no UTF-8"
            raise Problem(Code.BAD_REQUEST, detail, headers=headers) from error
        except Problem as error:
            error.headers.update(headers)
            raise
        return HttpAnswer(text.encode(), status, {**headers, "Content-Type": _TEXT})

    def _respond(self, environ: dict[str, Any]) -> tuple[int, str]:
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return 204, ""
        asked = _Asked(environ)
        if asked.transport != "polling":
            raise Problem(Code.BAD_REQUEST, "A WebSocket is opened by GET.")
        if asked.sid is None:
            if method != "GET":
                raise Problem(Code.BAD_REQUEST, "A session is opened by GET.")
            return 200, self._begin_polling(environ)
        session = self._session(environ, asked.sid)
        if not session.is_polling:
            raise Problem(Code.BAD_REQUEST, "This session has a WebSocket.")
        if method == "GET":
            return 200, self._poll(environ, session)
        self._receive(environ, session)
        return 200, "ok"

    def _allow_origin(self, environ: dict[str, Any]) -> dict[str, str]:
        headers = {"Vary": "Origin"}
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return headers
        if not is_allowed_origin(environ, self._origins):
            raise Problem(
                Code.ORIGIN_NOT_ALLOWED,
                "Pages of this origin may not connect; see the allowed origins.",
                headers=headers,
            )
        headers["Access-Control-Allow-Origin"] = origin
        # There are no cookies of ours; a page may say `withCredentials` for its proxy.
        headers["Access-Control-Allow-Credentials"] = "true"
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, POST"
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            headers["Access-Control-Max-Age"] = "600"
        return headers

    def _begin_polling(self, environ: dict[str, Any]) -> str:
        self._admit(environ)
        client = address_key(environ.get("REMOTE_ADDR", ""))
        most = self._limits.polling_per_address
        if self._polling[client] >= most:
            raise Problem(
                Code.TOO_MANY_CONNECTIONS,
                f"Too many polling sessions of this address: {most}.",
                headers={"Retry-After": "5"},
                limit="connections_per_address",
            )
        self._watch_stop(environ)
        session = self._open(environ["paybell.alarms"], client, polls=True)
        return self._opened(session, ["websocket"])

    def _poll(self, environ: dict[str, Any], session: Session) -> str:
        try:
            return session.poll(partial(hold, environ))
        except PacketError as error:
            session.fail(str(error))
            raise

    def _receive(self, environ: dict[str, Any], session: Session) -> None:
        try:
            body = read_body(environ, self._limits.payload_bytes)
            session.receive_all(body.decode())
        except (PacketError, UnicodeDecodeError, BodyError):
            session.fail("a request that cannot be read")
            raise

    # Sessions.

    def _session(self, environ: dict[str, Any], sid: str) -> Session:
        session = self._sessions.get(sid)
        if session is None:
            self._expect_patience(environ)
            raise Problem(Code.BAD_REQUEST, "There is no such session (any more).")
        return session

    def _admit(self, environ: dict[str, Any]) -> None:
        self._expect_patience(environ)
        if self._live.is_full:
            raise Problem(
                Code.OVERLOADED,
                "Too many browsers are connected; come back.",
                headers={"Retry-After": "5"},
            )

    def _expect_patience(self, environ: dict[str, Any]) -> None:
        wait_s = self._strangers.wait_s(environ) if self._strangers else 0
        if wait_s > 0:
            raise rate_limited(TOO_MANY, wait_s, LIMIT)

    def _open(self, alarms: Any, client: str, *, polls: bool = False) -> Session:
        sid = secrets.token_urlsafe(_SID_BYTES)
        session = Session(
            sid, client, self, alarms, self._limits, begins_by_polling=polls
        )
        self._sessions[sid] = session
        self._live.open += 1
        if polls:
            self._polling[client] += 1
        return session

    def _opened(self, session: Session, upgrades: list[str]) -> str:
        limits = self._limits
        ping = (limits.ping_interval_s, limits.ping_timeout_s)
        return packets.opened(session.sid, upgrades, ping, limits.payload_bytes)

    def on_message(self, session: Session, text: str) -> None:
        self._owner.on_message(session, text)

    def on_closed(self, session: Session) -> None:
        del self._sessions[session.sid]
        self._live.open -= 1
        client = session.client
        if session.begins_by_polling:
            self._polling[client] -= 1
            if not self._polling[client]:
                del self._polling[client]
        self._owner.on_closed(session)

    # The end of the node.

    def _watch_stop(self, environ: dict[str, Any]) -> None:
        """A poll would hold the server up for as long as it may wait."""
        stopping = environ.get("paybell.stopping")
        if not self._watches_stop and stopping is not None:
            self._watches_stop = True
            stopping.rawlink(lambda _event: gevent.spawn(self._stop))

    def _stop(self) -> None:
        for session in tuple(self._sessions.values()):
            if session.is_polling:
                session.close("the server stops")


class _Asked:
    """What a request's query says. Raises `Problem` for what is not Engine.IO 4."""

    __slots__ = ("sid", "transport")

    def __init__(self, environ: dict[str, Any]) -> None:
        try:
            found = parameters(environ)
        except ValueError as error:
            raise Problem(Code.BAD_REQUEST, str(error)) from error
        self.transport = found.get("transport", [""])[-1]
        self.sid = found["sid"][0] if "sid" in found else None
        if self.transport not in ("polling", "websocket"):
            raise Problem(
                Code.BAD_REQUEST, "transport must be polling or websocket, once."
            )
        if found.get("EIO", ["4"] if self.sid else []) != ["4"] or "j" in found:
            raise Problem(
                Code.BAD_REQUEST,
                "Only Socket.IO 3 and 4 are spoken here (EIO=4), without JSONP: use"
                " socket.io-client 3 or 4.",
            )
