"""How requests are framed, held against nginx: the same bytes go to nginx, which stands
in front of us, and to us.

What nginx refuses we refuse. Where both take it they see the same requests: what we
read is the beginning of what nginx read. And nothing arrives through nginx that it does
not know of: no request is smuggled. nginx is looser than RFC 9112 (bare line feeds, old
versions), so that we refuse more. PAYBELL_FRAMINGS sets how many mutations (150).
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import BodyError
from tests.tools.nginx import nginx
from tests.tools.ports import free_ports
from tests.tools.serving import serving
from tests.tools.wait import PATIENCE, wait_until
from transport.server.request_body import read_body

EXAMPLES = int(os.environ.get("PAYBELL_FRAMINGS", "150"))

HTTP = """
    upstream node {{ server 127.0.0.1:{node}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        lingering_close off;
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_ignore_client_abort on;
        }}
    }}
"""

Request = tuple[str, str, bytes]


class Seen(NamedTuple):
    """What became of some bytes."""

    statuses: list[int]
    requests: list[Request]
    """Those that the application got, whole."""
    told: list[str]
    """nginx's own list of them: status, method and target, status of ours."""


class Stage:
    """A server that writes down what it got, and nginx in front of it."""

    def __init__(self, port: int, proxy: int, log: Path) -> None:
        self.port, self.proxy = port, proxy
        self._log = log
        self.got: list[Request] = []
        self._read = 0  # lines of the log
        self._marks = 0

    def direct(self, data: bytes) -> Seen:
        self.got.clear()
        return Seen(statuses(talk(self.port, data)), list(self.got), [])

    def through_nginx(self, data: bytes) -> Seen:
        self.got.clear()
        answers, got = statuses(talk(self.proxy, data)), list(self.got)
        return Seen(answers, got, self.lines())

    def lines(self) -> list[str]:
        """What nginx told since the last call: all of it, as one more request of ours
        stands behind it."""
        self._marks += 1
        mark = f"/mark-{self._marks}"
        talk(self.proxy, get(mark, "Connection: close"))

        def told() -> list[str]:
            lines = self._log.read_text("latin-1").splitlines()[self._read :]
            return lines if any(mark in line for line in lines) else []

        lines = wait_until(told, 20, "nginx to log")
        self._read += len(lines)
        return [line for line in lines if "/mark-" not in line]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("nginx")
    (proxy,) = free_ports(1)
    got: list[Request] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        target = environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
        try:
            body, status = read_body(environ, 100_000), "200 OK"
        except BodyError as error:
            start_response(f"{error.code.status} Refused", [])
            return [b"refused"]
        got.append((environ["REQUEST_METHOD"], target, body))
        start_response(status, [("Content-Type", "text/plain")])
        return [b"taken"]

    with serving(app) as server:
        http = HTTP.format(node=server.port, port=proxy)
        with nginx(folder, http, proxy):
            stage = Stage(server.port, proxy, folder / "access.log")
            stage.got = got
            yield stage


def talk(port: int, data: bytes) -> bytes:
    """Say all of it, and nothing more; all that is answered."""
    with socket.create_connection(("127.0.0.1", port), 20 * PATIENCE) as sock:
        came = bytearray()
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65_536):
                came += piece
        except ConnectionError:
            pass
        return bytes(came)


def statuses(answers: bytes) -> list[int]:
    """Of each final answer; every one has a Content-Length here, or ends it all."""
    found = []
    while answers.startswith(b"HTTP/1."):
        head, _, rest = answers.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lengths = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        answers = rest[lengths[0] :] if lengths else b""
        if status >= 200:
            found.append(status)
    return found


def get(target: str = "/first", *lines: str, method: str = "GET") -> bytes:
    head = (f"{method} {target} HTTP/1.1", "Host: shop.example", *lines, "", "")
    return "\r\n".join(head).encode("latin-1")


LAST = get("/last", "Connection: close")


def post(body: bytes, *lines: str) -> bytes:
    return get("/post", *lines, method="POST") + body


def chunked(body: bytes, *lines: str) -> bytes:
    return post(body, "Transfer-Encoding: chunked", *lines)


