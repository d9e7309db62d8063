"""Request heads: what is understood, and what is refused because it could be read
in two ways."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.server.limits import ServerLimits
from transport.server.request_head import HeadError, RequestHead, read_head

LIMITS = ServerLimits(request_line_bytes=100, header_bytes=300, header_count=5)


def head(text: str) -> RequestHead:
    read = read_head(io.BytesIO(text.encode("latin-1")), LIMITS)
    assert read is not None
    return read


def refusal(text: str) -> int:
    with pytest.raises(HeadError) as raised:
        read_head(io.BytesIO(text.encode("latin-1")), LIMITS)
    return raised.value.code.status


def get(*lines: str, version: str = "1.1") -> str:
    return "\r\n".join((f"GET / HTTP/{version}", "Host: a", *lines, "", ""))


def test_a_head_is_taken_apart() -> None:
    read = head("POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-Y:  1 \r\nx-y: 2\r\n\r\n")
    assert (read.method, read.target, read.version) == ("POST", "/a?b=c", "HTTP/1.1")
    assert read.get("x-y") == "1, 2"
    assert read.get("absent", "no") == "no"
    assert read.keep_alive


def test_the_end_of_the_stream_between_requests_is_no_error() -> None:
    assert read_head(io.BytesIO(b""), LIMITS) is None
    assert read_head(io.BytesIO(b"\r\n"), LIMITS) is None


def test_an_absolute_target_is_taken_as_its_path() -> None:
    assert head("GET http://h/x?y HTTP/1.1\r\nHost: h\r\n\r\n").target == "/x?y"
    assert head("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").target == "/"


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        (get(), True),
        (get("Connection: close"), False),
        (get("Connection: foo, Close"), False),
        (get(version="1.0"), False),
        (get("Connection: keep-alive", version="1.0"), True),
    ],
)
def test_who_keeps_the_connection(text: str, keeps: bool) -> None:
    assert head(text).keep_alive is keeps


@pytest.mark.parametrize(
    "text",
    [
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n",
        "GET http://u@h/ HTTP/1.1\r\nHost: a\r\n\r\n",
        get("Host: b"),
        get("No colon"),
        get("Name : x"),
        get(" folded"),
        get("X: a\x00b"),
        get("X: a\rb"),
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HT",
        get("Content-Length: 1", "Content-Length: 1"),
        get("Content-Length: 1, 1"),
        get("Content-Length: +1"),
        get("Content-Length: 1_0"),
        get("Content-Length: -1"),
        get("Content-Length: "),
        get("Content-Length: 0x10"),
        get("Content-Length: 1", "Transfer-Encoding: chunked"),
        get("Transfer-Encoding: gzip, chunked"),
        get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        get("Transfer-Encoding: xchunked"),
        get("Transfer-Encoding: chunked", version="1.0"),
    ],
)
def test_a_malformed_or_ambiguous_head_is_400(text: str) -> None:
    assert refusal(text) == 400


def test_the_host_of_an_absolute_target_takes_the_place_of_host() -> None:
    read = head("GET http://h:1/x HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n")
    assert read.get_all("host") == ["h:1"]


def test_a_query_may_hold_any_escape() -> None:
    assert head("GET /?a=%00%zz HTTP/1.1\r\nHost: a\r\n\r\n").target == "/?a=%00%zz"


@pytest.mark.parametrize("method", ["get", "BREW", "PROPFIND", "CONNECT", "Post"])
def test_a_method_that_http_does_not_define_here_is_501(method: str) -> None:
    assert refusal(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n") == 501


def test_sizes_and_counts_have_limits_of_their_own_statuses() -> None:
    assert refusal(f"GET /{'x' * 100} HTTP/1.1\r\n") == 414
    assert refusal(get("X: " + "x" * 300)) == 431
    assert refusal(get(*[f"X-{i}: 1" for i in range(5)])) == 431
    assert refusal("GET / HTTP/2.0\r\n") == 505
    assert refusal("GET / HTTP/0.9\r\n") == 505


def test_bodies_are_announced_by_one_length_or_by_chunks() -> None:
    assert head(get("Content-Length: 007")).content_length == 7
    assert head(get("Transfer-Encoding: Chunked")).chunked
    assert head(get()).content_length is None


@given(st.binary(max_size=500))
def test_any_bytes_are_a_head_a_head_error_or_the_end(data: bytes) -> None:
    try:
        read_head(io.BytesIO(b"GET / HTTP/1.1\r\n" + data), LIMITS)
    except HeadError as error:
        assert error.code.status in (400, 431)
