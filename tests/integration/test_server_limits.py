"""The HTTP side over real sockets: deadlines, sizes, counts, fairness, errors, the end.

Limits are small so that nothing takes long; what is waited for has a deadline.
"""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.tools.wsclient import WsClient, connect, read_response
from transport.body import read_body
from transport.gate import Refusal, problem
from transport.limits import Limits
from transport.live.websocket import WebSocket
from transport.server import Server

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def echo_body(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = read_body(environ, 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


def no_routes(environ: dict[str, Any]) -> None:
    return None


@contextmanager
def serving(
    app: App = hello, routes: Any = no_routes, **options: Any
) -> Iterator[Server]:
    own = {k: options.pop(k) for k in ("origins", "trusted_proxies") if k in options}
    server = Server(app, routes, "127.0.0.1", 0, Limits(**options), **own)
    server.start()
    try:
        yield server
    finally:
        server.stop(1.0)


def dial(
    server: Server, source: str = "127.0.0.1", receive_buffer: int = 0
) -> WsClient:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind((source, 0))
    sock.settimeout(5)
    sock.connect(("127.0.0.1", server.port))
    return WsClient(sock, 5.0)


def ask(
    client: WsClient, request: str | bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
) -> int:
    client.send_raw(request if isinstance(request, bytes) else request.encode())
    read_response(client, 5)
    return client.status


def post(body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "Host: a", *headers, "", "")).encode() + body


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        gevent.sleep(0.005)


def is_problem(client: WsClient, status: int) -> bool:
    assert client.headers["content-type"] == "application/problem+json"
    assert client.problem["status"] == client.status
    return client.status == status


# Requests and answers


def test_requests_on_one_connection_are_answered_in_order() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        for word in (b"one", b"two"):
            assert ask(client, post(word, "Content-Length: 3")) == 200
            assert client.body == word


def test_pipelined_requests_are_all_answered_in_order() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        client.send_raw(
            b"".join(post(b"%03d" % i, "Content-Length: 3") for i in range(200))
        )
        for number in range(200):
            read_response(client, 5)
            assert client.body == b"%03d" % number


def test_head_and_body_of_a_small_answer_are_one_segment() -> None:
    with serving() as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.sock.recv(65536).endswith(b"hello")


def test_keep_alive_answers_are_not_delayed() -> None:
    with serving() as server:
        client = dial(server)
        start = time.monotonic()
        for _ in range(50):
            assert ask(client) == 200
        # Nagle and delayed acknowledgements would cost 40 ms each.
        assert time.monotonic() - start < 1.0


def test_an_answer_to_head_has_no_body_even_if_it_is_streamed() -> None:
    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    with serving(stream) as server:
        client = dial(server)
        client.send_raw(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        read_response(client, 5, head_only=True)
        read_response(client, 5, head_only=True)
        assert client.status == 200
        assert not client.buffer


def test_chunked_bodies_are_read() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        data = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert ask(client, post(data, "Transfer-Encoding: chunked")) == 200
        assert client.body == b"abcde"
        assert ask(client, post(b"x", "Content-Length: 1")) == 200


def test_the_100_comes_only_when_the_body_is_wanted() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        assert (
            ask(client, post(b"", "Content-Length: 3", "Expect: 100-continue")) == 100
        )
        assert ask(client, b"abc") == 200
        client = dial(server)
        too_long = post(b"", "Content-Length: 3000", "Expect: 100-continue")
        assert ask(client, too_long) == 413


# Deadlines


def test_a_head_that_trickles_is_refused_when_its_time_is_over() -> None:
    with serving(head_timeout_s=0.3) as server:
        client = dial(server)
        start = time.monotonic()

        def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000:
                client.sock.sendall(bytes((byte,)))
                gevent.sleep(0.02)

        trickling = gevent.spawn(trickle)
        read_response(client, 5)
        assert is_problem(client, 408)
        assert time.monotonic() - start < 1.5
        trickling.kill()
        client.sock.close()
        until(lambda: server.connections == 0)


def test_a_connection_that_says_nothing_is_closed() -> None:
    with serving(head_timeout_s=0.2) as server:
        client = dial(server)
        client.expect_end(2)
        assert not client.buffer


def test_an_idle_connection_is_closed_after_the_idle_timeout() -> None:
    with serving(idle_timeout_s=0.2, head_timeout_s=5) as server:
        client = dial(server)
        assert ask(client) == 200
        start = time.monotonic()
        client.expect_end(2)
        assert 0.1 < time.monotonic() - start < 1.0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_is_refused_when_its_time_is_over(chunked: bool) -> None:
    with serving(echo_body, body_timeout_s=0.3) as server:
        client = dial(server)
        if chunked:
            client.send_raw(post(b"64\r\nabc", "Transfer-Encoding: chunked"))
        else:
            client.send_raw(post(b"abc", "Content-Length: 100"))
        read_response(client, 3)
        assert is_problem(client, 408)
        client.expect_end(4)


def test_a_reader_of_nothing_does_not_hold_a_large_answer_for_ever() -> None:
    ended = Event()

    def large(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            for _ in range(200):
                yield b"x" * 100_000
        finally:
            ended.set()

    limits = {"write_timeout_s": 0.3, "write_bytes_per_s": 10_000_000}
    with serving(large, **limits) as server:
        client = dial(server, receive_buffer=4096)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended.wait(4)
        until(lambda: server.connections == 0, 4)
        client.sock.close()


# Sizes


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 40_000 + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: 1\r\n" * 200 + "\r\n", 431),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("rubbish\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
    ],
)
def test_a_head_that_cannot_be_taken_is_a_problem_and_the_end(
    request_text: str, status: int
) -> None:
    with serving() as server:
        client = dial(server)
        assert ask(client, request_text.encode("latin-1")) == status
        assert is_problem(client, status)
        assert client.headers["connection"] == "close"
        client.expect_end(4)


def test_a_body_over_the_limit_is_413_and_the_client_can_read_it() -> None:
    with serving(echo_body, discard_bytes=100) as server:
        client = dial(server)
        sending = gevent.spawn(
            client.sock.sendall, post(b"x" * 500_000, "Content-Length: 500000")
        )
        read_response(client, 5)
        assert is_problem(client, 413)
        sending.kill()


def test_a_body_that_nobody_reads_does_not_become_the_next_request() -> None:
    with serving() as server:
        client = dial(server)
        smuggled = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
        request = post(smuggled, f"Content-Length: {len(smuggled)}")
        client.send_raw(request + b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        read_response(client, 5)
        read_response(client, 5)
        client.expect_end(2)
        assert not client.buffer


def test_malformed_chunks_are_400() -> None:
    with serving(echo_body) as server:
        client = dial(server)
        assert ask(client, post(b"zz\r\n", "Transfer-Encoding: chunked")) == 400
        assert is_problem(client, 400)


# Counts


def test_connections_over_the_limit_are_turned_away_with_503() -> None:
    with serving(connections=3) as server:
        held = [dial(server) for _ in range(3)]
        until(lambda: server.connections == 3)
        late = dial(server)
        read_response(late, 5)
        assert is_problem(late, 503)
        assert late.headers["retry-after"] == "5"
        late.expect_end(1)
        held.pop().sock.close()
        until(lambda: server.connections == 2)
        assert ask(dial(server)) == 200


def test_one_address_cannot_take_the_connections_of_another() -> None:
    with serving(connections_per_address=2) as server:
        held = [dial(server) for _ in range(2)]
        until(lambda: server.connections == 2)
        late = dial(server)
        read_response(late, 5)
        assert is_problem(late, 503)
        assert ask(dial(server, "127.0.0.2")) == 200
        held.pop().sock.close()
        until(lambda: server.connections < 3)
        assert ask(dial(server)) == 200


def test_behind_a_trusted_proxy_the_clients_websockets_are_counted() -> None:
    def hold(websocket: WebSocket) -> None:
        while websocket.receive() is not None:
            pass

    options = {"connections_per_address": 2, "trusted_proxies": ["127.0.0.1"]}
    with serving(routes=lambda _: hold, **options) as server:

        def open_for(address: str) -> WsClient:
            return connect(
                "127.0.0.1", server.port, headers={"X-Forwarded-For": address}
            )

        first = [open_for("5.5.5.5") for _ in range(3)]
        assert [c.status for c in first] == [101, 101, 429]
        other = open_for("6.6.6.6")
        assert other.accepted
        first[0].close()
        until(lambda: server.websockets == 2)
        again = open_for("5.5.5.5")
        assert again.accepted
        for client in (first[1], other, again):
            client.close()


# Who is asking


def show_client(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    names = [name for name in environ if "FORWARDED" in name or "REAL_IP" in name]
    shown = [environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], sorted(names)]
    return [json.dumps(shown).encode()]


FORWARDED = (
    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 5.6.7.8\r\n"
    "X-Forwarded-Proto: https\r\n"
    "X-Forwarded-Host: evil\r\nX-Real-IP: 9.9.9.9\r\nX_Forwarded_For: 1.1.1.1\r\n\r\n"
)


def test_forwarded_headers_of_a_stranger_are_not_even_seen() -> None:
    with serving(show_client) as server:
        client = dial(server)
        ask(client, FORWARDED)
        assert json.loads(client.body) == ["127.0.0.1", "http", []]


def test_forwarded_headers_of_a_trusted_proxy_count() -> None:
    with serving(show_client, trusted_proxies=["127.0.0.0/8"]) as server:
        client = dial(server)
        ask(client, FORWARDED)
        assert json.loads(client.body)[:2] == ["5.6.7.8", "https"]


# Upgrades


def echo(websocket: WebSocket) -> None:
    while (message := websocket.receive()) is not None:
        websocket.send_text(str(message))


def some_routes(environ: dict[str, Any]) -> Any:
    if environ["PATH_INFO"] == "/ws":
        return echo
    if environ["PATH_INFO"] == "/secret":
        return problem(401, "A key is wanted.", (("WWW-Authenticate", "Bearer"),))
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("the secret is 42")
    return None


def test_refusals_come_before_the_101_as_plain_problems() -> None:
    with serving(routes=some_routes) as server:

        def opened(path: str, origin: str | None = None, **headers: str) -> WsClient:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            return connect("127.0.0.1", server.port, path, fields, origin)

        assert is_problem(opened("/secret"), 401)
        assert is_problem(opened("/ws", "https://evil.example"), 403)
        assert is_problem(opened("/ws", Sec_WebSocket_Version="8"), 426)
        assert is_problem(opened("/ws", Sec_WebSocket_Key=""), 400)
        assert is_problem(opened("/ws", Upgrade=""), 426)
        assert is_problem(opened("/broken"), 500)
        assert opened("/other").body == b"hello"
        own = opened("/ws", f"http://127.0.0.1:{server.port}")
        own.send_text("x")
        assert own.recv() == "x"
        own.close()


def test_a_refused_upgrade_keeps_the_connection_for_a_better_request() -> None:
    refusal = Refusal(401, b"{}", (("X-Why", "because"),))
    with serving(
        routes=lambda env: refusal if env["PATH_INFO"] == "/ws" else None
    ) as server:
        client = connect("127.0.0.1", server.port, "/ws")
        assert client.status == 401
        assert client.headers["x-why"] == "because"
        assert ask(client) == 200


def test_extensions_are_declined() -> None:
    with serving(routes=some_routes) as server:
        offered = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        client = connect("127.0.0.1", server.port, "/ws", offered)
        assert client.accepted
        assert "sec-websocket-extensions" not in client.headers
        client.close()


# Fairness


def test_saturated_connections_do_not_starve_the_others() -> None:
    with serving() as server:
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        stop = Event()

        def saturate() -> None:
            client = dial(server)
            while not stop.is_set():
                client.send_raw(request * 50)
                for _ in range(50):
                    read_response(client, 5)

        busy = [gevent.spawn(saturate) for _ in range(8)]
        client = dial(server)
        waits = []
        for _ in range(40):
            start = time.perf_counter()
            assert ask(client) == 200
            waits.append(time.perf_counter() - start)
        stop.set()
        gevent.joinall(busy, timeout=5, raise_error=True)
        assert max(waits) < 0.3


# Errors


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the secret is 4242"),
        OSError("the secret is 4242"),
        BrokenPipeError(32, "the secret is 4242"),
        gevent.Timeout(4242),
    ],
)
def test_a_crash_is_a_problem_without_a_trace_and_one_log_line(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise error

    caplog.set_level(logging.INFO)
    with serving(crash) as server:
        client = dial(server)
        assert ask(client, "GET /x?key=4343 HTTP/1.1\r\nHost: a\r\n\r\n") == 500
        assert is_problem(client, 500)
        assert b"Traceback" not in client.body
        assert b"4242" not in client.body
    lines = [r for r in caplog.records if r.name.startswith("paybell")]
    assert len(lines) == 1
    text = lines[0].getMessage()
    assert "path='/x'" in text
    assert type(error).__name__ in text
    assert "4242" not in text
    assert "4343" not in text


def test_a_crash_in_the_middle_of_an_answer_cuts_it_off() -> None:
    def crash(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"half"
        raise RuntimeError

    with serving(crash) as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_response(client, 5)
        whole = bytearray(client.buffer)
        while chunk := client.sock.recv(65536):
            whole += chunk
        assert b"0\r\n\r\n" not in whole
        assert b"Traceback" not in whole


def test_nothing_is_logged_about_ordinary_requests(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    with serving(routes=some_routes) as server:
        ask(dial(server), "GET /?token=4242 HTTP/1.1\r\nHost: a\r\n\r\n")
        ask(dial(server), "rubbish 4242\r\n\r\n")
        connect("127.0.0.1", server.port, "/ws?token=4242").close()
        dial(server).sock.close()
        until(lambda: server.websockets == 0)
    assert "4242" not in caplog.text
    out, err = capfd.readouterr()
    assert not out
    assert not err


# Stopping


def test_stopping_finishes_what_is_in_flight_and_takes_nothing_new() -> None:
    asked, go = Event(), Event()

    def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.set()
        go.wait(5)
        return hello(environ, start_response)

    with serving(slow) as server:
        idle = dial(server)
        go.set()
        assert ask(idle) == 200
        go.clear()
        asked.clear()
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(5)
        stopping = gevent.spawn(server.stop, 5)
        idle.expect_end(2)
        assert server.stopping.is_set()
        with pytest.raises(ConnectionRefusedError):
            dial(server)
        go.set()
        read_response(client, 5)
        assert client.body == b"hello"
        assert client.headers["connection"] == "close"
        client.sock.close()
        stopping.get(timeout=5)
        assert server.connections == 0


def test_stopping_ends_event_streams_and_lets_them_clean_up() -> None:
    closed = Event()

    def events(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        try:
            yield b": ok\n\n"
            Event().wait(60)
        finally:
            closed.set()

    with serving(events) as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_response(client, 5)
        start = time.monotonic()
        stopping = gevent.spawn(server.stop, 5)
        client.expect_end(3)
        client.sock.close()
        stopping.get(timeout=5)
        assert closed.is_set()
        assert time.monotonic() - start < 3


def test_stopping_drops_what_does_not_end() -> None:
    def stuck(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        Event().wait(60)
        return []

    with serving(stuck) as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: server.connections == 1)
        start = time.monotonic()
        server.stop(0.4)
        assert time.monotonic() - start < 2
        assert server.connections == 0
        client.expect_end(2)


def test_a_port_that_is_taken_is_an_error_at_the_start() -> None:
    with serving() as server, pytest.raises(OSError, match="Address already in use"):
        Server(hello, no_routes, "127.0.0.1", server.port).start()


@pytest.mark.parametrize("count", [30])
def test_connections_leave_nothing_behind(count: int) -> None:
    with serving(routes=some_routes) as server:
        for number in range(count):
            client = connect("127.0.0.1", server.port, "/ws" if number % 2 else "/")
            client.sock.close()
        until(lambda: server.connections == 0)
        listener = server._listener
        assert not listener.websockets
        assert not listener._counts
        assert listener._open == 0
