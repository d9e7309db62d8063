"""WebSockets under pressure: slow readers, silent and hostile clients, the stop.

The limits are small so that nothing takes long; what is waited for has a deadline.
Waits are measured in work, the calls of this process, in which server and clients are:
what else the machine does adds nothing to it.
"""

import contextlib
import socket
import time

import gevent
import pytest

from tests.tools.calls import calls
from tests.tools.endpoints import Held, echo, send_text
from tests.tools.endpoints import serving_websockets as serving
from tests.tools.serving import until
from tests.tools.wsclient import (
    BINARY,
    PING,
    PONG,
    connect,
    frame,
)
from transport.server.websocket.connection import WebSocket


def fill(websocket: WebSocket) -> None:
    """Until the kernel takes no more and its queue is full."""
    deadline = time.monotonic() + 60
    while send_text(websocket, "x" * 10_000):
        assert time.monotonic() < deadline
        gevent.sleep(0)


# Slow readers


@pytest.mark.parametrize(
    "limits", [{"ws_queue_messages": 50}, {"ws_queue_bytes": 65_536}]
)
def test_a_reader_that_is_too_slow_is_closed_with_1013_and_its_socket_dies(
    limits: dict[str, int],
) -> None:
    held = Held()
    with serving(held, write_timeout_s=60, **limits) as server:
        client = connect("127.0.0.1", server.port, receive_buffer=4096)
        websocket = held.get()
        fill(websocket)
        assert websocket.close_code == 1013
        until(lambda: server.connections == 0, 30)
        client.sock.close()


def test_a_slow_reader_that_still_reads_is_told_1013() -> None:
    held = Held()
    patient = {"ws_fail_timeout_s": 60, "write_timeout_s": 60}
    with serving(held, ws_queue_messages=10, **patient) as server:
        client = connect("127.0.0.1", server.port, receive_buffer=4096)
        fill(held.get())
        assert client.expect_close() == 1013
        assert client.close_reason == "too slow"


def test_a_reader_that_stops_for_good_is_dropped_after_the_write_deadline() -> None:
    held = Held()
    with serving(held, ws_queue_bytes=1 << 30, write_timeout_s=0.2) as server:
        client = connect("127.0.0.1", server.port, receive_buffer=4096)
        for _ in range(500):
            send_text(held.get(), "x" * 10_000)
        assert held.has_ended.wait(30)
        assert held.get().close_code == 1006
        until(lambda: server.connections == 0, 30)
        client.sock.close()


def test_room_in_the_queue_paces_a_replay_that_is_longer_than_it() -> None:
    held = Held()
    numbers = iter(range(500))

    def replay() -> None:
        websocket = held.get()
        for number in numbers:
            assert send_text(websocket, f"{number} {'x' * 2000}")
            if websocket.queued_messages > 20:
                websocket.call_when_written(replay)
                return
        websocket.close()

    with serving(held, ws_queue_messages=50, write_timeout_s=60) as server:
        client = connect("127.0.0.1", server.port, receive_buffer=4096)
        replay()
        for number in range(500):
            message = client.recv()
            assert isinstance(message, str)
            assert message.startswith(f"{number} ")
        assert client.expect_close() == 1000


# Heartbeats


def test_a_client_that_answers_pings_stays() -> None:
    with serving(ws_ping_s=0.1, ws_pong_timeout_s=60.0) as server:
        client = connect("127.0.0.1", server.port)
        for _ in range(2):
            got = client.recv_frame(30)
            assert got.opcode == PING
            client.send_frame(PONG, got.payload)
        client.send_text("still here")
        assert client.recv() == "still here"


@pytest.mark.parametrize("answer", [None, b"wrong"])
def test_a_client_that_does_not_answer_its_ping_is_closed(answer: bytes | None) -> None:
    with serving(ws_ping_s=0.1, ws_pong_timeout_s=0.2) as server:
        client = connect("127.0.0.1", server.port)
        client.auto_pong = False
        assert client.recv_frame(30).opcode == PING
        if answer is not None:
            with contextlib.suppress(OSError):  # its time may be over by now
                client.send_frame(PONG, answer)
        assert client.expect_close(30) == 1011
        client.expect_end(30)
        until(lambda: server.connections == 0, 30)


def test_a_client_that_is_gone_without_a_word_is_found() -> None:
    with serving(ws_ping_s=0.1, ws_pong_timeout_s=0.2) as server:
        client = connect("127.0.0.1", server.port)
        until(lambda: server.connections == 0, 30)
        client.sock.close()


# The whole server


def test_stopping_closes_every_websocket_with_1001() -> None:
    with serving(ws_close_timeout_s=600) as server:
        clients = [connect("127.0.0.1", server.port) for _ in range(5)]
        until(lambda: server.websockets == 5)
        stopping = gevent.spawn(server.stop, 30)
        assert [c.expect_close() for c in clients] == [1001] * 5
        for client in clients:
            client.send_close(1001)
            client.expect_end(30)
        stopping.get(timeout=30)
        assert server.connections == 0


def test_stopping_does_not_wait_for_clients_that_never_answer() -> None:
    with serving(ws_close_timeout_s=60) as server:
        client = connect("127.0.0.1", server.port)
        gevent.spawn(server.stop, 0.5).get(timeout=30)
        assert server.connections == 0
        client.expect_end(30)


def test_hostile_clients_do_not_slow_the_healthy_ones() -> None:
    held: list[WebSocket] = []

    def endpoint(websocket: WebSocket) -> None:
        held.append(websocket)
        echo(websocket)

    with serving(endpoint, head_timeout_s=5, ws_queue_bytes=1 << 20) as server:
        healthy = connect("127.0.0.1", server.port)
        half_heads = []
        for _ in range(100):
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.sendall(b"GET / HTTP/1.1\r\nHost:")
            half_heads.append(sock)
        deaf = [
            connect("127.0.0.1", server.port, receive_buffer=4096) for _ in range(50)
        ]
        endless = connect("127.0.0.1", server.port)
        endless.send_raw(frame(BINARY, bytes(96 * 1024 * 1024))[:1_000_000])
        until(lambda: len(held) == 52)
        waits = []
        with calls() as work:
            for _ in range(100):
                for websocket in held[1:51]:
                    send_text(websocket, "x" * 1000)
                start = work.count
                healthy.send_text("?")
                assert healthy.recv(30) == "?"
                waits.append(work.count - start)
        assert sorted(waits)[98] < 20_000
        assert endless.expect_close() == 1009
        for client in (*deaf, endless, healthy):
            client.sock.close()
        for sock in half_heads:
            sock.close()


def test_a_busy_client_does_not_keep_the_others_waiting() -> None:
    with serving(ws_frames_per_s=0) as server:
        busy = connect("127.0.0.1", server.port)
        quiet = connect("127.0.0.1", server.port)
        flood = gevent.spawn(busy.sock.sendall, frame(PONG) * 200_000)
        waits = []
        with calls() as work:
            while not flood.ready():
                start = work.count
                quiet.send_text("?")
                assert quiet.recv(30) == "?"
                waits.append(work.count - start)
        assert waits
        assert sorted(waits)[len(waits) // 2] < 50_000, "not all that was sent first"
        busy.sock.close()
