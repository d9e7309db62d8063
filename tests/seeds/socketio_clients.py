"""The official client of Socket.IO (npm `socket.io-client`), in a process of Node.

    with node_clients() as clients:
        page = clients.open(url, auth={"token": token}, transports=["websocket"])
        assert page.next("connect")["transport"] == "websocket"
        page.emit("subscribe:payment-events", {"invoiceId": "7"})
        assert page.event("payment:completed")["status"] == "SUCCESS"

Each socket has its own list of what happened to it; `next` and `event` take from it in
order and pass over what is something else.
"""

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from tests.tools import children
from tests.tools.wait import wait_until

__all__ = ["NodeClients", "Page", "node_clients"]

HERE = Path(__file__).parent
PACKAGES = HERE.parent / "node" / "package.json"


class Page:
    """One socket."""

    def __init__(self, owner: "NodeClients", name: str) -> None:
        self._owner = owner
        self._name = name
        self._acks = itertools.count(1)
        self.seen: list[dict[str, Any]] = []  # all that happened, for ever
        self._read = 0

    def next(self, what: str, timeout_s: float = 10) -> dict[str, Any]:
        """The next thing of this kind; what comes before it is passed over."""

        def found() -> dict[str, Any] | None:
            while self._read < len(self.seen):
                self._read += 1
                if self.seen[self._read - 1]["what"] == what:
                    return self.seen[self._read - 1]
            return None

        thing = wait_until(found, timeout_s, lambda: f"{what}, but {self.seen[-5:]}")
        assert thing is not None
        return thing

    def seen_one(self, what: str) -> dict[str, Any]:
        """The first of this kind, whether it was passed over or not."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.seen if each["what"] == what]

        return wait_until(found, 10, lambda: f"{what}, but {self.seen[-5:]}")[0]

    def event(self, name: str, timeout_s: float = 10) -> Any:
        """The argument of the next event of this name."""
        while True:
            found = self.next("event", timeout_s)
            if found["name"] == name:
                return found["args"][0]

    def events(self, name: str = "") -> list[Any]:
        """All that came so far, by name."""
        return [
            each["args"][0]
            for each in self.seen
            if each["what"] == "event" and name in ("", each["name"])
        ]

    def emit(self, *args: Any) -> None:
        self._owner.tell(do="emit", id=self._name, args=args)

    def ask(self, *args: Any) -> Any:
        """Emit, and wait for the acknowledgement."""
        number = next(self._acks)
        self._owner.tell(do="emit", id=self._name, args=args, ack=number)
        answer: Any = wait_until(
            lambda: [e for e in self.seen if e.get("ack") == number],
            10,
            lambda: f"an acknowledgement, but {self.seen[-5:]}",
        )
        return answer[0]["answer"][0]

    def close(self) -> None:
        self._owner.tell(do="close", id=self._name)

    def cut(self) -> None:
        """End its transport; the client comes back by itself."""
        self._owner.tell(do="cut", id=self._name)


class NodeClients:
    """See `node_clients`."""

    def __init__(self, child: "children.Child[str]") -> None:
        self._child = child
        self._numbers = itertools.count(1)
        self._pages: dict[str, Page] = {}
        self.is_ready = False

    def open(self, url: str, **options: Any) -> Page:
        """`options` as of the client's `io(url, options)`."""
        name = f"page-{next(self._numbers)}"
        page = self._pages[name] = Page(self, name)
        self.tell(do="open", id=name, url=url, options=options)
        return page

    def tell(self, **command: Any) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(command) + "\n")
        self._child.stdin.flush()

    def read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            said = json.loads(line)
            if said["what"] == "ready":
                self.is_ready = True
            else:
                self._pages[said["id"]].seen.append(said)


@contextmanager
def node_clients() -> Iterator[NodeClients]:
    command: list[str | Path] = ["node", HERE / "socketio_clients.js", PACKAGES]
    with children.start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        clients = NodeClients(child)
        reading = gevent.spawn(clients.read)
        try:
            wait_until(lambda: clients.is_ready, 10, "Node to be ready")
            yield clients
        finally:
            child.kill()
            reading.join(timeout=5)
