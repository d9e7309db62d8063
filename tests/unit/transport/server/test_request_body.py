"""Bodies: how much is read, and each way in which one can be wrong."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import (
    BodyError,
    BodyIncomplete,
    BodyMalformed,
    BodyTimeout,
    BodyTooLarge,
)
from transport.server.limits import ServerLimits
from transport.server.request_body import RequestBody, read_body

LIMITS = ServerLimits(body_bytes=1000, body_chunks=20, discard_bytes=100)


class Reader(io.BytesIO):
    """What is there at once; then the end, or a deadline that passes."""

    def __init__(self, data: bytes, late: bool = False) -> None:
        super().__init__(data)
        self.late = late
        self.deadline: float | None = None

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.late and len(data) < (size or 0):
            raise TimeoutError
        return data

    def set_deadline(self, after_s: float | None) -> None:
        self.deadline = after_s


def body(
    data: bytes, length: int | None = None, *, late: bool = False, go: Any = None
) -> RequestBody:
    return RequestBody(Reader(data, late), LIMITS, length, length is None, go)


def environ(source: Any, length: int | str | None = None) -> dict[str, Any]:
    env: dict[str, Any] = {"wsgi.input": source}
    if length is not None:
        env["CONTENT_LENGTH"] = str(length)
    return env


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (*pieces, b""))


def test_a_body_with_a_length_is_read_to_it_and_no_further() -> None:
    source = body(b"helloGET /", 5)
    assert read_body(environ(source, 5), 100) == b"hello"


def test_a_request_without_a_body_has_an_empty_one() -> None:
    assert read_body(environ(body(b"GET /", 0)), 100) == b""


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_chunks_are_joined(pieces: list[bytes]) -> None:
    source = body(chunks(*pieces) + b"GET /")
    assert read_body(environ(source), 1000) == b"".join(pieces)
    assert source.read(1) == b""


def test_extensions_and_trailers_of_chunks_are_read_over() -> None:
    data = b'5;a="b"\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\nrest'
    source = body(data)
    assert read_body(environ(source), 100) == b"hello"


def test_a_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    source = body(b"x" * 50, 50)
    with pytest.raises(BodyTooLarge) as raised:
        read_body(environ(source, 50), 49)
    assert raised.value.code.status == 413
    assert raised.value.limit_bytes == 49
    assert source.read() == b"x" * 50


def test_chunks_over_the_limit_are_refused() -> None:
    with pytest.raises(BodyTooLarge):
        read_body(environ(body(chunks(b"x" * 30, b"x" * 30))), 49)


def test_no_reader_gets_more_than_the_hard_limit() -> None:
    with pytest.raises(BodyTooLarge):
        body(b"x" * 1001, 1001).read()


def test_a_flood_of_tiny_chunks_is_refused() -> None:
    with pytest.raises(BodyTooLarge):
        body(chunks(*[b"x"] * 25)).read()


def test_a_body_that_ends_early_is_incomplete() -> None:
    with pytest.raises(BodyIncomplete):
        read_body(environ(body(b"hell", 5), 5), 100)
    with pytest.raises(BodyIncomplete):
        body(b"5\r\nhel").read()
    with pytest.raises(BodyIncomplete):
        read_body(environ(io.BytesIO(b"hell"), 5), 100)


def test_a_body_that_comes_too_late_is_a_timeout() -> None:
    with pytest.raises(BodyTimeout) as raised:
        read_body(environ(body(b"hell", 5, late=True), 5), 100, deadline_s=3)
    assert raised.value.code.status == 408


@pytest.mark.parametrize(
    "data",
    [
        b"xyz\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b'5;a="b\r\nhello\r\n0\r\n\r\n',
        b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: 1\r\n\r\n",
        b"0\r\nA : 1\r\n\r\n",
        b"fffffffff\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5;" + b"x" * 300 + b"\r\n",
        b"0\r\n" + b"A: b\r\n" * 20 + b"\r\n",
        b"0\r\nA: b\n\r\n",
    ],
)
def test_chunks_that_are_none_are_malformed(data: bytes) -> None:
    with pytest.raises(BodyMalformed):
        body(data).read()


@pytest.mark.parametrize("length", ["+5", "5_0", "abc", "-1", "9" * 16])
def test_a_length_that_is_no_number_is_malformed(length: str) -> None:
    with pytest.raises(BodyMalformed):
        read_body(environ(io.BytesIO(b"hello"), length), 100)


def test_the_client_that_waits_for_100_gets_it_before_the_first_read_only() -> None:
    sent: list[int] = []
    source = body(b"hello", 5, go=lambda: sent.append(1))
    assert source.read(2) == b"he"
    assert source.read() == b"llo"
    assert sent == [1]


def test_lines_are_read_across_chunks() -> None:
    source = body(chunks(b"a\nb", b"c\nd"))
    assert source.readlines() == [b"a\n", b"bc\n", b"d"]
    source = body(b"a\nbc\nd", 6)
    assert list(source) == [b"a\n", b"bc\n", b"d"]


def test_a_small_rest_is_discarded_and_a_large_one_is_not() -> None:
    assert body(b"x" * 90, 90).discard()
    assert not body(b"x" * 900, 900).discard()
    assert not body(b"x" * 10, 90).discard()
    assert not body(b"x" * 90, 90, go=lambda: None).discard()
    assert body(chunks(b"x" * 10)).discard()
    assert not body(chunks(b"x" * 200)).discard()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_body_or_a_body_error(data: bytes) -> None:
    try:
        body(data).read()
    except BodyError as error:
        assert error.code.status in (400, 413)


def test_a_rest_that_is_too_large_is_not_even_begun() -> None:
    reader = Reader(b"x" * 900)
    assert not RequestBody(reader, LIMITS, 900, False, None).discard()
    assert reader.tell() == 0


def test_nothing_is_discarded_behind_a_mistake() -> None:
    """What comes next may look like a chunk, and is a request of somebody else's."""
    source = body(b"wrong\r\n" + chunks(b"x" * 10))
    with pytest.raises(BodyMalformed):
        source.read()
    assert not source.discard()
