"""One WebSocket over a real socket: messages, the rules of the protocol, closing."""

from collections.abc import Iterator

import gevent
import pytest

from tests.tools.endpoints import Held, in_turn, send_text
from tests.tools.endpoints import serving_websockets as serving
from tests.tools.serving import until
from tests.tools.wsclient import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WsClient,
    connect,
    frame,
)
from transport.server.server import Server
from transport.server.websocket.connection import WebSocket, encode_text


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[WsClient]:
    opened = connect("127.0.0.1", server.port)
    yield opened
    opened.sock.close()


# Messages


def test_text_and_binary_come_back_as_they_were_sent(client: WsClient) -> None:
    client.send_text("Grüße ⚡")
    assert client.recv() == "Grüße ⚡"
    client.send_binary(b"\x00\xff")
    assert client.recv() == b"\x00\xff"


def test_frames_sent_right_behind_the_handshake_are_not_lost(server: Server) -> None:
    client = connect("127.0.0.1", server.port, early=frame(TEXT, b"already here"))
    assert client.recv() == "already here"


def test_a_message_in_single_bytes_with_a_ping_inside_is_answered(
    client: WsClient,
) -> None:
    data = frame(TEXT, b"ab", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"c")
    for byte in data:
        client.send_raw(bytes((byte,)))
    assert client.recv_frame() == (PONG, b"p", True)
    assert client.recv() == "abc"


def test_a_message_of_16_mib_works_when_the_limit_allows_it() -> None:
    size = 16 * 1024 * 1024
    with serving(ws_message_bytes=size, ws_queue_bytes=2 * size) as server:
        client = connect("127.0.0.1", server.port, timeout_s=20)
        text = "€" * (size // 3)
        client.send_text(text)
        assert client.recv() == text
        client.sock.close()


def test_a_frame_encoded_once_reaches_every_client() -> None:
    held = [Held(), Held()]
    with serving(in_turn(held)) as server:
        clients = [connect("127.0.0.1", server.port) for _ in held]
        encoded = encode_text(b'{"n":1}')
        for one in held:
            assert one.get().send_encoded(encoded)
        assert [c.recv_json() for c in clients] == [{"n": 1}, {"n": 1}]


def test_messages_of_many_greenlets_arrive_whole_and_each_in_order() -> None:
    held = Held()
    with serving(held, ws_queue_messages=10_000) as server:
        client = connect("127.0.0.1", server.port)
        websocket = held.get()

        def talk(name: str) -> None:
            for number in range(200):
                send_text(websocket, f"{name} {number} {'x' * 300}")
                gevent.sleep(0)

        gevent.joinall([gevent.spawn(talk, name) for name in "abcd"])
        seen: dict[str, list[int]] = {name: [] for name in "abcd"}
        for _ in range(800):
            message = client.recv()
            assert isinstance(message, str)
            name, number, rest = message.split(" ")
            assert rest == "x" * 300
            seen[name].append(int(number))
        assert all(numbers == list(range(200)) for numbers in seen.values())


# Rules


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x", mask=False), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"x" * 8000 + b"\xff" + b"x" * 4000)[:9000], 1007),
        (frame(BINARY, bytes(16_385))[:8], 1009),
        (frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 300, 1008),
    ],
)
def test_a_broken_rule_closes_with_its_code_and_ends_the_socket(
    client: WsClient, data: bytes, code: int
) -> None:
    client.send_raw(data)
    assert client.expect_close() == code
    client.expect_end(30)


def test_a_flood_of_frames_is_closed_with_1008() -> None:
    with serving(ws_frames_per_s=10, ws_frames_burst=20) as server:
        client = connect("127.0.0.1", server.port)
        client.send_raw(frame(PONG) * 2_000)
        assert client.expect_close() == 1008


# Closing


def test_a_close_by_the_client_is_answered_with_its_code() -> None:
    held = Held()
    with serving(held, ws_close_timeout_s=600) as server:
        client = connect("127.0.0.1", server.port)
        client.send_close(4000, "bye")
        assert client.expect_close() == 4000
        client.expect_end(30)
        assert held.has_ended.wait(30)
        until(lambda: server.connections == 0)  # the client need not hang up first
        assert (held.get().close_code, held.get().close_reason) == (4000, "bye")
        assert not send_text(held.get(), "too late")


def test_a_close_without_a_code_is_answered_without_one(client: WsClient) -> None:
    client.send_close(None)
    assert client.expect_close() == 1005
    client.expect_end(30)


def test_a_close_by_the_server_sends_what_was_queued_and_then_the_code() -> None:
    held = Held()
    with serving(held, ws_close_timeout_s=600) as server:
        client = connect("127.0.0.1", server.port)
        send_text(held.get(), "last words")
        held.get().close(4001, "für immer")
        assert held.get().closed
        assert client.recv() == "last words"
        assert client.expect_close() == 4001
        assert client.close_reason == "für immer"
        client.send_close(4001)
        client.expect_end(30)
        assert held.has_ended.wait(30)


def test_a_client_that_never_answers_a_close_is_dropped_in_time() -> None:
    held = Held()
    with serving(held, ws_close_timeout_s=0.2, ws_ping_s=600) as server:
        client = connect("127.0.0.1", server.port)
        held.get().close(1000)
        assert client.expect_close() == 1000
        client.expect_end(30)
        until(lambda: server.connections == 0, 30)


def test_an_endpoint_that_returns_closes_with_1000() -> None:
    with serving(lambda ws: None) as server:
        client = connect("127.0.0.1", server.port)
        assert client.expect_close() == 1000


def test_an_endpoint_that_crashes_closes_with_1011_and_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def crash(websocket: WebSocket) -> None:
        raise RuntimeError("the secret is swordfish")

    with serving(crash) as server:
        client = connect("127.0.0.1", server.port, "/ws?token=hidden")
        assert client.expect_close() == 1011
        until(lambda: bool(caplog.records))
        assert "RuntimeError" in caplog.text
        assert "swordfish" not in caplog.text
        assert "hidden" not in caplog.text


def test_a_connection_that_is_cut_off_ends_with_1006() -> None:
    held = Held()
    with serving(held) as server:
        client = connect("127.0.0.1", server.port)
        websocket = held.get()
        client.sock.close()
        assert held.has_ended.wait(30)
        assert websocket.close_code == 1006
        until(lambda: server.connections == 0)
