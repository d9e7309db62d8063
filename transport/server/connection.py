"""One connection: its requests one after the other, and its turn into a WebSocket.

A subclass of gevent-websocket's handler, which is one of pywsgi's. Ours are: reading
the head and the body under limits and deadlines, the gate before the 101, answers
(transport/server/response.py) and their deadline, errors as problem+json. Theirs are:
the life of a connection, the environ, the WebSocket handshake. What we lean on in
private is pinned in tests/unit/transport/server/test_gevent_contract.py.

Made by `transport/server/server.py`, one per connection; runs in the connection's
greenlet.
"""

import contextlib
import logging
import random
import socket
import sys
from typing import Any, Final, Protocol

import gevent
from gevent.event import Event
from gevent.socket import socket as CooperativeSocket  # noqa: N812
from geventwebsocket.handler import WebSocketHandler

from engine.errors import BodyError
from engine.errors.codes import Code
from transport.server.client_address import ForwardedHeader, Network, address_key
from transport.server.environ import add_client, add_request
from transport.server.handshake import Nobody
from transport.server.hangup import HangupWatch, linger
from transport.server.limits import ServerLimits
from transport.server.refusal import Refusal, full_response, problem, refusing
from transport.server.request_body import NO_BODY, RequestBody
from transport.server.request_head import HeadError, RequestHead, read_head
from transport.server.request_id import (
    ENVIRON,
    HEADER,
    FailureLog,
    log_crash,
    new_request_id,
)
from transport.server.response import Response
from transport.server.socket_reader import RequestReader
from transport.server.turns import ServerTurns
from transport.server.upgrade import Endpoint
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.write_loop import WriteLoop

__all__ = ["BUSY", "IDLE", "STREAM", "WEBSOCKET", "Handler"]

_log = logging.getLogger("paybell.http")

# What a connection is doing; the server asks when it stops.
IDLE: Final = "idle"  # between requests, or behind the last
BUSY: Final = "busy"  # a request is being read or answered
STREAM: Final = "stream"  # answering with events, without an end
WEBSOCKET: Final = "websocket"

_DISCARD_S: Final = 5.0
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGone(Exception):
    """It hung up, or does not read; nobody is there to answer."""


class Host(Protocol):
    """The server, as far as one connection knows it."""

    application: Any
    limits: ServerLimits
    trusted_proxies: tuple[Network, ...]
    forwarded_header: ForwardedHeader
    stopping: Event  # set when it stops; streams may watch it
    changed: Event  # to be set when a connection changed its phase
    draining: bool  # answers now close their connection
    failures: FailureLog
    turns: ServerTurns
    write_loop: WriteLoop
    base: str  # the path under which clients reach us

    def get_environ(self) -> dict[str, Any]:
        """A new one, with what is the same for all requests."""

    def gate(self, handler: "Handler") -> Endpoint | Refusal | None:
        """Who serves this request as a WebSocket, or why nobody does; None: it is
        none."""

    def count_client(self, handler: "Handler") -> Refusal | None:
        """Its request takes long: count whose it is, or say why it may not be."""

    def uncount_client(self, handler: "Handler") -> None:
        """Its request has ended."""

    def adopt(self, handler: "Handler", received: bytes) -> WebSocket:
        """The connection goes on as a WebSocket, and outlives its handler."""


