"""Clients of one payment over a live protocol, which always come back.

`events` is all that a follower was told, in the order in which it came; what came twice
would be there twice. When its connection ends it connects again, with the last seq it
had. Each runs in a greenlet of its own. Made by tests/node/paybell.py.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import gevent
from gevent.event import Event as GeventEvent

from tests.tools import engineio, sseclient, wsclient
from tests.tools.wait import wait_until

__all__ = ["Follower", "SocketioFollower", "SseFollower", "WsFollower"]

PATIENCE_S = 20.0
SILENCE_S = 45.0  # more than between two pings: a connection so silent is dead
AGAIN_S = 0.1  # between attempts to connect while nobody listens

Event = dict[str, Any]

_ENDS = (wsclient.Closed, sseclient.Ended, engineio.Ended)
_NAMESPACE = "/payments/salon/s1"


class Follower(ABC):
    """See the module. `connections` counts how often it had to begin."""

    def __init__(self, port: int, address: str, token: str) -> None:
        self.port = port
        self.address = address
        self.token = token  # the payment's client_secret
        self.events: list[Event] = []
        self.states: list[dict[str, Any]] = []
        self.connections = 0
        self._closing = GeventEvent()
        self._greenlet = gevent.spawn(self._run)

    @property
    def last_seq(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    @property
    def story(self) -> list[tuple[int, str]]:
        return [(event["seq"], event["type"]) for event in self.events]

    @property
    def types(self) -> list[str]:
        """The types without "payment."."""
        return [event["type"].removeprefix("payment.") for event in self.events]

    def wait_for(self, *types: str, timeout_s: float = PATIENCE_S) -> Event:
        """Wait until what was told ends with these types; the last event."""

        def ends_so() -> bool:
            return self.types[-len(types) :] == list(types)

        self._wait(ends_so, timeout_s, f"a story that ends with {types}")
        return self.events[-1]

    def wait_for_seq(self, seq: int, timeout_s: float = PATIENCE_S) -> None:
        self._wait(lambda: self.last_seq >= seq, timeout_s, f"event {seq}")

    def close(self) -> None:
        self._closing.set()
        self._greenlet.kill()
        self._greenlet.get()  # raises what it died of, if it did before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _attend(self) -> None:
        """Connect and take what comes, until the connection ends."""

    def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError, *_ENDS):
                self._attend()
            self._closing.wait(AGAIN_S)

    def _take(self, kind: str, told: dict[str, Any]) -> None:
        if kind == "state":
            self.states.append(told)
        elif kind.startswith("payment."):
            self.events.append(told)
        else:
            assert kind == "source", told

    def _wait(self, is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
        def told() -> str:
            if self._greenlet.dead:
                self._greenlet.get()
            return f"{what}; {type(self).__name__} was told {self.story}"

        wait_until(lambda: is_so() or self._greenlet.dead, timeout_s, told)
        if not is_so():
            raise AssertionError(told())


class WsFollower(Follower):
    """On `/ws/balance/<address>`."""

    def _attend(self) -> None:
        path = f"/ws/balance/{self.address}?token={self.token}&since={self.last_seq}"
        client = wsclient.connect("127.0.0.1", self.port, path)
        client.patience = 1  # SILENCE_S is how long a living connection may be silent
        try:
            if not client.accepted:  # not there yet, or too busy: come back
                raise wsclient.Closed(None, f"refused with {client.status}")
            self.connections += 1
            while True:
                told = client.recv_json(SILENCE_S)
                self._take(told["type"], told)
        finally:
            client.sock.close()


class SseFollower(Follower):
    """On `/events/balance/<address>`."""

    def _attend(self) -> None:
        headers = {"Last-Event-ID": str(self.last_seq)}
        path = f"/events/balance/{self.address}?token={self.token}"
        stream = sseclient.SseClient("127.0.0.1", self.port, path, headers)
        stream.patience = 1
        try:
            if stream.status != 200:
                raise sseclient.Ended
            self.connections += 1
            while True:
                told = stream.next(SILENCE_S)
                assert told.kind == told.data["type"] or told.kind == "state", told
                if told.kind.startswith("payment."):
                    _, _, seq = (told.id or "").partition("-")
                    assert seq == str(told.data["seq"]), told
                self._take(told.kind, told.data)
        finally:
            stream.close()


class SocketioFollower(Follower):
    """An invoice on `/socket.io/`, with its steps: by WebSocket and by polling in turn.

    `events` are the objects in its updates; `completed` the seqs of its completions.
    It may begin before there is a payment of the invoice.
    """

    def __init__(self, port: int, invoice: str) -> None:
        self.invoice = invoice
        self.completed: list[int] = []
        self._since: str | int = 0
        self._visits = 0
        super().__init__(port, "", "")

    def _attend(self) -> None:
        self._visits += 1
        page = (engineio.websocket, engineio.polling)[self._visits % 2](self.port)
        try:
            if not page.sid or not page.join(_NAMESPACE).startswith("0"):
                raise engineio.Ended("refused")
            self.connections += 1
            wanted = {"invoiceId": self.invoice, "steps": True, "since": self._since}
            page.emit(_NAMESPACE, "subscribe:payment-events", wanted)
            while True:
                self._take_message(*page.message(SILENCE_S))
        finally:
            page.close()

    def _take_message(self, name: str, told: dict[str, Any]) -> None:
        assert told["invoiceId"] == self.invoice
        data = told["data"]
        self._since = data["since"]
        if name == "payment:completed":
            assert told["status"] == "SUCCESS"
            self.completed.append(data["seq"])
            return
        assert name == "payment:status-update", name
        if data["seq"] == self.last_seq and data["seq"] not in self.completed:
            # The line broke between this and its completion, so both come again.
            assert data["type"] == "payment.confirmed"
            return
        self.events.append(data)