def judge(stage: Stage, data: bytes) -> tuple[Seen, Seen]:
    """The three rules of this file."""
    ours, theirs = stage.direct(data), stage.through_nginx(data)
    first = theirs.told[0] if theirs.told else ""
    if theirs.statuses[:1] and theirs.statuses[0] >= 400 and first.endswith(" -"):
        assert not ours.requests, f"nginx refuses it ({first}), we took it: {data!r}"
        assert ours.statuses[:1] >= [400] or not ours.statuses
    assert ours.requests == theirs.requests[: len(ours.requests)], data
    passed = [line for line in theirs.told if line.endswith(" 200")]
    assert len(theirs.requests) <= len(theirs.told), data
    for line, (method, _target, _body) in zip(passed, theirs.requests, strict=False):
        assert f'"{method} ' in line, (data, theirs)
    return ours, theirs


SMUGGLED = get("/smuggled")
SIZED = f"Content-Length: {len(SMUGGLED)}"

REFUSED = {
    "CL.TE": post(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 6",
                  "Transfer-Encoding: chunked"),
    "TE.CL": chunked(b"5c\r\n" + SMUGGLED + b"0\r\n\r\n", "Content-Length: 4"),
    "TE.TE": chunked(b"0\r\n\r\n", "Transfer-Encoding: identity"),
    "TE twice": chunked(b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    "TE of two": post(b"0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
    "TE not last": post(b"0\r\n\r\n", "Transfer-Encoding: chunked, identity"),
    "TE unknown": post(b"0\r\n\r\n", "Transfer-Encoding: xchunked"),
    "TE with a tab": post(b"0\r\n\r\n", "Transfer-Encoding:\tchunked\x0b"),
    "TE and a blank": post(b"0\r\n\r\n", "Transfer-Encoding : chunked"),
    "TE folded": post(b"0\r\n\r\n", "Transfer-Encoding:\r\n chunked"),
    "TE in HTTP/1.0": chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "TE quoted": post(b"0\r\n\r\n", 'Transfer-Encoding: "chunked"'),
    "CL twice": post(SMUGGLED, SIZED, "Content-Length: 0"),
    "CL twice, the same": post(SMUGGLED, SIZED, SIZED),
    "CL as a list": post(b"abc", "Content-Length: 3, 3"),
    "CL with a plus": post(b"abc", "Content-Length: +3"),
    "CL with a minus": post(b"abc", "Content-Length: -3"),
    "CL in hex": post(b"abc", "Content-Length: 0x3"),
    "CL with a blank": post(b"abc", "Content-Length : 3"),
    "CL with an underline": post(b"abc", "Content-Length: 1_0"),
    "CL and a word": post(b"abc", "Content-Length: 3 abc"),
    "CL of nothing": post(b"abc", "Content-Length:"),
    "CL folded": post(b"abc", "Content-Length:\r\n 3"),
    "CL too large": post(b"abc", "Content-Length: 99999999999999999999"),
    "obs-fold": get("/first", "X-A: 1\r\n 2"),
    "a name with a blank": get("/first", "X A: 1"),
    "no name": get("/first", ": 1"),
    "no colon": get("/first", "X-A"),
    "NUL in a value": get("/first", "X-A: a\x00b"),
    "CR in a value": get("/first", "X-A: a\rContent-Length: 3"),
    "bare CR at the end": get("/first", "X-A: a\r"),
    "bare LF": get("/first").replace(b"\r\n", b"\n"),
    "one bare LF": get("/first", "X-A: 1\nContent-Length: 3"),
    "no Host": b"GET /first HTTP/1.1\r\n\r\n",
    "two Hosts": get("/first", "Host: other.example"),
    "a Host with a path": get().replace(b"shop.example", b"shop.example/x"),
    "a Host with a user": get().replace(b"shop.example", b"u@shop.example"),
    "a Host with a blank": get().replace(b"shop.example", b"shop example"),
    "HTTP/0.9": b"GET /first\r\n\r\n",
    "HTTP/2.0": get().replace(b"HTTP/1.1", b"HTTP/2.0"),
    "HTTP/1.10": get().replace(b"HTTP/1.1", b"HTTP/1.10"),
    "two blanks": get().replace(b"GET /", b"GET  /"),
    "a tab": get().replace(b"GET /", b"GET\t/"),
    "a method in small letters": get(method="get"),
    "a method that is made up": get(method="BREW"),
    "CONNECT": get("shop.example:443", method="CONNECT"),
    "no path": get("first"),
    "half an escape": get("/first%2"),
    "an escaped NUL": get("/first%00"),
    "a fragment": get("/first#x"),
}  # fmt: skip

TAKEN = {
    "one after the other": get() + get("/second"),
    "CL with zeros before": post(b"abc", "Content-Length: 003"),
    "CL of a GET": get("/first", "Content-Length: 3") + b"abc",
    "TE in capitals": post(b"3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: CHUNKED"),
    "chunks": chunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    "a chunk with zeros before": chunked(b"003\r\nabc\r\n00\r\n\r\n"),
    "chunk extensions": chunked(b'3;a=b;c="d\\"e"\r\nabc\r\n0;x\r\n\r\n'),
    "trailers": chunked(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "an absolute target": get("http://shop.example/first?a=b"),
    "an empty line before": b"\r\n" + get(),
    "an IPv6 Host": get().replace(b"shop.example", b"[::1]:8080"),
}

CHUNKS = [
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabcXX0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3_0\r\nabc\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    b"3;a=\x00\r\nabc\r\n0\r\n\r\n",
    b'3;a="b\r\nabc\r\n0\r\n\r\n',
    b"fffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX-Sum\r\n\r\n",
    b"3\r\nabc\r\n0\r\n X: 1\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: 1\n\r\n",
    b"3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
    b"3\r\nabc\r\n0\r\n",
    b"3\r\nabc\r\n",
    b"3\r\nab",
    b"\r\n3\r\nabc\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused_and_smuggles_nothing(
    stage: Stage, case: str
) -> None:
    ours, theirs = judge(stage, REFUSED[case] + LAST)
    assert ours.requests == []
    assert len(ours.statuses) == 1, "the connection ends with the refusal"
    assert ours.statuses[0] in {400, 501, 505}
    assert ("GET", "/smuggled?", b"") not in theirs.requests


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_framed_well_is_taken_by_both_as_the_same_requests(
    stage: Stage, case: str
) -> None:
    ours, theirs = judge(stage, TAKEN[case] + LAST)
    assert ours.requests == theirs.requests
    assert ours.requests[-1] == ("GET", "/last?", b"")
    assert set(ours.statuses) == set(theirs.statuses) == {200}


@pytest.mark.parametrize("data", CHUNKS)
def test_a_chunk_is_framed_as_rfc_9112_says_or_refused(
    stage: Stage, data: bytes
) -> None:
    ours, theirs = judge(stage, chunked(data) + SMUGGLED + LAST)
    assert ours.requests == []
    assert ours.statuses[:1] == [400]
    assert len(ours.statuses) == 1
    assert all(method != "SMUGGLED" for method, _, _ in theirs.requests)


SINGLE = b'\r\n \t:;,="\x00\x0b\x7f\xa0013a+-%/#'
LINES = (
    b"\r\n",
    b"0\r\n\r\n",
    b"3\r\nabc\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"chunked",
    b"identity",
)
PIECES = st.sampled_from([*(bytes((one,)) for one in SINGLE), *LINES])
WELL_FRAMED = st.sampled_from([*TAKEN.values(), *(chunked(c) for c in CHUNKS)])
EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 4), PIECES), min_size=1, max_size=3
)


@settings(max_examples=EXAMPLES)
@given(WELL_FRAMED, EDITS)
@example(chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"), [(0, 0, b"\r\n")])
def test_no_mutation_of_a_framing_is_taken_by_us_and_not_by_nginx(
    stage: Stage, framed: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    data = framed + SMUGGLED + LAST
    for place, removed, piece in edits:
        at = place % len(data)
        data = data[:at] + piece + data[at + removed :]
    judge(stage, data)
