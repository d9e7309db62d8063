"""Clients of Engine.IO 4 and Socket.IO 5 that do what they are told, rules or not.

    page = polling(port) or websocket(port)
    page.join("/payments/salon/s1", {"token": …})   the answer to it, a packet as text
    page.emit("/payments/salon/s1", "subscribe:payment-events", {…}, ack=1)
    page.packet()                                   what it is told, one after another

Pings are answered. Written from the protocols' documents; the official client judges
the server in tests/seeds.
"""

import contextlib
import http.client
import json
from collections import deque
from typing import Any

from tests.tools.wait import PATIENCE
from tests.tools.wsclient import Closed, WsClient, connect

__all__ = ["Ended", "Polling", "Socket", "polling", "websocket"]

PATH = "/socket.io/?EIO=4&transport="


class Ended(Exception):
    """The session is over; its text says how."""


class Client:
    """What both transports have in common."""

    sid = ""

    def send(self, *packets: str) -> None:
        """Packets of Engine.IO, in one request where that can be."""
        raise NotImplementedError

    def next(self, timeout_s: float) -> str:
        """The next packet of Engine.IO. Raises `Ended`, TimeoutError."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def packet(self, timeout_s: float = 10) -> str:
        """The next packet of Socket.IO, as text."""
        while True:
            packet = self.next(timeout_s)
            if packet == "2":
                self.send("3")
            elif packet == "1":
                raise Ended("the server closed it")
            elif packet[:1] == "4":
                return packet[1:]

    def join(self, namespace: str = "/", auth: Any = None) -> str:
        where = "" if namespace == "/" else f"{namespace},"
        said = "" if auth is None else json.dumps(auth)
        self.send(f"40{where}{said}")
        return self.packet()

    def emit(self, namespace: str, *event: Any, ack: int | None = None) -> None:
        where = "" if namespace == "/" else f"{namespace},"
        number = "" if ack is None else str(ack)
        self.send(f"42{where}{number}{json.dumps(event)}")

    def message(self, timeout_s: float = 10) -> tuple[str, Any]:
        """The next event that it is told, and its argument."""
        while True:
            packet = self.packet(timeout_s)
            if packet[:1] == "2":
                name, value = json.loads(packet[packet.index("[") :])
                return name, value


class Polling(Client):
    """See `polling`."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, 60 * PATIENCE)
        self._headers = headers
        self._packets: deque[str] = deque()
        self.status = 0
        self.answer = b""
        self.head: dict[str, str] = {}
        opened = self.ask("GET", "polling")
        if self.status == 200:
            self.opened = json.loads(opened[1:])
            self.sid = self.opened["sid"]

    def ask(self, method: str, query: str, body: str | bytes | None = None) -> str:
        """One request; what it was answered."""
        try:
            self._link.request(method, PATH + query, body, self._headers)
            got = self._link.getresponse()
            self.status, self.answer = got.status, got.read()
        except TimeoutError:
            self._link.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self._link.close()
            raise Ended(repr(error)) from error
        self.head = {name.lower(): value for name, value in got.getheaders()}
        if self.head.get("content-length") != str(len(self.answer)):  # cut, even there
            raise Ended("cut off in the head")  # which http.client takes for its end
        return self.answer.decode()

    def send(self, *packets: str) -> None:
        self.ask("POST", f"polling&sid={self.sid}", "\x1e".join(packets).encode())
        if self.status != 200:
            raise Ended(f"{self.status} {self.answer!r}")

    def next(self, timeout_s: float) -> str:
        if not self._packets:
            self.poll(timeout_s)
        return self._packets.popleft()

    def poll(self, timeout_s: float = 60) -> None:
        self._link.timeout = timeout_s * PATIENCE
        if self._link.sock is not None:
            self._link.sock.settimeout(timeout_s * PATIENCE)
        text = self.ask("GET", f"polling&sid={self.sid}")
        if self.status != 200:
            raise Ended(f"{self.status} {self.answer!r}")
        self._packets.extend(text.split("\x1e"))

    def close(self) -> None:
        self._link.close()


class Socket(Client):
    """See `websocket`."""

    def __init__(self, client: WsClient) -> None:
        self.client = client

    def send(self, *packets: str) -> None:
        for packet in packets:
            self.client.send_text(packet)

    def next(self, timeout_s: float) -> str:
        try:
            told = self.client.recv(timeout_s)
        except Closed as closed:
            raise Ended(repr(closed)) from closed
        assert isinstance(told, str)
        return told

    def close(self) -> None:
        with contextlib.suppress(OSError, Closed):
            self.client.sock.close()


def polling(port: int, **headers: str) -> Polling:
    """A session by polling; its `status` if it is refused."""
    return Polling(port, headers)


def websocket(port: int, **options: Any) -> Socket:
    """A session in a WebSocket from its beginning. Raises `Ended` if it is refused."""
    try:
        client = connect("127.0.0.1", port, PATH + "websocket", **options)
    except Closed as closed:
        raise Ended(repr(closed)) from closed
    if not client.accepted:
        raise Ended(f"{client.status} {client.body!r}")
    page = Socket(client)
    page.sid = json.loads(page.next(10)[1:])["sid"]
    return page
