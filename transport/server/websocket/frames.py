"""WebSocket frames as bytes: RFC 6455 without a socket, the server's side.

`FrameParser` is fed whatever came in and gives one event at a time: a whole message,
a ping, a pong, a close. It fails as soon as the bytes prove the peer wrong, and
before it has taken more memory than it was allowed. `encode_*` make the unmasked
frames that a server sends; without extensions they are the same bytes for every
client, so a message is encoded once for all.

Everything that touches each byte is done by C: XOR of big integers, the UTF-8
decoder, `bytes` methods. Extensions are never negotiated, so reserved bits are always
an error. Called by `transport/server/websocket/connection.py` in the reading greenlet.
"""

import codecs
import io
from typing import Final, NamedTuple

__all__ = [
    "Binary",
    "Close",
    "FrameError",
    "FrameParser",
    "Ping",
    "Pong",
    "Text",
    "encode_close",
    "encode_ping",
    "encode_pong",
    "encode_text",
    "is_valid_close_code",
    "unmask",
]

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FIN: Final = 0x80
_MASKED: Final = 0x80
_CONTROL_BYTES: Final = 125  # RFC 6455 5.5
_Utf8Decoder = codecs.getincrementaldecoder("utf-8")


class FrameError(Exception):
    """The peer broke the protocol. `code` is the close code to send (7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Text(NamedTuple):
    text: str


class Binary(NamedTuple):
    payload: bytes


class Ping(NamedTuple):
    payload: bytes


class Pong(NamedTuple):
    payload: bytes


class Close(NamedTuple):
    """`code` is 1005 when the peer gave none."""

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | Close


def unmask(payload: bytes, mask: bytes, offset: int = 0) -> bytes:
    """XOR with the mask; `offset` is the place of payload[0] in its frame (5.3)."""
    length = len(payload)
    turn = offset & 3
    key = (mask[turn:] + mask[:turn]) * ((length + 3) // 4)
    mixed = int.from_bytes(payload, "little") ^ int.from_bytes(key[:length], "little")
    return mixed.to_bytes(length, "little")


def is_valid_close_code(code: int) -> bool:
    """Whether a peer may send it: 7.4.1, 7.4.2 and the IANA registry (1012-1014)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _encode(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((_FIN | opcode, length)) + payload
    if length < 65536:
        return bytes((_FIN | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + length.to_bytes(8, "big") + payload


def encode_text(payload: bytes) -> bytes:
    """One text frame of valid UTF-8. The same bytes serve every client."""
    return _encode(_TEXT, payload)


def encode_ping(payload: bytes) -> bytes:
    return _encode(_PING, payload[:_CONTROL_BYTES])


def encode_pong(payload: bytes) -> bytes:
    return _encode(_PONG, payload[:_CONTROL_BYTES])


def encode_close(code: int, reason: str = "") -> bytes:
    """1005 means no code at all, as in the answer to a close without one."""
    if code == 1005:
        return _encode(_CLOSE, b"")
    # 123 bytes are left for the reason; never cut a character in two.
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return _encode(_CLOSE, code.to_bytes(2, "big") + text)


class FrameParser:
    """Bytes in, events out. After a FrameError it must not be used again."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_fin",
        "_fragments",
        "_left",
        "_mask",
        "_max_fragments",
        "_max_message",
        "_offset",
        "_opcode",
        "_parts",
        "_size",
    )

    def __init__(self, max_message: int, max_fragments: int) -> None:
        self._max_message = max_message  # bytes, over all fragments
        self._max_fragments = max_fragments
        self._buffer = bytearray()  # came in, not looked at yet
        self._mask = b""  # of the frame we are inside
        self._opcode = -1  # of that frame; -1 between frames
        self._fin = False  # of that frame
        self._left = 0  # bytes of that frame still to come
        self._offset = 0  # bytes of that frame already taken
        self._size = 0  # declared bytes of the message so far
        self._fragments = 0  # frames of the message so far; 0 between messages
        # What is there of the message: text is decoded as it comes.
        self._parts: io.StringIO | io.BytesIO | None = None
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, received: bytes) -> None:
        self._buffer += received

    @property
    def is_empty(self) -> bool:
        """Whether all that was fed is looked at."""
        return not self._buffer

    def wants(self) -> int:
        """Bytes that the frame under way still lacks; 0 between frames."""
        return max(0, self._left - len(self._buffer)) if self._opcode >= 0 else 0

    def next_event(self) -> Event | None:
        """The next event, or None until more is fed. Raises FrameError."""
        while True:
            if self._opcode < 0 and not self._read_header():
                return None
            if self._opcode >= _CLOSE:
                if len(self._buffer) < self._left:
                    return None
                return self._control()
            event = self._data()
            if event is not None:
                return event
            if self._left:
                return None

    def _read_header(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            # A wrong first byte is wrong already.
            if buffer:
                self._check_opcode(buffer[0])
            return False
        first, second = buffer[0], buffer[1]
        self._check_opcode(first)
        if not second & _MASKED:
            raise FrameError(1002, "client frames must be masked")
        length = second & 0x7F
        opcode = first & 0x0F
        if opcode >= _CLOSE and (length > _CONTROL_BYTES or not first & _FIN):
            raise FrameError(1002, "control frame too long or fragmented")
        start = 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return False
            length = self._long_length(start)
        if opcode < _CLOSE:
            self._check_size(length)  # before a byte of it is waited for
        if len(buffer) < start + 4:
            return False
        self._mask = bytes(buffer[start : start + 4])
        del buffer[: start + 4]
        self._opcode, self._fin = opcode, bool(first & _FIN)
        self._left, self._offset = length, 0
        if opcode < _CLOSE:
            self._begin_data(opcode, length)
        return True

    def _check_opcode(self, first: int) -> None:
        if first & 0x70:
            raise FrameError(1002, "reserved bit set, no extension was negotiated")
        opcode = first & 0x0F
        if opcode in (_TEXT, _BINARY):
            if self._fragments:
                raise FrameError(1002, "new message inside a fragmented one")
        elif opcode == _CONTINUATION:
            if not self._fragments:
                raise FrameError(1002, "continuation of nothing")
        elif opcode not in (_CLOSE, _PING, _PONG):
            raise FrameError(1002, "reserved opcode")

    def _long_length(self, start: int) -> int:
        length = int.from_bytes(self._buffer[2:start], "big")
        if length >> 63 or length < (126 if start == 4 else 65536):
            raise FrameError(1002, "length is not in its shortest form")
        return length

    def _check_size(self, length: int) -> None:
        if self._size + length > self._max_message:
            raise FrameError(1009, f"messages are limited to {self._max_message} bytes")
        if self._fragments >= self._max_fragments:
            raise FrameError(1008, "too many fragments")

    def _begin_data(self, opcode: int, length: int) -> None:
        self._size += length
        self._fragments += 1
        if opcode == _TEXT:
            self._decoder = _Utf8Decoder()
        if opcode != _CONTINUATION:
            self._parts = None

    def _take(self, count: int) -> bytes:
        """Unmasked: the next `count` bytes of the frame that are in the buffer."""
        piece = unmask(bytes(self._buffer[:count]), self._mask, self._offset)
        del self._buffer[:count]
        self._offset += count
        self._left -= count
        return piece

    def _control(self) -> Event:
        opcode, payload = self._opcode, self._take(self._left)
        self._opcode = -1
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        return _close_event(payload)

    def _data(self) -> Text | Binary | None:
        """Take what is there of a data frame; the message if that completes it."""
        piece = self._take(min(self._left, len(self._buffer)))
        ends_frame = not self._left
        ends_message = ends_frame and self._fin
        if ends_frame:
            self._opcode = -1
        text = None
        if self._decoder is not None:
            text = self._decode(self._decoder, piece, ends_message)
        if not ends_message:
            self._keep(piece, text)
            return None
        return self._finish(piece, text)

    def _decode(
        self, decoder: codecs.IncrementalDecoder, piece: bytes, final: bool
    ) -> str:
        try:
            text = decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            raise FrameError(1007, "text is not UTF-8") from error
        # Python waits for the third byte of a surrogate, which can only be wrong.
        pending = decoder.getstate()[0]
        if pending[:1] == b"\xed" and pending[1:2] >= b"\xa0":
            raise FrameError(1007, "text is not UTF-8")
        return text

    def _keep(self, piece: bytes, text: str | None) -> None:
        if self._parts is None:
            self._parts = io.BytesIO() if text is None else io.StringIO()
        if isinstance(self._parts, io.StringIO):
            self._parts.write(text or "")
        else:
            self._parts.write(piece)

    def _finish(self, piece: bytes, text: str | None) -> Text | Binary:
        parts = self._parts
        if parts is not None:
            self._keep(piece, text)
        self._size = self._fragments = 0
        self._parts = self._decoder = None
        if text is not None:
            return Text(parts.getvalue() if isinstance(parts, io.StringIO) else text)
        return Binary(parts.getvalue() if isinstance(parts, io.BytesIO) else piece)


def _close_event(payload: bytes) -> Close:
    if not payload:
        return Close(1005, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_valid_close_code(code):
        raise FrameError(1002, "invalid close code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise FrameError(1007, "close reason is not UTF-8") from error