class Handler(WebSocketHandler):  # type: ignore[misc]  # the package has no types
    """Serves one connection until it ends."""

    server: Host
    socket: CooperativeSocket
    rfile: RequestReader
    wsgi_input: RequestBody
    close_connection: bool
    websocket: Any
    environ: Any

    def __init__(self, sock: CooperativeSocket, address: Any, server: Host) -> None:
        super().__init__(sock, address, server, rfile=RequestReader(sock))
        self.greenlet = gevent.getcurrent()  # to end it when the server stops
        self.phase = IDLE
        self.head: RequestHead | None = None  # of the request under way
        self.request_id = ""  # and its X-Request-Id
        self.endpoint: Endpoint | None = None  # who serves the WebSocket
        self.client = str(address[0])  # behind trusted proxies: from X-Forwarded-For
        self.adopted = False  # its connection goes on without it, as a WebSocket
        self.killed = False  # by a server that stops, or as its client has gone
        self._watch: HangupWatch | None = None  # while its request takes long
        self.client_key: str | None = None  # counted so, behind a proxy, while it stays
        self._response: Response | None = None  # to the request under way
        # Never waits; pinned in test_gevent_contract.
        self._raw: socket.socket = sock._sock  # type: ignore[attr-defined]

    def enter(self, phase: str) -> None:
        self.phase = phase
        self.server.changed.set()

    def hang_up(self) -> None:
        """End the connection from outside, when nothing is under way."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    # One request after the other: called by pywsgi's handle().

    def handle_one_request(self) -> bool | None:
        """True to go on with the next request, None to close the connection."""
        try:
            head = self._next_head()
        except HeadError as error:
            self._refuse(problem(error.code, error.detail))
            return None
        except OSError:
            return None
        if head is None:
            return None
        self._begin(head)
        try:
            self.server.turns.wait(address_key(self.client))
            self._respond(head)
        except BaseException:  # noqa: BLE001 - the border of a request
            self.handle_error(*sys.exc_info())
        finally:
            self._response = None
            if self._watch is not None:
                self._watch.stop()
                self._watch = None
            if self.client_key is not None and not self.adopted:
                self.server.uncount_client(self)
        if self.phase == WEBSOCKET:
            return None
        if self.killed:
            return None
        # Closing anyway, nobody needs the rest of the body.
        self.rfile.set_deadline(0 if self.close_connection else _DISCARD_S)
        if not self.wsgi_input.discard() or (self._closes and self.rfile.buffered):
            self._linger()
            return None
        return None if self._closes else True

    def _respond(self, head: RequestHead) -> None:
        """Answer it, or turn into a WebSocket."""
        answer = self.server.gate(self)
        if answer is None:
            application = self.server.application
        elif isinstance(answer, Refusal):
            application = refusing(answer)
        else:
            self.endpoint = answer
            self.handle_one_response()  # gevent-websocket's handshake
            return
        self._response = Response(self, head)
        self._response.run(application, self.environ)
        self._log_failure(self._response)

    @property
    def _closes(self) -> bool:
        return self.close_connection or self.server.draining

    def _next_head(self) -> RequestHead | None:
        if self.server.draining:
            return None
        limits = self.server.limits
        first = self.head is None
        self.enter(IDLE)
        # A new connection has to say something at once. A thousand that came together
        # and say nothing must not all be ended in the same moment: that takes 80 ms.
        soon_s = limits.head_timeout_s * (1 + random.random() / 4)
        self.rfile.set_deadline(soon_s if first else limits.idle_timeout_s)
        if not self.rfile.wait_for_byte(fair=not first):
            return None
        self.enter(BUSY)
        self.request_id = new_request_id()
        if not first:
            self.rfile.set_deadline(limits.head_timeout_s)
        try:
            return read_head(self.rfile, limits)
        except TimeoutError as error:
            raise HeadError(
                Code.REQUEST_TIMEOUT, "The request head did not arrive in time."
            ) from error

    def _refuse(self, refusal: Refusal) -> None:
        try:
            self.send(full_response(refusal, self.request_id, self.server.base))
            self._linger()
        except ClientGone:
            pass

    def _linger(self) -> None:
        self.enter(IDLE)
        linger(self.socket, self.rfile)

    def _begin(self, head: RequestHead) -> None:
        self.head = head
        self.command, self.path = head.method, head.target
        self.request_version = head.version
        self.requestline = f"{head.method} {head.version}"  # no query: it has secrets
        self.close_connection = not head.keep_alive
        self.content_length = head.content_length
        self.headers_sent = False
        self.rfile.set_deadline(self.server.limits.body_timeout_s)
        waits = head.get("expect").lower() == "100-continue"
        self.wsgi_input = RequestBody(
            self.rfile,
            self.server.limits,
            head.content_length,
            head.chunked,
            self._send_continue if waits else None,
        )
        self.environ = self.get_environ()
        self.application = self.server.application

    def _send_continue(self) -> None:
        self.socket.settimeout(self.server.limits.write_timeout_s)
        self.socket.sendall(_CONTINUE)

    def get_environ(self) -> dict[str, Any]:
        head = self.head
        assert head is not None
        environ: dict[str, Any] = self.server.get_environ()
        add_request(environ, head, self.server.base)
        environ["wsgi.input"] = self.wsgi_input
        environ["wsgi.input_terminated"] = True
        environ[ENVIRON] = self.request_id
        environ["paybell.stopping"] = self.server.stopping
        environ["paybell.hold"] = self.hold
        environ["paybell.alarms"] = self.server.write_loop
        peer = str(self.client_address[0])
        server = self.server
        self.client = add_client(
            environ, head, peer, server.trusted_proxies, server.forwarded_header
        )
        return environ

    # The answer: called while the application runs.

    def hold(self) -> Refusal | None:
        """The application says that its answer takes long: the client is counted, and
        when it hangs up the application ends. A refusal: it has too many such already.
        """
        refusal = self.server.count_client(self)
        if refusal is None and self._watch is None:
            self._watch = HangupWatch(self.socket, self._end_request)
        return refusal

    def on_head(self, content_type: str) -> None:
        if content_type.startswith("text/event-stream"):
            self.enter(STREAM)
            if self._watch is None:
                self._watch = HangupWatch(self.socket, self._end_request)
        if self.server.draining:
            self.close_connection = True

    def _end_request(self) -> None:
        gevent.kill(self.greenlet)

    def send(self, data: bytes) -> None:
        """Mostly at once; else under a deadline: a client that does not read must not
        hold us. Raises ClientGone.
        """
        try:
            sent = self._raw.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close_connection = True
            raise ClientGone from error
        if sent < len(data):
            self._send_slowly(memoryview(data)[sent:])

    def _send_slowly(self, data: memoryview) -> None:
        limits = self.server.limits
        patience_s = limits.write_timeout_s + len(data) / limits.write_bytes_per_s
        self.socket.settimeout(patience_s)
        try:
            self.socket.sendall(data)
        except OSError as error:
            self.close_connection = True
            raise ClientGone from error

    def _sendall(self, data: bytes) -> None:
        """What pywsgi writes the 101 through."""
        self.send(data)

    #: Every error comes to handle_error; none is swallowed for its number alone.
    ignored_socket_errors = ()

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        """The end of a request that failed, whoever's fault it is."""
        self.close_connection = True
        self.killed = isinstance(error, gevent.GreenletExit)
        if self.killed or isinstance(error, ClientGone):
            return
        if isinstance(error, BodyError):
            refusal = problem(error.code, str(error))
        else:
            self._log_request_crash(error)
            refusal = problem(
                Code.INTERNAL_ERROR, "Something went wrong here; it has been logged."
            )
        begun = self._response.begun if self._response else self.headers_sent
        if begun or self.head is None:
            return  # cut off, so that nobody takes it for a whole answer
        with contextlib.suppress(ClientGone):
            Response(self, self.head).run(refusing(refusal), self.environ)

    def _log_request_crash(self, error: BaseException) -> None:
        path = self.path.partition("?")[0] if self.path else ""
        log_crash(error, method=self.command, path=path, request_id=self.request_id)

    def _log_failure(self, response: Response) -> None:
        """What could not be answered, for which nothing crashed. A 500 is logged by
        whoever made it: there the reason is known."""
        if response.status > 500:
            path = self.path.partition("?")[0]
            self.server.failures.note(
                response.status, self.command, path, self.request_id
            )

    def log_request(self) -> None:
        """No access log: a reverse proxy has one, and targets can hold secrets."""

    # The WebSocket: called by gevent-websocket around its handshake.

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        """Of the 101; other answers go through `Response`."""
        headers = [*headers, (HEADER, self.request_id)]
        return super().start_response(status, headers, exc_info)

    def admit(self) -> bool:
        """The `pre_start_hook`. It was decided already, in `_respond`: upgrade."""
        return False

    def run_websocket(self) -> None:
        """The 101 is sent: the endpoint says who listens; then we are not needed."""
        endpoint = self.endpoint
        assert endpoint is not None
        websocket = self.server.adopt(self, self.rfile.take_rest())
        self._forget_request()
        try:
            endpoint(websocket)
        except Exception as error:  # noqa: BLE001 - the border of a connection
            self._log_request_crash(error)
            websocket.close(1011, "internal error")
        except BaseException:
            websocket.abort()  # killed: there is no time for manners
            raise
        finally:
            if not websocket.listens:
                websocket.close()
                websocket.listen(Nobody())

    def _forget_request(self) -> None:
        """Idle WebSockets are many: keep nothing of the request that opened them."""
        self.enter(WEBSOCKET)
        self.path = self.path.partition("?")[0]
        self.environ = None
        self.endpoint = self.application = self.websocket = None
        self.wsgi_input = NO_BODY
        self.head = self.rfile = None  # type: ignore[assignment]
        self.response_headers = None  # pywsgi's, of the 101
