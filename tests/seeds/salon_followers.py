"""Pages that follow invoices for ever, over whatever is killed; what each was told.

A follower has one connection at a time: Socket.IO by polling, Socket.IO by WebSocket,
or the salon's plain WebSocket. When it is lost it comes back, with the `since` that it
was told last of each invoice. It asks for steps, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import gevent

from tests.seeds.socketio_node import let_in
from tests.tools import engineio
from tests.tools.salon_messages import Message
from tests.tools.wsclient import Closed, connect

__all__ = ["KINDS", "Follower", "following"]

PATH = "/ws/payments/salon/s1"
SUBSCRIBE = "subscribe:payment-events"
_AGAIN_S = 0.05


class Line(Protocol):
    """One connection."""

    def subscribe(self, wanted: dict[str, Any]) -> None: ...

    def message(self) -> tuple[str, dict[str, Any]]:
        """The next one: its name, and its object."""

    def close(self) -> None: ...


class _Socketio:
    def __init__(self, page: engineio.Client) -> None:
        self._page = page
        if not page.sid or not page.join(PATH, let_in()).startswith("0"):
            raise engineio.Ended("it did not let us in")

    def subscribe(self, wanted: dict[str, Any]) -> None:
        self._page.emit(PATH, SUBSCRIBE, wanted)

    def message(self) -> tuple[str, dict[str, Any]]:
        return self._page.message(60)

    def close(self) -> None:
        self._page.close()


class _Plain:
    def __init__(self, port: int) -> None:
        path = f"{PATH}?token={let_in()['token']}"
        self._client = connect("127.0.0.1", port, path)
        if not self._client.accepted:
            raise engineio.Ended(f"{self._client.status}")

    def subscribe(self, wanted: dict[str, Any]) -> None:
        self._client.send_json({"type": SUBSCRIBE, **wanted})

    def message(self) -> tuple[str, dict[str, Any]]:
        told = self._client.recv_json(60)
        return told.pop("type"), told

    def close(self) -> None:
        self._client.sock.close()


KINDS: dict[str, Callable[[int], Line]] = {
    "polling": lambda port: _Socketio(engineio.polling(port)),
    "websocket": lambda port: _Socketio(engineio.websocket(port)),
    "plain": _Plain,
}


class Follower:
    """See the module."""

    def __init__(self, kind: str) -> None:
        self.told: defaultdict[str, list[Message]] = defaultdict(list)
        self.wrong: list[str] = []  # what should never have come
        self.connections = 0
        self._open = KINDS[kind]
        self._since: dict[str, dict[str, str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.told.values()))

    def follow(
        self, port: Callable[[], int], invoices: Callable[[], list[str]]
    ) -> None:
        """For ever: those of `invoices` whose end it has not heard yet."""
        while True:
            line = None
            try:
                line = self._open(port())
                self.connections += 1
                self._listen(line, invoices)
            except (
                OSError,
                engineio.Ended,
                Closed,
            ):  # TimeoutError too: it comes again
                gevent.sleep(_AGAIN_S)
            finally:
                if line is not None:
                    line.close()

    def _listen(self, line: Line, invoices: Callable[[], list[str]]) -> None:
        for name in invoices():
            if not self.told[name] or self.told[name][-1][1] != "payment:completed":
                since: dict[str, Any] = self._since.get(name, {"since": 0})
                line.subscribe({"invoiceId": name, "steps": True, **since})
        while True:
            self._take(*line.message())

    def _take(self, name: str, value: dict[str, Any]) -> None:
        if "data" not in value:
            self.wrong.append(f"{name} {value}")
            return
        data, told = value["data"], self.told[value["invoiceId"]]
        this = (data["seq"], name, data["type"])
        if name == "payment:status-update" and told[-1:] == [this]:
            return  # it was cut off between this and the completion, and began there
        told.append(this)
        place = {"since": data["since"], "paymentId": data["paymentId"]}
        self._since[value["invoiceId"]] = place


@contextmanager
def following(
    followers: list[Follower],
    port: Callable[[], int],
    invoices: Callable[[], list[str]],
) -> Iterator[None]:
    greenlets = [gevent.spawn(one.follow, port, invoices) for one in followers]
    try:
        yield
    finally:
        gevent.killall(greenlets)
