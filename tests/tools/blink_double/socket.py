"""Blink's WebSocket: the server of `graphql-transport-ws` (`graphql-ws/server.ts`) with
the hooks of `ws-server.ts`. Frames by wsproto, so that a test can cut them anywhere."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from graphql import GraphQLError
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from tests.tools.blink_double.accounts import BlinkAccount
from tests.tools.blink_double.graph import Graph, Invalid, Operation

__all__ = ["Connection", "Sockets"]

PROTOCOL: Final = "graphql-transport-ws"
INIT_WAIT_S: Final = 120.0  # connectionInitWaitTimeout; 3 s there, on a quiet machine

_PRICES: Final = (
    {"__typename": "Price", "base": 62_345_678, "offset": 6,
     "currencyUnit": "USDCENT", "formattedAmount": "0.0623"},
    {"__typename": "RealtimePrice", "id": "USD", "timestamp": 1_790_000_000,
     "btcSatPrice": {"base": 62_345_678, "offset": 6}},
)  # fmt: skip


@dataclass
class Connection:
    """One client. `account`: as its key said when it connected, whatever became of the
    key since (`authorizedContexts`)."""

    sockets: "Sockets"
    sock: socket.socket
    account: BlinkAccount | None = None
    subscriptions: dict[str, Operation] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    black_hole: bool = False  # takes all and says nothing, and stays open
    sent: int = 0  # bytes
    _init: bool = False
    _ack: bool = False

    def __post_init__(self) -> None:
        self._ws = WSConnection(ConnectionType.SERVER)
        self.closed = Event()

    def serve(self) -> None:
        timer = gevent.spawn_later(INIT_WAIT_S, self._too_late)
        try:
            while not self.closed.is_set():
                data = self.sock.recv(65_536)
                if not data:
                    return
                self._ws.receive_data(data)
                for event in self._ws.events():
                    self._on_event(event)
        except OSError:
            pass
        finally:
            timer.kill()
            self.closed.set()
            self.sock.close()

    def publish(self, event: dict[str, Any]) -> None:
        """An event of its account's trigger, to each subscription."""
        for id_, operation in list(self.subscriptions.items()):
            result = self.sockets.graph.run(operation, self.account, event)
            self._say({"id": id_, "type": "next", "payload": result.formatted})

    def say(self, message: Any) -> None:
        """A message of the test's own."""
        self._say(message)

    def say_raw(self, text: str) -> None:
        self._write(self._ws.send(TextMessage(text)))

    def close(self, code: int, reason: str = "") -> None:
        self._write(self._ws.send(CloseConnection(code, reason)))
        self.closed.set()

    def cut(self) -> None:
        """The connection breaks."""
        self.closed.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _say(self, message: dict[str, Any]) -> None:
        if not self.black_hole:
            self.say_raw(json.dumps(message))

    def _write(self, data: bytes) -> None:
        if self.closed.is_set():
            return
        limit = self.sockets.cut_after
        if limit is not None and self.sent + len(data) > limit:
            self.sock.sendall(data[: max(0, limit - self.sent)])
            self.sent = limit
            self.cut()
            return
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed.set()
        self.sent += len(data)

    def _too_late(self) -> None:
        if not self._init and not self.closed.is_set():
            self.close(4408, "Connection initialisation timeout")

    def _on_event(self, event: object) -> None:
        if isinstance(event, Request):
            self._handshake(event)
        elif isinstance(event, Ping):
            if not self.black_hole:
                self._write(self._ws.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._write(self._ws.send(event.response()))
            self.closed.set()
        elif isinstance(event, Message):
            self._on_text(str(event.data))

    def _handshake(self, event: Request) -> None:
        if event.target != "/graphql":
            self._write(self._ws.send(RejectConnection(status_code=400)))
            self.closed.set()
            return
        known = PROTOCOL in event.subprotocols
        self._write(
            self._ws.send(AcceptConnection(subprotocol=PROTOCOL if known else None))
        )
        if not known:
            self.close(4406, "Subprotocol not acceptable")

    def _on_text(self, text: str) -> None:
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            self.close(4400, "Invalid message received")
            return
        self.received.append(message)
        if kind == "connection_init":
            self._connect(message.get("payload") or {})
        elif kind == "ping":
            payload = {"payload": message["payload"]} if "payload" in message else {}
            self._say({"type": "pong", **payload})
        elif kind == "subscribe":
            self._subscribe(message)
        elif kind == "complete":
            self.subscriptions.pop(message["id"], None)
        elif kind != "pong":
            self.close(4400, "Invalid message received")

    def _connect(self, parameters: dict[str, Any]) -> None:
        if self._init:
            self.close(4429, "Too many initialisation requests")
            return
        self._init = True
        # `onConnect` looks the key up and returns true, whatever came of that.
        self.account = self.sockets.account_of(str(parameters.get("X-API-KEY") or ""))
        self._ack = True
        self._say({"type": "connection_ack"})

    def _subscribe(self, message: dict[str, Any]) -> None:
        if not self._ack:
            self.close(4401, "Unauthorized")
            return
        id_ = message["id"]
        if id_ in self.subscriptions:
            self.close(4409, f"Subscriber for {id_} already exists")
            return
        try:
            operation = self.sockets.graph.read(message["payload"])
        except Invalid as error:
            self._say({"id": id_, "type": "error", "payload": error.errors})
            return
        if operation.kind.value != "subscription":
            text = "Only subscription operations are supported"
            self._say({"id": id_, "type": "error", "payload": [{"message": text}]})
            return
        if self.account is None:
            # `subscribe()` of graphql-js answers a source that cannot be made with a
            # result of errors; the server sends it as its one `next`, and `complete`.
            refused = GraphQLError(
                "Not Authenticated for subscription",
                path=["myUpdates"],
                extensions={"code": "NOT_AUTHENTICATED"},
            )
            payload = {"errors": [refused.formatted]}
            self._say({"id": id_, "type": "next", "payload": payload})
            self._say({"id": id_, "type": "complete"})
            return
        self.subscriptions[id_] = operation
        if self.sockets.prices:
            gevent.spawn_later(0.01, self._tick)  # `publishDelayed`

    def _tick(self) -> None:
        for price in _PRICES:
            if not self.closed.is_set():
                self.publish(dict(price))


class Sockets:
    """The server. `account_of`: whose key that is now, if anybody's."""

    def __init__(
        self, graph: Graph, account_of: Callable[[str], BlinkAccount | None]
    ) -> None:
        self.graph, self.account_of = graph, account_of
        self.prices = True  # its price service answers
        self.cut_after: int | None = None
        """Connections break after so many bytes of ours."""

        self.connections: list[Connection] = []
        self.repeat = 1  # each event is published so often
        self.held: list[tuple[str, dict[str, Any]]] | None = None
        self._server = StreamServer(("127.0.0.1", 0), self._serve)

    def start(self, port: int = 0) -> None:
        if port:
            self._server = StreamServer(("127.0.0.1", port), self._serve)
        self._server.start()

    def stop(self) -> None:
        self._server.stop(timeout=0)
        for connection in self.open():
            connection.closed.set()
            connection.sock.close()

    @property
    def port(self) -> int:
        return int(self._server.address[1])

    def open(self, account: BlinkAccount | None = None) -> list[Connection]:
        return [
            c
            for c in self.connections
            if not c.closed.is_set() and account in (None, c.account)
        ]

    def subscribed(self, account: BlinkAccount) -> list[Connection]:
        return [c for c in self.open(account) if c.subscriptions]

    def publish(self, account: BlinkAccount, event: dict[str, Any]) -> None:
        if self.held is not None:
            self.held.append((account.id, event))
            return
        for connection in self.subscribed(account) * self.repeat:
            connection.publish(event)

    def _serve(self, sock: socket.socket, _address: object) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock)
        self.connections.append(connection)
        connection.serve()
