"""One port for HTTP and WebSocket: accepting, counting, and stopping in good order.

It wraps gevent's pywsgi server with gevent-websocket's machinery. What one connection
does is in `transport/server/connection.py`, who may upgrade in
`transport/server/upgrade.py`. It knows no route and no payment: run.py gives it a WSGI
application and a function for WebSockets.

    server = Server(app, ws_routes, "127.0.0.1", 8080)
    server.start()
    ...
    server.stop(timeout_s=10)

`ws_routes(environ)` is asked for every GET before anything is answered, and returns
None (not a WebSocket path: the request goes to `app`), an endpoint (a function that
gets the open WebSocket and runs in the connection's greenlet) or a `Refusal`.
"""

import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.socket import socket as CooperativeSocket  # noqa: N812
from geventwebsocket.server import WebSocketServer

from engine.errors.codes import Code
from transport.server.allowed_hosts import AllowedHosts
from transport.server.client_address import (
    ForwardedHeader,
    Network,
    address_key,
    is_trusted,
    parse_networks,
)
from transport.server.connection import BUSY, IDLE, STREAM, Handler
from transport.server.limits import ServerLimits
from transport.server.refusal import Refusal, full_response, problem
from transport.server.request_body import read_body
from transport.server.request_id import FailureLog, new_request_id
from transport.server.turns import ServerTurns
from transport.server.upgrade import Endpoint, Routes, judge_host, judge_request
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.write_loop import WriteLoop

__all__ = [
    "Endpoint",
    "Refusal",
    "Routes",
    "Server",
    "problem",
    "read_body",
]

_log = logging.getLogger("paybell.http")

_FULL = problem(Code.OVERLOADED, "Too many connections.", (("Retry-After", "5"),))
#: Share of the stopping time that is kept for closing streams and WebSockets.
_CLOSING_SHARE = 0.4


class Acceptor(WebSocketServer):  # type: ignore[misc]  # the package has no types
    """The accepting half: decides who gets a greenlet. Made by `Server` only."""

    handler_class = Handler
    #: The package would make one of its own; it speaks as any library does.
    logger = logging.getLogger("geventwebsocket")
    max_accept = 8  # at once, before all others are served: a crowd comes in line

    def __init__(
        self,
        address: tuple[str, int],
        application: Any,
        routes: Routes,
        limits: ServerLimits,
        origins: Collection[str],
        trusted_proxies: tuple[Network, ...],
        forwarded_header: ForwardedHeader,
        hosts: AllowedHosts,
        base: str,
    ) -> None:
        super().__init__(
            address,
            application,
            backlog=limits.backlog,
            log=None,
            error_log=_log,
            pre_start_hook=Handler.admit,
        )
        self.limits = limits
        self.trusted_proxies = trusted_proxies
        self.forwarded_header = forwarded_header
        self.base = base
        self.turns = ServerTurns()
        self.write_loop = WriteLoop()
        self.failures = FailureLog()
        self.stopping = Event()  # set when stop() begins; streams may watch it
        self.changed = Event()  # a connection changed its phase or ended
        self.draining = False  # answers now close their connection
        self.handlers: set[Handler] = set()
        # And as whose connections they are counted.
        self.websockets: dict[WebSocket, tuple[str | None, str | None]] = {}
        self._routes = routes
        self._origins = origins
        self._hosts = hosts
        self._counts: Counter[str] = Counter()  # by address_key
        self.open = 0  # accepted, not yet ended

    # Accepting: called in the hub, where nothing may wait.

    def do_handle(self, sock: CooperativeSocket, address: tuple[Any, ...]) -> None:
        key = self._key_of(address)
        if self.open >= self.limits.connections or not self._count(key):
            self._turn_away(sock)
            return
        self.open += 1
        with contextlib.suppress(OSError):  # it may be gone already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().do_handle(sock, address)

    def _key_of(self, address: tuple[Any, ...]) -> str | None:
        """None for a trusted proxy: its connections are those of many."""
        peer = str(address[0])
        return None if is_trusted(peer, self.trusted_proxies) else address_key(peer)

    def _count(self, key: str | None) -> bool:
        if key is not None:
            if self._counts[key] >= self.limits.connections_per_address:
                return False
            self._counts[key] += 1
        return True

    def _uncount(self, key: str | None) -> None:
        if key is not None:
            self._counts[key] -= 1
            assert self._counts[key] >= 0, "a connection was uncounted twice"
            if not self._counts[key]:
                del self._counts[key]

    def _turn_away(self, sock: CooperativeSocket) -> None:
        request_id = new_request_id()
        self.failures.note(_FULL.status, "-", "-", request_id)
        sock.settimeout(0.0)
        try:
            sock.send(full_response(_FULL, request_id, self.base))
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65_536)  # unread bytes would reset it before it is read
        except OSError:
            pass
        sock.close()

    # Serving: called in the connection's greenlet.

    def handle(self, sock: CooperativeSocket, address: tuple[Any, ...]) -> None:
        handler = Handler(sock, address, self)
        self.handlers.add(handler)
        try:
            handler.handle()
        except OSError:
            pass  # the socket died while it was being closed
        finally:
            self.handlers.discard(handler)
            if not handler.adopted:
                self._ended(self._key_of(address), handler.client_key)
            self.changed.set()

    def _ended(self, *keys: str | None) -> None:
        self.open -= 1
        assert self.open >= len(self.websockets), "a connection was counted twice"
        for key in keys:
            self._uncount(key)

    def adopt(self, handler: Handler, received: bytes) -> WebSocket:
        """The connection goes on as a WebSocket, and outlives its handler."""
        websocket = WebSocket(
            handler.socket,
            self.limits,
            self.write_loop,
            received,
            self._gone,
            handler.request_id,
        )
        handler.adopted = True
        peer = self._key_of(handler.client_address)
        self.websockets[websocket] = (peer, handler.client_key)
        return websocket

    def _gone(self, websocket: WebSocket) -> None:
        self._ended(*self.websockets.pop(websocket))
        self.changed.set()

    def gate(self, handler: Handler) -> Endpoint | Refusal | None:
        refusal = judge_host(handler.environ, self._hosts)
        if refusal is not None:
            return refusal
        answer = judge_request(handler.environ, self._routes, self._origins)
        if answer is None or isinstance(answer, Refusal):
            return answer
        if self.draining:
            return problem(
                Code.STOPPING, "The server is stopping.", (("Retry-After", "5"),)
            )
        return self.count_client(handler) or answer

    def count_client(self, handler: Handler) -> Refusal | None:
        """Behind a proxy a client's own connections are counted from here on: it stays.
        Others are counted from their beginning."""
        counted = self._key_of(handler.client_address) or handler.client_key
        if counted is not None:
            return None
        key = address_key(handler.client)
        if not self._count(key):
            return problem(
                Code.TOO_MANY_CONNECTIONS,
                "Too many connections of this address.",
                (("Retry-After", "5"),),
                limit="connections_per_address",
            )
        handler.client_key = key
        return None

    def uncount_client(self, handler: Handler) -> None:
        """Its request is answered; the proxy's connection serves another one next."""
        self._uncount(handler.client_key)
        handler.client_key = None


