"""Answers as bytes: a length or chunks, no body where none may be, nothing smuggled."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from transport.server.request_head import RequestHead
from transport.server.response import Response

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Headers = list[tuple[str, str]]


class Wire:
    """Keeps what is sent."""

    def __init__(self, *, closes: bool = False) -> None:
        self.close_connection = closes
        self.request_id = "0123456789abcdef"
        self.sent: list[bytes] = []
        self.types: list[str] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def on_head(self, content_type: str) -> None:
        self.types.append(content_type)


def says(
    body: Iterable[bytes],
    headers: Headers | None = None,
    status: str = "200 OK",
) -> App:
    def app(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start(status, headers or [])
        return body

    return app


def run(
    app: App, method: str = "GET", version: str = "HTTP/1.1", *, closes: bool = False
) -> tuple[Wire, list[str], bytes]:
    """The wire, the lines of the head and what follows it."""
    wire = Wire(closes=closes)
    Response(wire, RequestHead(method, "/", version)).run(app, {})
    head, _, body = b"".join(wire.sent).partition(b"\r\n\r\n")
    return wire, head.decode("latin-1").split("\r\n"), body


def pieces(*data: bytes) -> Iterator[bytes]:
    yield from data


def test_a_whole_answer_is_one_write_with_its_length_and_the_date() -> None:
    wire, lines, body = run(says([b"ab", b""], [("X-One", "1")]))
    assert len(wire.sent) == 1
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "X-One: 1" in lines
    assert "X-Request-Id: 0123456789abcdef" in lines
    assert "Content-Length: 2" in lines
    assert any(line.startswith("Date: ") and line.endswith(" GMT") for line in lines)
    assert not any(line.startswith("Connection") for line in lines)
    assert body == b"ab"


def test_headers_of_the_application_are_not_said_twice() -> None:
    said = [("content-length", "2"), ("DATE", "now"), ("Connection", "close")]
    wire, lines, _ = run(says([b"ab"], said))
    names = ["content-length", "DATE", "Connection", "X-Request-Id"]
    assert [line.partition(":")[0] for line in lines[1:]] == names
    assert wire.close_connection


def test_what_has_no_length_is_chunked_and_ended() -> None:
    wire, lines, body = run(says(pieces(b"abc", b"", b"d" * 17)))
    assert "Transfer-Encoding: chunked" in lines
    assert body == b"3\r\nabc\r\n11\r\n" + b"d" * 17 + b"\r\n0\r\n\r\n"
    assert len(wire.sent) == 3


def test_nothing_at_all_is_an_empty_answer() -> None:
    assert "Content-Length: 0" in run(says([]))[1]
    assert run(says(pieces()))[2] == b"0\r\n\r\n"


def test_an_old_client_gets_no_chunks_and_the_end_of_the_connection() -> None:
    wire, lines, body = run(says(pieces(b"abc")), version="HTTP/1.0")
    assert wire.close_connection
    assert "Connection: close" in lines
    assert body == b"abc"


def test_an_old_client_that_wants_to_stay_is_told_that_it_may() -> None:
    _, lines, _ = run(says([b"abc"]), version="HTTP/1.0")
    assert "Connection: keep-alive" in lines
    _, lines, _ = run(says([b"abc"]), closes=True)
    assert "Connection: close" in lines


@pytest.mark.parametrize("body", [[b"abc"], [b"a" * 100_000], pieces(b"a", b"b")])
def test_the_answer_to_head_has_no_body(body: Iterable[bytes]) -> None:
    assert run(says(body), "HEAD")[2] == b""


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body_have_no_length_either(status: str) -> None:
    for body in ([b"abc"], pieces(b"abc")):
        _, lines, rest = run(says(body, status=status))
        assert rest == b""
        names = ["Date", "X-Request-Id"]
        assert [line.partition(":")[0] for line in lines[1:]] == names


def test_a_large_body_is_not_copied_behind_its_head() -> None:
    wire, lines, body = run(says([b"x" * 100_000]))
    assert [len(data) for data in wire.sent[1:]] == [100_000]
    assert "Content-Length: 100000" in lines
    assert body == b"x" * 100_000


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX: y", []),
        ("200 OK", [("X", "y\r\nSet-Cookie: a=b")]),
        ("200 OK", [("X", "y\nZ: a")]),
        ("200 OK", [("X\r\nY", "a")]),
    ],
)
def test_no_line_break_gets_into_a_head(status: str, headers: Headers) -> None:
    wire = Wire()
    response = Response(wire, RequestHead("GET", "/", "HTTP/1.1"))
    with pytest.raises(ValueError, match="line break"):
        response.run(says([b"abc"], headers, status), {})
    assert not wire.sent
    assert not response.begun


def test_the_body_is_closed_also_when_the_client_has_gone() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"abc"])

        def close(self) -> None:
            closed.append(True)

    class Gone(Wire):
        def send(self, data: bytes) -> None:
            raise OSError

    with pytest.raises(OSError):
        Response(Gone(), RequestHead("GET", "/", "HTTP/1.1")).run(says(Body()), {})
    assert closed == [True]


def test_an_application_that_forgot_to_start_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Response(Wire(), RequestHead("GET", "/", "HTTP/1.1")).run(
            lambda _environ, _start: [], {}
        )


@pytest.mark.parametrize("broken", ["a\rb", "a\nb", "a\r\nb"])
def test_no_break_of_any_kind_gets_into_the_head(broken: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        run(says([b""], [("X-One", broken)]))


def test_an_error_page_takes_the_place_of_an_answer_that_has_not_begun() -> None:
    """WSGI's `exc_info`: after the first byte it is too late, and the error goes on."""
    trouble = ValueError("of the application")

    def app(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", [("X-One", "1")])
        start("500 Sorry", [], (ValueError, trouble, None))
        yield b"sorry"
        start("500 Sorry", [], (ValueError, trouble, None))

    wire = Wire()
    with pytest.raises(ValueError, match="of the application") as raised:
        Response(wire, RequestHead("GET", "/", "HTTP/1.1")).run(app, {})
    assert raised.value is trouble
    (sent,) = wire.sent
    assert sent.startswith(b"HTTP/1.1 500 Sorry\r\n")
    assert b"X-One" not in sent
