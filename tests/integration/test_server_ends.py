"""The HTTP side over real sockets: who asks, who may upgrade, errors, stopping."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from engine.errors.codes import Code
from tests.tools.endpoints import echo
from tests.tools.serving import (
    ask,
    dial,
    hello,
    is_problem,
    no_routes,
    serving,
    until,
)
from tests.tools.wsclient import WsClient, connect, read_response
from transport.server.refusal import problem
from transport.server.server import Server

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


def some_routes(environ: dict[str, Any]) -> Any:
    if environ["PATH_INFO"] == "/ws":
        return echo
    if environ["PATH_INFO"] == "/secret":
        return problem(
            Code.UNAUTHORIZED, "A key is wanted.", (("WWW-Authenticate", "Bearer"),)
        )
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
    refusal = problem(Code.UNAUTHORIZED, "Who?", (("X-Why", "because"),))
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
        read_response(client, 30)
        whole = bytearray(client.buffer)
        while chunk := client.sock.recv(65536):
            whole += chunk
        assert b"0\r\n\r\n" not in whole
        assert b"HTTP/1.1" not in whole  # no second answer inside the first
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
        go.wait(30)
        return hello(environ, start_response)

    with serving(slow) as server:
        idle = dial(server)
        go.set()
        assert ask(idle) == 200
        go.clear()
        asked.clear()
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(30)
        stopping = gevent.spawn(server.stop, 30)
        idle.expect_end(30)
        assert server.stopping.is_set()
        with pytest.raises(ConnectionRefusedError):
            dial(server)
        go.set()
        read_response(client, 30)
        assert client.body == b"hello"
        assert client.headers["connection"] == "close"
        client.sock.close()
        stopping.get(timeout=30)
        assert server.connections == 0


def test_a_websocket_asked_for_while_stopping_is_refused_with_503() -> None:
    with serving(routes=some_routes, head_timeout_s=60) as server:
        client = dial(server)
        head = (
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
        )
        client.send_raw(head[:20].encode())
        until(lambda: any(h.phase == "busy" for h in server._listener.handlers))
        stopping = gevent.spawn(server.stop, 30)
        until(server.stopping.is_set)
        assert ask(client, head[20:]) == 503
        assert client.problem["code"] == Code.STOPPING
        assert client.headers["retry-after"] == "5"
        client.sock.close()
        stopping.get(timeout=30)


def test_stopping_ends_event_streams_and_lets_them_clean_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
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
        read_response(client, 30)
        stopping = gevent.spawn(server.stop, 30)
        client.expect_end(30)
        client.sock.close()
        stopping.get(timeout=25)
        assert closed.is_set()
        assert "http.dropped" not in caplog.text  # it was not cut off at the end


def test_streams_go_on_until_what_is_in_flight_is_finished() -> None:
    asked, go, closed = Event(), Event(), Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/slow":
            asked.set()
            go.wait(30)
            yield from hello(environ, start_response)
            return
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        try:
            yield b": ok\n\n"
            Event().wait(60)
        finally:
            closed.set()

    with serving(app) as server:
        stream, slow = dial(server), dial(server)
        stream.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_response(stream, 30)
        slow.send_raw(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(30)
        stopping = gevent.spawn(server.stop, 30)
        until(server.stopping.is_set)
        for _ in range(20):
            gevent.sleep(0)  # whoever was ended by now would be
        assert not closed.is_set()
        go.set()
        read_response(slow, 30)
        assert slow.status == 200
        assert closed.wait(30)
        stream.sock.close()
        slow.sock.close()
        stopping.get(timeout=30)


def test_stopping_drops_what_does_not_end() -> None:
    def stuck(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        Event().wait(60)
        return []

    with serving(stuck) as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: server.connections == 1)
        gevent.spawn(server.stop, 0.4).get(timeout=30)
        assert server.connections == 0
        client.expect_end(30)


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
        assert listener.open == 0