class Server:
    """The wire edge of a node. Nothing listens before `start`."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        ws_routes: Routes,
        host: str,
        port: int,
        limits: ServerLimits | None = None,
        *,
        origins: Collection[str] = (),
        trusted_proxies: Iterable[str] = (),
        forwarded_header: ForwardedHeader = "x-forwarded-for",
        hosts: AllowedHosts | None = None,
        public_url: str = "",
    ) -> None:
        """`port` 0 takes a free one. `origins`: see `is_allowed_origin`. `hosts` None:
        any.

        `public_url`: where clients reach us, without a slash at its end. Its path is
        taken off by a proxy in front, and stands before all that we link to.

        `trusted_proxies`: addresses or networks whose `forwarded_header` counts; from
        anybody else such headers are not even shown to `app`. Raises ValueError for
        one that is neither.
        """
        self._listener = Acceptor(
            (host, port),
            app,
            ws_routes,
            limits or ServerLimits(),
            frozenset(origins),
            parse_networks(trusted_proxies),
            forwarded_header,
            hosts or AllowedHosts(["*"]),
            urlsplit(public_url).path,
        )

    def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        self._listener.start()
        self._listener.write_loop.start()

    @property
    def port(self) -> int:
        port: int = self._listener.server_port
        return port

    @property
    def stopping(self) -> Event:
        """Set when `stop` begins. Also in each environ, as "paybell.stopping": what
        answers for a long time watches it and ends by itself.
        """
        return self._listener.stopping

    @property
    def connections(self) -> int:
        return self._listener.open

    @property
    def websockets(self) -> int:
        return len(self._listener.websockets)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Accept no more, finish what is in flight, close, and then drop.

        Requests get most of the time; then event streams are ended and WebSockets
        closed with 1001; what is left at the end of `timeout_s` is cut off.
        """
        listener = self._listener
        if listener.stopping.is_set():
            return
        now = time.monotonic()
        listener.stopping.set()
        listener.draining = True
        listener.close()
        for handler in tuple(listener.handlers):
            if handler.phase == IDLE:
                handler.hang_up()
        self._wait_until(
            lambda: not any(h.phase == BUSY for h in listener.handlers),
            now + timeout_s * (1 - _CLOSING_SHARE),
        )
        for websocket in tuple(listener.websockets):
            websocket.close(1001, "server stops")
        for handler in tuple(listener.handlers):
            if handler.phase == STREAM:
                gevent.kill(handler.greenlet)
        self._wait_until(lambda: not self.connections, now + timeout_s)
        self._drop()

    def _wait_until(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            self._listener.changed.clear()
            left = deadline - time.monotonic()
            if left <= 0 or not self._listener.changed.wait(left):
                return

    def _drop(self) -> None:
        left = [handler.greenlet for handler in self._listener.handlers]
        if self.connections:
            _log.warning("http.dropped connections=%d", self.connections)
            for websocket in tuple(self._listener.websockets):
                websocket.abort()
            gevent.killall(left, block=False)
            self._wait_until(lambda: not self.connections, time.monotonic() + 1)
        self._listener.write_loop.stop()
