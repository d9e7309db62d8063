"""Packets of Socket.IO v4 as text: what may come in, and what goes out. Pure.

The wire is two protocols in one another: Engine.IO 4 (github.com/socketio/engine.io-
protocol) carries a text of Socket.IO 5 (socket.io-protocol) behind its digit 4. Texts
are read with python-socketio's own `Packet`; what it lets pass and nobody of ours says
is refused here: binary packets, attachments (CVE-2026-33151 and its kin), events that
have no name or the name of the library's own (a client could call `connect` again with
what it likes).
"""

from typing import Any, Final

import msgspec
from engineio import packet as engine
from socketio import packet as library

from transport.server.websocket.frames import encode_text

__all__ = [
    "CLOSE",
    "CONNECT",
    "DISCONNECT",
    "EVENT",
    "MAX_NAMESPACE",
    "NOOP",
    "PING",
    "PONG",
    "PROBE",
    "PROBE_ANSWER",
    "SEPARATOR",
    "UPGRADE",
    "Encoded",
    "Packet",
    "PacketError",
    "acknowledgement",
    "connected",
    "disconnected",
    "event",
    "is_message",
    "joined",
    "opened",
    "refused",
]

# Of Engine.IO. Only a message has contents, and they are a packet of Socket.IO.
_OPEN: Final = str(engine.OPEN)
CLOSE: Final = str(engine.CLOSE)
PING: Final = str(engine.PING)
PONG: Final = str(engine.PONG)
_MESSAGE: Final = str(engine.MESSAGE)
UPGRADE: Final = str(engine.UPGRADE)
NOOP: Final = str(engine.NOOP)
PROBE: Final = PING + "probe"
PROBE_ANSWER: Final = PONG + "probe"
#: Between the packets of one polling request or answer.
SEPARATOR: Final = "\x1e"

# Of Socket.IO.
CONNECT: Final = library.CONNECT
DISCONNECT: Final = library.DISCONNECT
EVENT: Final = library.EVENT

#: Characters; ours are /ws/payments/salon/<id> at the longest.
MAX_NAMESPACE: Final = 200
_EXPECTED: Final = (CONNECT, DISCONNECT, EVENT)
#: What the client's and the server's library say of themselves; no client may say it.
_RESERVED: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener",
     "removeListener"}
)  # fmt: skip


class PacketError(Exception):
    """The client sent what no client of ours sends. Its text says which, not what."""


class _Json:
    """In place of `json`: strict, and bounded in depth."""

    @staticmethod
    def loads(text: str) -> Any:
        return msgspec.json.decode(text)

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        return msgspec.json.encode(value).decode()


class Packet(library.Packet):  # type: ignore[misc]  # the package has no types
    """One that came in. Raises `PacketError`."""

    uses_binary_events = False
    json = _Json

    def __init__(self, text: str) -> None:
        if not text:
            raise PacketError("an empty packet")
        try:
            super().__init__(encoded_packet=text)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            raise PacketError("a packet that cannot be read") from error
        self.namespace: str = self.namespace or "/"
        if self.packet_type not in _EXPECTED:
            raise PacketError("a packet of a kind that no client sends here")
        if self.attachment_count:
            raise PacketError("a packet with attachments")
        if len(self.namespace) > MAX_NAMESPACE:
            raise PacketError("a namespace that is too long")
        if self.packet_type == EVENT:
            self._expect_event()

    def _expect_event(self) -> None:
        data = self.data
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise PacketError("an event without a name")
        if data[0] in _RESERVED:
            raise PacketError("an event with a name that is reserved")


class Encoded:
    """Packets that are told to many: the text for polling, the frame for WebSockets."""

    __slots__ = ("frame", "text")

    def __init__(self, *texts: str) -> None:
        self.text = joined(texts)
        self.frame = b"".join(encode_text(text.encode()) for text in texts)


def joined(texts: tuple[str, ...] | list[str]) -> str:
    return SEPARATOR.join(texts)


def is_message(text: str) -> bool:
    return text[:1] == _MESSAGE


def opened(sid: str, upgrades: list[str], ping: tuple[float, float], most: int) -> str:
    """The first packet of a session. `ping`: interval and time-out in seconds; `most`:
    bytes that a client may send at once."""
    interval_s, timeout_s = ping
    body = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(interval_s * 1000),
        "pingTimeout": round(timeout_s * 1000),
        "maxPayload": most,
    }
    return _OPEN + _Json.dumps(body)


def connected(namespace: str, sid: str) -> str:
    return _packet(CONNECT, namespace, {"sid": sid})


def refused(namespace: str, message: str, code: str) -> str:
    """What the client's library makes `connect_error` of: `message`, `data.code`."""
    body = {"message": message, "data": {"code": code}}
    return _packet(library.CONNECT_ERROR, namespace, body)


def disconnected(namespace: str) -> str:
    return _packet(DISCONNECT, namespace)


def event(namespace: str, name: str, value: Any) -> str:
    """`value` is the event's one argument; `msgspec.Raw` is JSON already."""
    return _packet(EVENT, namespace, [name, value])


def acknowledgement(namespace: str, number: int, value: Any) -> str:
    return _packet(library.ACK, namespace, [value], number)


def _packet(
    kind: int, namespace: str, value: Any = None, number: int | None = None
) -> str:
    where = "" if namespace == "/" else f"{namespace},"
    which = "" if number is None else str(number)
    body = "" if value is None else _Json.dumps(value)
    return f"{_MESSAGE}{kind}{where}{which}{body}"
