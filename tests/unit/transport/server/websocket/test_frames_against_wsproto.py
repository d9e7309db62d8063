"""Our frames against an implementation that is not ours: wsproto, as the client."""

from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    TextMessage,
)
from wsproto.events import Ping as WsprotoPing

from transport.server.websocket import frames
from transport.server.websocket.frames import Binary, Close, FrameParser, Ping, Text

PIECES = st.lists(
    st.one_of(st.text(max_size=200), st.binary(max_size=200)), min_size=1, max_size=6
)


@given(PIECES, st.integers(1, 300), st.booleans())
def test_what_wsproto_sends_we_read(
    messages: list[str | bytes], step: int, split: bool
) -> None:
    client = Connection(ConnectionType.CLIENT)
    data = b""
    wanted: list[frames.Event] = []
    for message in messages:
        event: TextMessage | BytesMessage = (
            TextMessage(message, message_finished=not split)
            if isinstance(message, str)
            else BytesMessage(message, message_finished=not split)
        )
        data += client.send(event)
        if split:
            data += client.send(WsprotoPing(b"between"))
            wanted.append(Ping(b"between"))
            data += client.send(
                TextMessage("") if isinstance(message, str) else BytesMessage(b"")
            )
        wanted.append(Text(message) if isinstance(message, str) else Binary(message))
    data += client.send(CloseConnection(4000, "done"))
    wanted.append(Close(4000, "done"))
    parser = FrameParser(16_384, 64)
    got: list[frames.Event] = []
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
        while (event_in := parser.next_event()) is not None:
            got.append(event_in)
    assert got == wanted


@given(st.text(max_size=70_000), st.binary(max_size=200), st.text(max_size=60))
def test_what_we_send_wsproto_reads(text: str, payload: bytes, reason: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(
        frames.encode_text(text.encode())
        + frames.encode_ping(payload[:125])
        + frames.encode_close(1013, reason)
    )
    events = list(client.events())
    text_parts = [e.data for e in events if isinstance(e, TextMessage)]
    assert "".join(text_parts) == text
    assert [e.payload for e in events if isinstance(e, WsprotoPing)] == [payload[:125]]
    closing = events[-1]
    assert isinstance(closing, CloseConnection)
    assert closing.code == 1013
    assert reason.startswith(closing.reason or "")
