"""Every answer has an `X-Request-Id`, and the log line of a failure names it."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from engine.errors.codes import Code
from tests.tools.endpoints import Held, echo
from tests.tools.serving import ask, dial, echo_body, hello, post, serving, until
from tests.tools.wsclient import WsClient, connect, read_response
from transport.server.refusal import problem
from transport.server.websocket.connection import WebSocket

FORM = re.compile(r"[0-9a-f]{16}")


def id_of(client: WsClient) -> str:
    found = client.headers["x-request-id"]
    assert FORM.fullmatch(found)
    return found


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("paybell")]


def routes(environ: dict[str, Any]) -> Any:
    if environ["PATH_INFO"] == "/ws":
        return echo
    if environ["PATH_INFO"] == "/secret":
        return problem(Code.UNAUTHORIZED, "A key is wanted.")
    return None


def test_each_answer_of_a_connection_has_an_id_of_its_own() -> None:
    with serving() as server:
        client = dial(server)
        found = set()
        for _ in range(20):
            assert ask(client) == 200
            found.add(id_of(client))
        assert len(found) == 20


def test_the_application_sees_the_id_that_its_client_gets() -> None:
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["paybell.request_id"])
        return hello(environ, start_response)

    with serving(app) as server:
        client = dial(server)
        ask(client)
        assert seen == [id_of(client)]


def test_an_id_that_a_client_sends_is_not_taken_over() -> None:
    with serving() as server:
        client = dial(server)
        ask(
            client,
            "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 0123456789abcdef\r\n\r\n",
        )
        assert id_of(client) != "0123456789abcdef"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("rubbish\r\n\r\n", 400),
        ("GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 40_000 + "\r\n\r\n", 431),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (post(b"", "Content-Length: 9999999").decode(), 413),
    ],
)
def test_a_request_that_cannot_be_taken_has_one(request_text: str, status: int) -> None:
    with serving(echo_body) as server:
        client = dial(server)
        assert ask(client, request_text) == status
        id_of(client)


def test_a_head_that_does_not_come_in_time_has_one() -> None:
    with serving(head_timeout_s=0.1) as server:
        client = dial(server)
        assert ask(client, "GET / HTTP/1.1\r\nHost:") == 408
        id_of(client)


def test_the_101_and_what_is_refused_before_it_have_one() -> None:
    with serving(routes=routes) as server:
        opened = connect("127.0.0.1", server.port, "/ws")
        assert opened.accepted
        refused = connect("127.0.0.1", server.port, "/secret")
        assert refused.status == 401
        plain = connect("127.0.0.1", server.port, "/ws", {"Upgrade": ""})
        assert plain.status == 426
        assert len({id_of(client) for client in (opened, refused, plain)}) == 3
        opened.close()


def test_an_event_stream_has_one() -> None:
    def events(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b": ok\n\n"
        gevent.sleep(60)  # ended by the client, which hangs up

    with serving(events) as server:
        client = dial(server)
        client.send_raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_response(client, 30, head_only=True)
        id_of(client)
        client.sock.close()
        until(lambda: server.connections == 0)


def test_a_full_server_says_so_with_one_and_its_log_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(connections=1, head_timeout_s=600) as server:
        held = dial(server)
        until(lambda: server.connections == 1)
        late = dial(server)
        read_response(late, 30)
        assert late.status == 503
        assert failures(caplog) == [
            f"http.failed status=503 method=- path='-' request={id_of(late)} left_out=0"
        ]
        held.sock.close()


def test_the_line_of_a_crash_names_it(caplog: pytest.LogCaptureFixture) -> None:
    def crash(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError

    with serving(crash) as server:
        client = dial(server)
        assert ask(client, "GET /x?key=4343 HTTP/1.1\r\nHost: a\r\n\r\n") == 500
        (line,) = failures(caplog)
        assert line.startswith("http.crash method=GET path='/x' error=RuntimeError")
        assert line.endswith(f" request={id_of(client)}")


def test_the_line_of_an_answer_that_says_not_now_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def busy(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("503 Service Unavailable", [])
        return [b""]

    with serving(busy) as server:
        client = dial(server)
        assert ask(client, "GET /x?key=4343 HTTP/1.1\r\nHost: a\r\n\r\n") == 503
        until(lambda: bool(caplog.records))
        assert failures(caplog) == [
            "http.failed status=503 method=GET path='/x'"
            f" request={id_of(client)} left_out=0"
        ]


def test_the_line_of_a_refused_origin_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(routes=routes) as server:
        evil = connect(
            "127.0.0.1", server.port, "/ws", origin="https://names-it.example"
        )
        assert evil.status == 403
        (line,) = failures(caplog)
        assert f" request={id_of(evil)} " in line


def test_what_goes_wrong_on_a_websocket_is_logged_with_the_id_of_its_101(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Held):
        def on_message(self, message: str | bytes) -> None:
            raise RuntimeError

    def crash(websocket: WebSocket) -> None:
        raise RuntimeError

    endpoints = {"/crash": crash, "/broken": Broken()}
    with serving(routes=lambda env: endpoints[env["PATH_INFO"]]) as server:
        for path, event in (
            ("/crash", "http.crash"),
            ("/broken", "live.endpoint_failed"),
        ):
            caplog.clear()
            client = connect("127.0.0.1", server.port, path)
            client.send_text("x")
            assert client.expect_close() == 1011
            (line,) = failures(caplog)
            assert line.startswith(event)
            assert f"request={id_of(client)}" in line


def test_an_ordinary_refusal_is_no_failure_and_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "paybell")
    with serving(routes=routes) as server:
        assert connect("127.0.0.1", server.port, "/secret").status == 401
        assert ask(dial(server), "rubbish\r\n\r\n") == 400
        assert ask(dial(server), "GET / HTTP/3.0\r\nHost: a\r\n\r\n") == 505
    assert failures(caplog) == []
