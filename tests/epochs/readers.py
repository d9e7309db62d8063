"""Readers of every transport, each with what it has read and where it says it is.

A reader is written from the documentation, and shares no line with the node: it keeps
what a client would keep (the position that it was given, word for word, or a number
alone, as clients did before there were epochs), and what it has read as the bytes that
came. Whether that is right is judged by `world.py`, which knows the truth.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from tests.epochs.edge import Node

__all__ = ["BY_ADDRESS", "BY_ID", "AddressReader", "FalseResume", "JournalReader"]

BY_ADDRESS = ("websocket", "sse", "poll_balance")
BY_ID = ("subscribe", "sse_payment", "poll_payment")


class FalseResume(AssertionError):
    """The node went on for a reader who has read something else, or told nothing."""


class AddressReader:
    """Follows the payment at an address over `over`: of `BY_ADDRESS`, or of `BY_ID` the
    one that was there when it began."""

    def __init__(self, over: str, address: str, secret: Callable[[str], str]) -> None:
        self.over = over
        self.address = address
        self.says_epoch = True  # False: as a client of before there were any
        self.payment_id: str | None = None
        self.story: list[bytes] | None = None  # all that it knows to have happened
        self.told_anew = 0
        self.heard = 0  # states
        self._secret = secret
        self._position: str | None = None  # what it comes back with
        self._epoch: str | None = None  # of the state that it was shown last

    @property
    def seq(self) -> int:
        return len(self.story or ())

    @property
    def is_by_id(self) -> bool:
        return self.over in BY_ID

    def visit(self, node: Node, truth: Callable[[str], list[bytes]]) -> None:
        """Connect, hear all that there is, and be cut off."""
        messages = getattr(self, f"_over_{self.over}")(node)
        resumes_from = self.story
        for message, raw, event_id in messages:
            kind = message["type"]
            if kind in {"error", "problem"}:
                assert message["code"] == "begins_anew", message
                self.told_anew += 1
                self.story = self._position = resumes_from = None
            elif kind in {"state", "subscribed"}:
                state = message.get("state", message)
                self._on_state(state, message["epoch"], resumes_from, truth)
            elif kind.startswith("payment."):
                if message["seq"] != self.seq + 1 or self.story is None:
                    raise FalseResume(f"event {message['seq']} after {self.seq}")
                self.story.append(raw)
                self._keep()
            if event_id is not None and self.says_epoch:
                assert event_id == self._position, "one value, however it is told"

    def _on_state(
        self,
        state: dict[str, Any],
        epoch: str,
        resumes_from: list[bytes] | None,
        truth: Callable[[str], list[bytes]],
    ) -> None:
        self.heard += 1
        self._epoch = epoch
        whole = truth(state["id"])
        assert len(whole) == state["seq"]
        if resumes_from is None:
            self.payment_id, self.story = state["id"], whole
            self._keep()
        elif whole[: len(resumes_from)] != resumes_from:
            raise FalseResume(f"{self.over} at {self.address} from {self._position}")
        else:
            self.payment_id = state["id"]

    def _keep(self) -> None:
        head = f"{self._epoch}-" if self.says_epoch else ""
        self._position = f"{head}{self.seq}"

    # -- how it is told: (message, its bytes, the id that came with it) ----------------

    def _over_websocket(self, node: Node) -> Iterator[tuple[Any, bytes, None]]:
        query = "" if self._position is None else f"since={self._position}"
        socket = node.socket(f"/ws/balance/{self.address}", query)
        if socket is not None:
            node.run()
            yield from ((json.loads(raw), raw, None) for raw in socket.texts())
            socket.hang_up()

    def _over_subscribe(self, node: Node) -> Iterator[tuple[Any, bytes, None]]:
        if self.payment_id is None:
            return
        socket = node.socket("/ws")
        assert socket is not None
        wanted: dict[str, Any] = {
            "type": "subscribe",
            "payment_id": self.payment_id,
            "token": self._secret(self.payment_id),
        }
        if self._position is not None:
            is_number = self._position.isdigit()
            wanted["since"] = int(self._position) if is_number else self._position
        socket.say(json.dumps(wanted))
        node.run()
        for raw in socket.texts():
            message = json.loads(raw)
            if message.get("code") == "unknown_payment":
                break  # it was lost in the restore
            if message["type"] != "connected":
                yield message, raw, None
        socket.hang_up()

    def _over_sse(self, node: Node) -> Iterator[tuple[Any, bytes, str | None]]:
        return self._stream(node, f"balance/{self.address}", "")

    def _over_sse_payment(self, node: Node) -> Iterator[tuple[Any, bytes, str | None]]:
        if self.payment_id is None:
            return iter(())
        token = f"token={self._secret(self.payment_id)}"
        return self._stream(node, f"payment/{self.payment_id}", token)

    def _stream(
        self, node: Node, path: str, query: str
    ) -> Iterator[tuple[Any, bytes, str | None]]:
        headers = {}
        if self._position is not None:
            headers["HTTP_LAST_EVENT_ID"] = self._position
        status, body = node.get(f"/events/{path}", query, **headers)
        if status == 200:
            yield from _sse(body, node)

    def _over_poll_balance(self, node: Node) -> Iterator[tuple[Any, bytes, None]]:
        return self._poll(node, f"balance/{self.address}", "")

    def _over_poll_payment(self, node: Node) -> Iterator[tuple[Any, bytes, None]]:
        if self.payment_id is None:
            return iter(())
        token = f"token={self._secret(self.payment_id)}"
        return self._poll(node, f"payment/{self.payment_id}", token)

    def _poll(
        self, node: Node, path: str, query: str
    ) -> Iterator[tuple[Any, bytes, None]]:
        since = "" if self._position is None else f"since={self._position}"
        query = "&".join(filter(None, (query, since)))
        answer = node.ask("GET", f"/poll/{path}", query)
        assert answer is not None, "a question without an answer"
        status, body = answer
        # None at this address, or (403: by its id) lost in the restore.
        assert status in (200, 403 if self.is_by_id else 404), body
        if status == 200:
            for raw in msgspec.json.decode(body, type=_Polled).messages:
                yield json.loads(bytes(raw)), bytes(raw), None


class _Polled(msgspec.Struct):
    messages: list[msgspec.Raw]


class JournalReader:
    """Follows every event of the node, over `over`: poll or stream."""

    def __init__(self, over: str) -> None:
        self.over = over
        self.says_epoch = True
        self.read: set[bytes] = set()
        self.told_anew = 0
        self.heard = 0  # visits
        self._cursor = "0"

    def begin_later_than_epochs(self) -> None:
        """Who has read nothing yet is no client of before there were any."""
        self.says_epoch |= self._cursor == "0"

    def visit(self, node: Node, journal: Callable[[], list[bytes]]) -> None:
        """Read to the end. What it passed over it must have read."""
        self.heard += 1
        for _attempt in range(2):
            if self._reads_on(node):
                break
        else:
            raise FalseResume(f"the cursor {self._cursor} of a 410 is refused, too")
        missed = set(journal()) - self.read
        if missed:
            raise FalseResume(f"{self.over} passed over {len(missed)} events")

    def _reads_on(self, node: Node) -> bool:
        """False: the cursor is gone, and it has the one to go on from."""
        if self.over == "stream":
            headers = {"HTTP_ACCEPT": "text/event-stream"}
            if self._cursor != "0":
                headers["HTTP_LAST_EVENT_ID"] = self._cursor
            status, body = node.get("/v1/events", "", **headers)
            if status != 200:
                self._take_cursor(status, body)
                return False
            for _message, raw, event_id in _sse(body, node):
                self.read.add(raw)
                assert event_id is not None
                self._keep(event_id)
            return True
        while True:
            status, body = node.get("/v1/events", f"after={self._cursor}&limit=3")
            if status != 200:
                self._take_cursor(status, body)
                return False
            text = b"".join(body)
            page = json.loads(text)
            # The events as they stand in the answer, byte for byte.
            self.read |= {raw for raw in _array(text) if raw}
            self._keep(page["next"])
            if not page["data"]:
                return True

    def _take_cursor(self, status: int, body: Iterable[bytes]) -> None:
        problem = json.loads(b"".join(body))
        assert (status, problem["code"]) == (410, "cursor_gone"), problem
        self._cursor = problem["cursor"]
        self.says_epoch = True  # from here on it keeps what it is given
        self.told_anew += 1

    def _keep(self, cursor: str) -> None:
        self._cursor = cursor if self.says_epoch else cursor.partition("-")[2]


def _array(page: bytes) -> list[bytes]:
    """The events of a page, cut where the next one's id begins."""
    inner = page[len(b'{"data":[') : page.rindex(b'],"next":')]
    parts = inner.split(b',{"id":"evt_')
    return [parts[0], *(b'{"id":"evt_' + part for part in parts[1:])]


def _sse(body: Iterable[bytes], node: Node) -> Iterator[tuple[Any, bytes, str | None]]:
    """What a stream holds by now, without what it says of itself."""
    pieces, text, silent = iter(body), b"", 0
    while silent < 2:  # asked again when all have had their turns
        piece = next(pieces, None)
        if piece is None:
            break
        silent = silent + 1 if piece == b": keep-alive\n\n" else 0
        text += piece
        node.run()
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            yield json.loads(fields["data"]), fields["data"].encode(), fields.get("id")
