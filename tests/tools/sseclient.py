"""An event stream for tests, read as the HTML standard says: a small EventSource.

    stream = SseClient("127.0.0.1", port, "/events/balance/bcrt1…", {})
    assert stream.next().kind == "state"
    stream.close()

Comments are kept in `comments`, the last id in `last_id`. Every wait has a limit,
which is for a quiet machine, as in tests/tools/wait.py.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tests.tools.wait import PATIENCE

__all__ = ["Ended", "SseClient", "SseEvent"]


class Ended(Exception):
    """The server has ended the stream."""


class SseEvent(NamedTuple):
    kind: str
    data: Any
    id: str | None
    """None when the event itself had none."""


class SseClient:
    """One open stream, or a refusal: `status`, `headers` and `body`."""

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        headers: Mapping[str, str],
        timeout_s: float = 30.0,
        receive_buffer: int = 0,
    ) -> None:
        self.timeout_s = timeout_s
        self.patience: float = PATIENCE  # 1 to see that nothing comes
        self.comments: list[str] = []
        self.retry: str | None = None
        self.last_id: str | None = None
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout_s * PATIENCE)
        self._socket.connect((host, port))
        fields = {"Host": f"{host}:{port}", "Accept": "text/event-stream", **headers}
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join((f"GET {path} HTTP/1.1", *lines, "", ""))
        self._socket.sendall(head.encode())
        self._buffer = b""
        self._left = 0  # of the chunk that is being read
        self._text = b""
        self._read_head()

    @property
    def body(self) -> bytes:
        """Of a refusal."""
        length = int(self.headers["content-length"])
        while len(self._buffer) < length:
            self._fill(self._deadline(None))
        return self._buffer[:length]

    @property
    def is_torn(self) -> bool:
        """Whether what came last is only half there."""
        return bool(self._left or self._buffer or self._text)

    def _deadline(self, timeout_s: float | None) -> float:
        return time.monotonic() + (timeout_s or self.timeout_s) * self.patience

    def wait_for_event(self, timeout_s: float | None = None) -> None:
        """Until the next event is here, whole; it stays to be read. Raises Ended."""
        deadline = self._deadline(timeout_s)
        while not any("\ndata:" in f"\n{block}" for block in self._blocks()):
            self._text += self._chunk(deadline)

    def _blocks(self) -> list[str]:
        """What has come and was not read, but for a block that is not whole yet."""
        return self._text.decode(errors="replace").split("\n\n")[:-1]

    def next(self, timeout_s: float | None = None) -> SseEvent:
        """The next event. Raises Ended, TimeoutError."""
        deadline = self._deadline(timeout_s)
        while True:
            block = self._block(deadline)
            fields: dict[str, str] = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                if not name:
                    self.comments.append(value.strip())
                else:
                    fields[name] = value.removeprefix(" ")
            self.retry = fields.get("retry", self.retry)
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                data = msgspec.json.decode(fields["data"])
                return SseEvent(fields.get("event", "message"), data, fields.get("id"))
            if not fields:
                continue

    def events(self, kind_prefix: str = "payment.") -> Iterator[SseEvent]:
        """Only those of a kind."""
        while True:
            event = self.next()
            if event.kind.startswith(kind_prefix):
                yield event

    def wait_for_comment(self, text: str, timeout_s: float = 5) -> None:
        deadline = self._deadline(timeout_s)
        while text not in self.comments:
            block = self._block(deadline)
            if block.startswith(b":"):
                self.comments.append(block[1:].decode().strip())

    def rest(self, timeout_s: float = 10) -> list[SseEvent]:
        """Everything until the server ends the stream."""
        found = []
        deadline = self._deadline(timeout_s)
        while True:
            try:
                found.append(self.next(max(0.001, deadline - time.monotonic())))
            except Ended:
                return found

    def say(self, data: bytes) -> None:
        """What no EventSource does: say something behind its request."""
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def _read_head(self) -> None:
        deadline = self._deadline(None)
        while b"\r\n\r\n" not in self._buffer:
            self._fill(deadline)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        pairs = (line.split(":", 1) for line in lines)
        self.headers = {name.lower(): value.strip() for name, value in pairs}

    def _block(self, deadline: float) -> bytes:
        while b"\n\n" not in self._text:
            self._text += self._chunk(deadline)
        block, _, self._text = self._text.partition(b"\n\n")
        return block

    def _chunk(self, deadline: float) -> bytes:
        """The next piece of the body: what is there of a chunk, as browsers take it."""
        assert self.headers.get("transfer-encoding") == "chunked"
        if not self._left:
            while b"\r\n" not in self._buffer:
                self._fill(deadline)
            size_text, _, self._buffer = self._buffer.partition(b"\r\n")
            self._left = int(size_text, 16) + 2  # with the line end behind it
            if self._left == 2:
                raise Ended
        while not self._buffer:
            self._fill(deadline)
        piece = self._buffer[: self._left]
        self._buffer = self._buffer[len(piece) :]
        data = piece[: max(0, self._left - 2)]
        self._left -= len(piece)
        return data

    def _fill(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self._socket.settimeout(left)
        try:
            received = self._socket.recv(65_536)
        except ConnectionError as error:
            raise Ended from error
        if not received:
            raise Ended
        self._buffer += received
